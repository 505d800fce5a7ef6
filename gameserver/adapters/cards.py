"""Node cards as both directories keep them: JSON by instance, stamped with the store's time."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gameserver.ports import NodeCard

DEAD_AFTER_MS: Final = 60_000
"""Age of a heartbeat at which a card is removed by whoever beats."""

LISTED_MAX: Final = 100
"""Public rooms listed at once."""

pack = msgspec.json.Encoder().encode
_unpack = msgspec.json.Decoder(NodeCard).decode


def stamped(card: NodeCard, now_ms: int) -> NodeCard:
    """Return the card with the store's time as its heartbeat, and as ``since_ms`` where that is still 0."""
    return msgspec.structs.replace(card, beat_ms=now_ms, since_ms=card.since_ms or now_ms)


def sort_out(stored: Mapping[str, bytes], now_ms: int) -> tuple[list[NodeCard], list[str]]:
    """Return the cards to be known, by instance, and the instances to be removed: dead for a minute, or unreadable."""
    cards: list[NodeCard] = []
    dead: list[str] = []
    for instance in sorted(stored):
        try:
            card = _unpack(stored[instance])
        except msgspec.DecodeError:
            dead.append(instance)
            continue
        if now_ms - card.beat_ms > DEAD_AFTER_MS:
            dead.append(instance)
        else:
            cards.append(card)
    return cards, dead
