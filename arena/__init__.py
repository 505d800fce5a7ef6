"""What every process stands on: settings, logs, metrics, keys, embedded servers, the supervisor and the command line.

Imports nothing of ours but ``protocol``. It starts the other parts as processes and never imports them.
"""
