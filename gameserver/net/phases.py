"""The life of a connection as a table. Whatever is not in it does not happen: ``next_phase`` raises."""

import enum
from typing import Final


class Phase(enum.Enum):
    """Where a connection stands."""

    REQUEST = "request"  # reading the upgrade request
    ADMIT = "admit"  # the ticket is being used up
    HELLO = "hello"  # upgraded, waiting for Hello
    OPEN = "open"  # a member of a room or of the lobby
    CLOSING = "closing"  # a close frame or an HTTP refusal was sent
    CLOSED = "closed"  # the socket is gone


class Step(enum.Enum):
    """What happened to it."""

    ASKED = "asked"  # a well-formed request with a ticket came
    UPGRADED = "upgraded"  # 101 was sent
    GREETED = "greeted"  # Hello was accepted
    ENDED = "ended"  # either side said it is over
    LOST = "lost"  # the socket is gone


TRANSITIONS: Final[dict[Phase, dict[Step, Phase]]] = {
    Phase.REQUEST: {
        Step.ASKED: Phase.ADMIT,
        Step.UPGRADED: Phase.HELLO,
        Step.ENDED: Phase.CLOSING,
        Step.LOST: Phase.CLOSED,
    },
    Phase.ADMIT: {Step.UPGRADED: Phase.HELLO, Step.ENDED: Phase.CLOSING, Step.LOST: Phase.CLOSED},
    Phase.HELLO: {Step.GREETED: Phase.OPEN, Step.ENDED: Phase.CLOSING, Step.LOST: Phase.CLOSED},
    Phase.OPEN: {Step.ENDED: Phase.CLOSING, Step.LOST: Phase.CLOSED},
    Phase.CLOSING: {Step.LOST: Phase.CLOSED},
    Phase.CLOSED: {},
}


def next_phase(phase: Phase, step: Step) -> Phase:
    """Return where the step leads. Raises ``AssertionError`` (a bug of ours) when it leads nowhere."""
    following = TRANSITIONS[phase].get(step)
    assert following is not None, f"{step} in {phase}"
    return following
