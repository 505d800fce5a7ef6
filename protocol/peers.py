"""What nodes tell each other over control connections (COMMIT.md §6), and what operators and supervisors tell nodes.

Frames as in ``protocol/door.py``. A link begins with ``NodeHello`` (or with a door's hello), which carries the secret
that doors and nodes share; anything else first, or a wrong secret, ends it.
"""

from typing import Final

import msgspec
from msgspec import Struct

from protocol.door import DoorHello, DoorLines

SHARDS_IN_A_FRAME_MAX: Final = 1024


class NodeHello(Struct, frozen=True, tag="node", forbid_unknown_fields=True):
    """The first frame of a node: who it is, and where its own control connections are taken."""

    instance: str
    control: str  # host:port
    secret: str


class NodeWelcome(Struct, frozen=True, tag="welcome", forbid_unknown_fields=True):
    """The answer: which instance listens here."""

    instance: str


class HoldsAsk(Struct, frozen=True, tag="holds_ask", forbid_unknown_fields=True):
    """Which of these shards do you hold, and how far?"""

    number: int
    shards: list[int]


class HoldsTell(Struct, frozen=True, tag="holds", forbid_unknown_fields=True):
    """These: (shard, epoch, last confirmed seq)."""

    number: int
    held: list[tuple[int, int, int]]


class Freed(Struct, frozen=True, tag="freed", forbid_unknown_fields=True):
    """The sender has just released these shards."""

    shards: list[int]


class Died(Struct, frozen=True, tag="died", forbid_unknown_fields=True):
    """A supervisor saw the process of this instance end. Answered by ``Noted``."""

    instance: str


class Drain(Struct, frozen=True, tag="drain", forbid_unknown_fields=True):
    """Hand every shard over and stop. Answered by ``Noted``; the link ends with the process."""


class Noted(Struct, frozen=True, tag="noted", forbid_unknown_fields=True):
    """It was heard."""


Asked = DoorHello | DoorLines | NodeHello | HoldsAsk | Freed | Died | Drain
"""What the listening side of a control connection may be told."""

Answer = NodeWelcome | HoldsTell | Noted
"""What it answers."""

_encoder = msgspec.msgpack.Encoder()
_asked: msgspec.msgpack.Decoder[Asked] = msgspec.msgpack.Decoder(Asked)
_answer: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def pack(message: Asked | Answer) -> bytes:
    """Return the message as one frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def unpack_asked(body: bytes) -> Asked:
    """Return what the other side tells or asks. Raises ``ValueError``."""
    try:
        return _asked.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError("not a control message") from error


def unpack_answer(body: bytes) -> Answer:
    """Return what the other side answers. Raises ``ValueError``."""
    try:
        return _answer.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError("not an answer to a control message") from error
