"""Whom the door does not let in, and what it says to them."""

import urllib.parse
from http import HTTPStatus
from typing import Final

from protocol.ids import RoomCode, normalise_room_code

_PASSING: Final = frozenset({"owner_unknown", "node_unreachable"})


class Refused(Exception):  # noqa: N818 - an answer
    """An upgrade is refused with this HTTP status; ``reason`` is the code for programs."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    @property
    def passing(self) -> bool:
        """Whether the room is on its way to another owner: a moment later there may be one."""
        return self.reason in _PASSING

    def answer(self) -> bytes:
        """Return the whole HTTP answer; the connection ends with it."""
        status = HTTPStatus(self.status)
        body = b'{"type":"about:blank","title":"%s","status":%d,"code":"%s"}' % (
            status.phrase.encode(),
            status,
            self.reason.encode(),
        )
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}".encode(),
            b"Content-Type: application/problem+json",
            b"Content-Length: %d" % len(body),
            b"Connection: close",
        ]
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(b"Retry-After: 1")
        return b"\r\n".join([*lines, b"", body])


def room_of(path: str) -> RoomCode | None:
    """Return the room a path leads to, None for the lobby. Raises ``Refused``."""
    if path == "/ws/lobby":
        return None
    if not path.startswith("/ws/game/"):
        raise Refused(404, "not_found")
    code = normalise_room_code(urllib.parse.unquote(path.removeprefix("/ws/game/")))
    if code is None:
        raise Refused(404, "room_not_found")
    return code
