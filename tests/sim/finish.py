"""What must be true when a run is over."""

import base64
from typing import TYPE_CHECKING

import msgspec

from gameserver.verify import Told, Verdict
from gameserver.verify import check as verify
from protocol import codec
from protocol.bus import MatchResult
from protocol.ids import ShardId
from tests.sim.room_truth import UNKNOWN, RoomTruth
from tests.sim.truth import ShardTruth

if TYPE_CHECKING:
    from tests.sim.people import Person
    from tests.sim.run import Simulation


def check(sim: "Simulation") -> None:
    """Judge a run that came to rest."""
    for truth in sim.oracle.truths.values():
        if truth.lost:
            continue
        _store(sim, truth)
        for room in [*truth.rooms.values(), *truth.buried.values()]:
            _results(sim, truth, room)
            for number in range(1, sim.desk.ghosts.get(room.code, 0) + 1):  # type: ignore[call-overload] # a code
                times = room.moderated.get(f"ghost-{number}/ban", 0)
                wanted = times == 1 or (times == 0 and sim.oracle.losses)  # what an inbox lost, nobody has
                sim.claim(wanted, f"message ban-{room.code}-{number} counted {times} times")
    for person in [*sim.people, *sim.past]:
        _orders(sim, person)


def _store(sim: "Simulation", truth: ShardTruth) -> None:
    """The store holds what was committed, each thing once."""
    kept = sim.world.shard(ShardId(truth.shard))
    journal = sim.world.journal(ShardId(truth.shard), truth.genesis)
    found = [(entry.seq, entry.record) for entry in journal if entry.seq > truth.base]
    wanted = [(commit.seq, commit.record) for commit in truth.commits][-len(found) :] if found else []
    sim.claim(found == wanted, f"shard {truth.shard}: another journal")
    if sim.oracle.losses:
        return
    results = [result for commit in truth.commits for result in commit.results]
    sim.claim(kept.results == results, f"shard {truth.shard}: {len(kept.results)} results, not {len(results)}")


def _results(sim: "Simulation", truth: ShardTruth, room: RoomTruth) -> None:
    for match in room.matches:
        if match in room.voided:
            continue
        sim.claim(match in truth.results and match in sim.desk.recorded, f"match {match} of {room.code} has no result")
        result = codec.unpack_bus(truth.results[match])
        assert isinstance(result, MatchResult)
        sim.oracle.count("matches")
        for line in verify(_told(result)):
            sim.claim(line.verdict is Verdict.HOLDS, f"match {match} of {room.code}: {line.verdict}: {line.text}")
    sim.claim(len(room.matches) == room.room.state.number, f"{room.code}: {len(room.matches)} matches seen")


def _told(result: MatchResult) -> Told:
    body = msgspec.to_builtins(result)
    for name in ("seed", "salt", "commitment"):
        body[name] = getattr(result, name).hex()
    body["log"] = base64.b64encode(result.log).decode()
    return msgspec.convert(body, Told)


def _orders(sim: "Simulation", person: "Person") -> None:
    """What a client was told of its commands is what became of them."""
    seat = person.session.seat
    room = sim.oracle.truth_of(person.code).find(person.code)
    if sim.oracle.truth_of(person.code).lost:
        return
    if seat is None or room is None or person.role != "player":
        return
    for order, number in person.accepted.items():
        raw = room.accepted.get((seat, number))
        sim.claim(raw is not None, f"{person.user}: command {number} was acknowledged and is lost")
        assert raw is not None
        if raw is UNKNOWN:
            continue
        kind, fields = person.submitted[order]
        sim.claim(codec.decode_client(raw) == kind(id=number, **fields), f"{person.user}: {number} is another command")
    for number in [*person.held, *(number for number, _ in person.turned)]:
        sim.claim((seat, number) not in room.accepted, f"{person.user}: command {number} was refused, but counts")
