"""A test build's ``/echo``: the same stack, sending every message back unchanged, for the Autobahn suite."""

from typing import Final

from websockets.frames import CloseCode as WireClose
from websockets.http11 import Response

from gameserver.net.edge import Edge
from gameserver.net.gate import Route
from gameserver.net.inflow import NONE_WHOLE, WHOLE_BINARY, WHOLE_TEXT
from gameserver.net.phases import Phase, Step, next_phase
from gameserver.net.socket import Socket
from protocol import frames
from protocol.tickets import TicketClaims

_EITHER: Final = WHOLE_TEXT + WHOLE_BINARY


class EchoSocket(Socket):
    """A connection that may be an echo. Text must be UTF-8 (RFC 6455 §8.1), as a JSON message must."""

    __slots__ = ()

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge, edge.limits.echo_bytes)

    def _echoes(self) -> bool:
        return self._visit is not None and self._visit.route is Route.ECHO

    def _upgrade(self, response: Response, claims: TicketClaims | None) -> None:
        super()._upgrade(response, claims)
        if self._echoes() and self._phase is Phase.HELLO:
            self._phase = next_phase(self._phase, Step.GREETED)

    def _expect_whole(self, whole: bool) -> None:
        if whole and self._echoes():
            self._whole = _EITHER if self._is_open() else NONE_WHOLE
        else:
            super()._expect_whole(whole)

    def _message(self, first: int, payload: bytes) -> None:
        if not self._echoes():
            super()._message(first, payload)
        elif not self._is_open():
            return
        elif first == WHOLE_BINARY[0]:
            self.send(frames.binary(payload))
        else:
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                self._fail(WireClose.INVALID_DATA, f"{error.reason} at position {error.start}")
            else:
                self.send(frames.text(payload))

    def _charge(self) -> bool:
        return self._echoes() or super()._charge()
