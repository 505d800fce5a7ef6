"""The wire and the bus: everything two processes must agree on, and nothing else.

Pure: imports nothing of ours, opens no socket, reads no clock, draws no random number.
``SPEC.md`` beside this file describes the wire for people who write clients.
"""
