"""A client library for SvidNet Arena, written from ``protocol/SPEC.md``, and bots that play.

``session.Session`` is the whole protocol without I/O; ``room.RoomClient`` runs it over a real socket.
"""

from clients.python.api import Api, ApiError
from clients.python.room import RoomClient
from clients.python.session import Plan, Session, Way

__all__ = ["Api", "ApiError", "Plan", "RoomClient", "Session", "Way"]
