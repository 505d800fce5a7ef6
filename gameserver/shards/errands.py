"""What a shard asks of the world after its commits: content, cards, trimming; and what it measures of its lines."""

from typing import TYPE_CHECKING

import msgspec
import structlog

from gameserver.ports import Directory, ShardStore, StoreUnavailable
from gameserver.rooms import inputs
from gameserver.shards import limits
from gameserver.shards.live import CardSaid, LiveRoom, Mail
from gameserver.shards.shard import Shard
from protocol import codec
from protocol.bus import ContentRequest, RoomCard
from protocol.ids import RoomCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAD_MS = (100, 300)
WINDOW_MS = (40, 250)
MEASURE_STEP_MS = 20
log = structlog.get_logger("errands")


async def run(shards: "Iterable[Shard]", store: ShardStore, directory: Directory, *, node: str) -> None:
    """Do what is due for all shards. Raises ``StoreUnavailable``; what was not done is done the next time."""
    owned = [shard for shard in shards if not shard.dropped and not shard.pipe.mending]
    for shard in owned:
        if shard.waiting:
            await _ask(shard, store)
    await _cards(owned, directory, node)
    await _connections(owned, directory, node)
    for shard in owned:
        if shard.dropped:
            continue
        if shard.running:
            _measure(shard)
        before = shard.trimmable() if shard.journal.worth_trimming else None
        if before is not None:
            await store.trim(shard.id, shard.genesis, nonce=shard.nonce, before_seq=before)
            shard.journal.trimmed(before)


async def _ask(shard: Shard, store: ShardStore) -> None:
    """Send content requests that are committed and unanswered: at once, then every five seconds."""
    messages: list[bytes] = []
    now = shard.clocks.monotonic_ms()
    for live, since in shard.waiting.items():
        if since > shard.pipe.confirmed_seq:
            continue
        wanted = [effect for effect in live.room.pending() if isinstance(effect, ContentRequest)]
        for request in wanted:
            if now - live.asked_at.get(request.id, -limits.EFFECT_AGAIN_MS) >= limits.EFFECT_AGAIN_MS:
                live.asked_at[request.id] = now
                messages.append(codec.pack_bus(request))
        live.asked_at = {request.id: live.asked_at[request.id] for request in wanted}
    if messages:
        await store.request(shard.id, messages)


async def _cards(shards: "Sequence[Shard]", directory: Directory, node: str) -> None:
    """Write the cards of rooms whose confirmed state changed, each at most once a second, all in one write.

    Most of what happens in a room is not on its card: a card that would say what it says is not written again.
    """
    cards: dict[str, bytes | None] = {}
    public: dict[str, bool] = {}
    done: list[tuple[Shard, RoomCode, LiveRoom | None, CardSaid | None]] = []
    for shard in shards:
        now = shard.clocks.monotonic_ms()
        for live in list(shard.stale_cards):
            if now - live.card_at >= limits.CARD_EVERY_MS:
                live.card_wanted = True
                shard.wants_tick(live)
        changes, shard.changed_cards = shard.changed_cards, {}
        for code, changed in changes.items():
            if changed is None or changed.card is None:
                cards[code], public[code] = None, False
                done.append((shard, code, changed, None))
                continue
            changed.card_at = now
            said = (changed.card, len(changed.watchers))
            if said != changed.card_said:
                cards[code] = encode_card(*said, node)
                public[code] = changed.card.public
            done.append((shard, code, changed, said))
    try:
        if cards:
            await directory.put_cards(cards, public)
    except StoreUnavailable:
        for shard, code, changed, _ in done:
            shard.changed_cards.setdefault(code, changed)
        raise
    for _, _, changed, now_said in done:
        if changed is not None:
            changed.card_said = now_said


async def _connections(shards: "Sequence[Shard]", directory: Directory, node: str) -> None:
    """Write how many connections each room holds here: once a second what changed, now and then what did not."""
    changed: dict[RoomCode, int] = {}
    counted: list[tuple[LiveRoom, int, float]] = []
    for shard in shards:
        now = shard.clocks.monotonic_ms()
        if now - shard.counted_at < limits.CONNECTIONS_EVERY_MS:
            continue
        shard.counted_at = now
        for code, live in shard.rooms.items():
            count, (told, told_at) = live.connections(), live.connections_told
            if count != told or (count and now - told_at >= limits.CONNECTIONS_REFRESH_MS):
                changed[code] = count
                counted.append((live, count, now))
            if live.card is not None and now - live.card_at > limits.CARD_REFRESH_MS:
                live.card_said = None  # before its time is up in the store
                shard.changed_cards.setdefault(code, live)
    if changed:
        await directory.put_connections(node, changed)
        for live, count, now in counted:
            live.connections_told = (count, now)


def encode_card(card: RoomCard, watchers: int, node: str) -> bytes:
    """Return the JSON of a room card as httpapi reads it."""
    return msgspec.json.encode(msgspec.structs.replace(card, node=node, watchers=watchers))


def _measure(shard: Shard) -> None:
    """Tell running rooms how far away their players are, when it changed (DESIGN §9)."""
    now = shard.clocks.monotonic_ms()
    for live in list(shard.running):
        if now - live.measured_at < limits.MEASURE_EVERY_MS:
            continue
        live.measured_at = now
        worst = max((member.connection.line.one_way_ms for member in live.seats.values()), default=0)
        lead = min(max(worst + 50, LEAD_MS[0]), LEAD_MS[1])
        window = min(max(worst, WINDOW_MS[0]), WINDOW_MS[1])
        before_lead, before_window = live.measured
        if abs(lead - before_lead) >= MEASURE_STEP_MS or abs(window - before_window) >= MEASURE_STEP_MS:
            live.measured = (lead, window)
            live.post(Mail(inputs.Measure(lead_ms=lead, window_ms=window), shard.stamp()))
