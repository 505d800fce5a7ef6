"""Seeds and commitments (DESIGN §10), as somebody else would compute them."""

import hashlib
from typing import Any

import msgpack
import pytest

from gameserver.games import fairness
from protocol import client
from tests.support.rooms import ENTROPY, Table, question

ITEM = question(1)


def test_the_seed_is_the_hash_of_the_secret_and_the_nonces() -> None:
    assert (
        fairness.seed_of(b"s" * 32, [b"a" * 16, b"b" * 16])
        == hashlib.sha256(b"s" * 32 + b"a" * 16 + b"b" * 16).digest()
    )


def test_the_commitment_is_what_anybody_can_compute() -> None:
    def canonical(value: object) -> bytes:
        if isinstance(value, dict):
            value = {key: value[key] for key in sorted(value)}
        packed: bytes = msgpack.packb(value)
        return packed

    settings = {"questions": 3, "another": True}
    promised = fairness.commitment(
        salt=b"1" * 32, seed=b"2" * 32, content=[ITEM], mode="trivia", rules_version=1, settings=settings
    )
    hashes = [hashlib.sha256(canonical(ITEM)).digest()]
    sorted_settings = {key: settings[key] for key in sorted(settings)}
    whole = msgpack.packb([b"1" * 32, b"2" * 32, hashes, "trivia", 1, sorted_settings])
    assert promised == hashlib.sha256(whole).digest()


@pytest.mark.parametrize("what", ["salt", "seed", "content", "mode", "rules_version", "settings"])
def test_everything_that_decides_a_match_is_in_the_commitment(what: str) -> None:
    given: dict[str, Any] = {
        "salt": b"1" * 32,
        "seed": b"2" * 32,
        "content": [ITEM],
        "mode": "trivia",
        "rules_version": 1,
        "settings": {"questions": 3},
    }
    other: dict[str, Any] = {
        "salt": b"3" * 32,
        "seed": b"3" * 32,
        "content": [{**ITEM, "right": 1}],
        "mode": "other",
        "rules_version": 2,
        "settings": {"questions": 4},
    }
    assert fairness.commitment(**given) != fairness.commitment(**{**given, what: other[what]})


def test_secrets_ids_and_salts_differ_from_match_to_match_and_from_each_other() -> None:
    derived = [
        *(fairness.server_secret(ENTROPY, number) for number in (1, 2)),
        *(fairness.salt_of(fairness.server_secret(ENTROPY, number)) for number in (1, 2)),
        *(bytes.fromhex(fairness.match_id(ENTROPY, number)) for number in (1, 2)),
        *(bytes.fromhex(fairness.request_id(ENTROPY, 1, attempt)) for attempt in (1, 2)),
    ]
    assert len({value.hex() for value in derived}) == len(derived)


def test_a_room_tells_first_the_secrets_hash_then_the_commitment_then_everything() -> None:
    table = Table(people=2)
    lobby = table.view["fairness"]
    assert list(lobby) == ["secret_hash"]
    table.start()
    playing = table.view["fairness"]
    assert list(playing) == ["secret_hash", "commitment"]
    assert playing["secret_hash"] == lobby["secret_hash"]
    table.run_to("results")
    told = table.view["fairness"]
    secret = bytes.fromhex(told["secret"])
    assert hashlib.sha256(secret).hexdigest() == told["secret_hash"] == lobby["secret_hash"]
    assert told["commitment"] == playing["commitment"]
    nonces = [bytes([1]) * 16, bytes([2]) * 16]
    assert told["seed"] == hashlib.sha256(secret + b"".join(nonces)).hexdigest()
    result = table.results()[0]
    recomputed = fairness.commitment(
        salt=bytes.fromhex(told["salt"]),
        seed=bytes.fromhex(told["seed"]),
        content=result.content,
        mode="trivia",
        rules_version=result.rules_version,
        settings=result.settings,
    )
    assert recomputed.hex() == playing["commitment"]


def test_the_next_match_has_another_secret() -> None:
    table = Table(people=2)
    first = table.view["fairness"]["secret_hash"]
    table.start()
    table.run_to("results")
    table.do(1, client.BackToLobby)
    assert list(table.view["fairness"]) == ["secret_hash"]
    assert table.view["fairness"]["secret_hash"] != first
