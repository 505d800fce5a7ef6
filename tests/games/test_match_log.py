"""The match log: what it holds, that it replays, that it is bounded; and the sealed result."""

import hashlib
import zlib
from collections.abc import Sequence

import msgspec
import pytest

from gameserver.games import log as logs
from gameserver.games.log import Commanded, Ended, Header, LogError, MatchLog, read
from gameserver.games.match import result_digest, seal
from gameserver.games.replay import OtherRules, ReplayError, replay
from protocol import client
from protocol.bus import MatchResult
from protocol.codec import canonical, encode_client
from tests.support.rooms import ENTROPY, Table, questions


def played(*, end: bool = False) -> MatchResult:
    """Return the result of a match with all that may happen in one."""
    at = Table(people=4, change_answers=True)
    at.start()
    at.run_to("open")
    at.answer(1, at.right())
    at.answer(1, at.wrong())
    at.drop(2)
    at.do(1, client.Pause)
    at.wait(5_000)
    at.do(1, client.Unpause)
    at.back(2)
    at.run_to("reveal")
    at.join(5)
    at.run_to("open")
    at.answer(5, at.right(), reaction_ms=300, cap=70)
    at.do(3, client.Leave)
    if end:
        at.do(1, client.EndMatch)
    at.run_to("results")
    return at.results()[0]


RESULT = played()


@pytest.mark.parametrize("end", [False, True], ids=["to the end", "ended before its time"])
def test_a_log_replays_to_the_same_ranks_and_scores(end: bool) -> None:
    result = played(end=end)
    replayed = replay(result.log)
    anonymous = [msgspec.structs.replace(player, user="", name="") for player in result.players]
    assert replayed.outcome.players == anonymous
    assert replayed.abandoned is result.abandoned is end
    assert replayed.ended_ms == result.ended_ms


def test_a_log_names_nobody() -> None:
    whole = logs.inflate(RESULT.log)
    for number in range(1, 6):
        assert f"Name {number}".encode() not in whole
        assert f"user-{number}".encode() not in whole
    assert ENTROPY not in whole


def test_the_same_match_gives_the_same_digest() -> None:
    assert played().digest == RESULT.digest
    assert result_digest(RESULT, logs.inflate(RESULT.log)) == RESULT.digest


def test_the_digest_is_over_canonical_messagepack() -> None:
    whole = logs.inflate(RESULT.log)
    packed = canonical(msgspec.structs.replace(RESULT, log=whole, digest=b""))
    assert hashlib.blake2b(packed, digest_size=32).digest() == RESULT.digest


@pytest.mark.parametrize(
    "change",
    [{"rated": False}, {"ended_ms": 1}, {"code": "ZZZZZZ"}, {"players": RESULT.players[:-1]}, {"content": []}],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_covers_every_field(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(RESULT, **change)
    assert result_digest(changed, logs.inflate(RESULT.log)) != RESULT.digest


def test_the_digest_covers_the_log_but_not_how_it_was_compressed() -> None:
    whole = logs.inflate(RESULT.log)
    assert seal(RESULT, whole).digest == RESULT.digest
    assert seal(RESULT, whole + b"\0").digest != RESULT.digest
    assert result_digest(msgspec.structs.replace(RESULT, log=zlib.compress(whole, 1)), whole) == RESULT.digest


def header() -> Header:
    return read(RESULT.log)[0]


def stored(head: Header, entries: Sequence[logs.AnyEntry]) -> bytes:
    """Return a log of the tests' own making."""
    log = MatchLog.begin(head)
    for entry in entries:
        log.add(entry)
    return logs.compress(log.whole())


def test_a_log_beyond_its_limit_is_given_up_and_its_digest_goes_on() -> None:
    log = MatchLog.begin(header())
    entry = Commanded(1, 1, "player", 0, 0, b"x" * 4_000)
    while log.mark.kept:
        log.add(entry)
    assert logs.LOG_BYTES_MAX < log.mark.size < logs.LOG_BYTES_MAX + 5_000
    assert log.entries == []
    before = log.mark.digest
    log.add(entry)
    assert log.mark.digest != before
    assert log.whole() == b""
    assert logs.compress(log.whole()) == b""


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not zlib", id="not zlib"),
        pytest.param(RESULT.log[:-20], id="cut off"),
        pytest.param(zlib.compress(b"\x93\x01\xc4\x00\x90"), id="no header"),
        pytest.param(zlib.compress(msgspec.msgpack.encode((2, b"", []))), id="another version"),
        pytest.param(zlib.compress(bytes(20_000_000)), id="a bomb"),
    ],
)
def test_bytes_that_are_no_log_are_told_as_such(packed: bytes) -> None:
    with pytest.raises(LogError):
        read(packed)


def test_a_log_of_other_rules_is_not_replayed() -> None:
    head, entries = read(RESULT.log)
    with pytest.raises(OtherRules):
        replay(stored(msgspec.structs.replace(head, rules_version=99), list(entries)))
    with pytest.raises(OtherRules):
        replay(stored(msgspec.structs.replace(head, mode="chess"), list(entries)))


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda entries: entries[1:], id="no timing at the start"),
        pytest.param(lambda entries: entries[:-1], id="no end"),
        pytest.param(lambda entries: [*entries[:1], Ended(4_000, False)], id="ended too early"),
        pytest.param(
            lambda entries: [entries[0], logs.SeatChanged(3_001, 77, "away"), *entries[1:]], id="a seat nobody has"
        ),
        pytest.param(
            lambda entries: [entries[0], Commanded(3_001, 1, "player", 0, 0, b"\xc1"), *entries[1:]],
            id="a command nobody can read",
        ),
        pytest.param(
            lambda entries: [
                entries[0],
                Commanded(3_001, 1, "player", 0, 0, encode_client(client.ResyncAsk())),
                *entries[1:],
            ],
            id="a message that is no command",
        ),
        pytest.param(
            lambda entries: [entries[0], logs.SeatChanged(3_001, 1, "flying"), *entries[1:]], id="a change nobody knows"
        ),
    ],
)
def test_a_log_that_contradicts_the_rules_is_refused(tamper: object) -> None:
    head, entries = read(RESULT.log)
    with pytest.raises(ReplayError):
        replay(stored(head, tamper(list(entries))))  # type: ignore[operator] # a function of the table above


def test_a_header_that_cannot_begin_a_match_is_refused() -> None:
    head, entries = read(RESULT.log)
    for change in ({"settings": {"questions": 1}}, {"content": [{"id": "q"}]}):
        with pytest.raises(ReplayError):
            replay(stored(msgspec.structs.replace(head, **change), list(entries)))


def test_the_content_of_a_result_is_what_was_delivered() -> None:
    assert RESULT.content == questions(3)
