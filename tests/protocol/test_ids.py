"""Room codes, shards, Redis keys and errors."""

import inspect
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import golden, keys
from protocol.errors import ProtocolError, ProtocolErrorCode
from protocol.ids import ROOM_ALPHABET, ROOM_CODE_LENGTH, RoomCode, ShardId, normalise_room_code, shard_of
from protocol.tickets import ISSUER, TicketClaims

codes = st.text(st.sampled_from(ROOM_ALPHABET), min_size=ROOM_CODE_LENGTH, max_size=ROOM_CODE_LENGTH)


@given(codes, st.data())
def test_what_people_do_to_a_code_does_not_matter(code: str, data: st.DataObject) -> None:
    typed = "".join(
        data.draw(st.sampled_from(["", " ", "-", "\t"])) + data.draw(st.sampled_from([each, each.lower()]))
        for each in code
    )
    assert normalise_room_code(typed) == code


@given(st.text(max_size=10))
def test_a_code_is_six_characters_of_the_alphabet_or_none(typed: str) -> None:
    code = normalise_room_code(typed)
    assert code is None or (len(code) == 6 and set(code) <= set(ROOM_ALPHABET) and normalise_room_code(code) == code)


@given(codes, st.integers(1, 1024))
def test_a_room_lives_in_one_shard(code: str, shards: int) -> None:
    assert shard_of(RoomCode(code), shards) == zlib.crc32(code.encode()) % shards


@pytest.mark.parametrize("vector", golden.read("room_codes"), ids=lambda vector: repr(vector["name"]))
def test_golden(vector: golden.Vector) -> None:
    code = normalise_room_code(vector["typed"])
    assert code == vector["code"]
    assert (shard_of(code, 64) if code else None) == vector["shard_of_64"]


def test_the_keys_of_a_shard_share_a_slot() -> None:
    shard = ShardId(7)
    names = [
        keys.head(shard),
        keys.owner(shard),
        keys.journal(shard, "g"),
        keys.results(shard),
        keys.inbox(shard),
        keys.requests(shard),
    ]
    assert len(set(names)) == len(names)
    assert all("{s:7}" in name for name in names)


def all_keys(text: str, number: int) -> list[str]:
    """Return what every function of the key layout makes of the same arguments."""
    made = []
    for function in vars(keys).values():
        if inspect.isfunction(function) and function.__module__ == keys.__name__:
            kinds = [parameter.annotation for parameter in inspect.signature(function).parameters.values()]
            made.append(function(*(number if kind in (ShardId, int) else text for kind in kinds)))
    return made


def test_no_two_keys_are_one() -> None:
    names = all_keys("BCDF23", 7)
    assert len(names) > 12
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{keys.PREFIX}:") for name in names)
    assert not set(names) & set(all_keys("GHJK45", 8)), "a key carries what it is about"


def test_a_ticket_is_for_one_audience_and_holds_nothing_else() -> None:
    claims = {"iss": ISSUER, "aud": "game", "sub": "u", "jti": "j", "iat": 1, "exp": 31, "name": "Ada", "kind": "guest"}
    assert msgspec.convert(claims, TicketClaims).role == "player"
    for wrong in ({"aud": "else"}, {"role": "host"}, {"extra": 1}, {"exp": "31"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**claims, **wrong}, TicketClaims)


def test_an_error_says_where() -> None:
    assert str(ProtocolError(ProtocolErrorCode.OUT_OF_RANGE, "option")) == "out_of_range: option"
    assert str(ProtocolError(ProtocolErrorCode.TOO_LARGE)) == "too_large"
