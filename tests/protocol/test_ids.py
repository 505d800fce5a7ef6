"""Room codes, shards, Redis keys and errors."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import golden, keys
from protocol.errors import ProtocolError, ProtocolErrorCode
from protocol.ids import ROOM_ALPHABET, ROOM_CODE_LENGTH, RoomCode, ShardId, UserId, normalise_room_code, shard_of
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


def test_other_keys_carry_what_they_are_about() -> None:
    assert keys.room_card(RoomCode("BCDF23")) == "arena:room:BCDF23"
    assert keys.ws_connections(RoomCode("BCDF23")) == "arena:ws_connections:BCDF23"
    assert keys.ticket("j") == "arena:ticket:j"
    assert keys.user_channel(UserId("u")) == "arena:user:u"
    assert keys.rate_limit("who", "what") == "arena:rate_limit:who:what"
    assert keys.user_copy(UserId("u")).startswith("arena:")
    assert keys.room_people(RoomCode("BCDF23")).startswith("arena:")
    assert keys.packs("trivia") == "arena:packs:trivia"


def test_a_ticket_is_for_one_audience_and_holds_nothing_else() -> None:
    claims = {"iss": ISSUER, "aud": "game", "sub": "u", "jti": "j", "iat": 1, "exp": 31, "name": "Ada", "kind": "guest"}
    assert msgspec.convert(claims, TicketClaims).role == "player"
    for wrong in ({"aud": "else"}, {"role": "host"}, {"extra": 1}, {"exp": "31"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**claims, **wrong}, TicketClaims)


def test_an_error_says_where() -> None:
    assert str(ProtocolError(ProtocolErrorCode.OUT_OF_RANGE, "option")) == "out_of_range: option"
    assert str(ProtocolError(ProtocolErrorCode.TOO_LARGE)) == "too_large"
