"""Tokens: what we sign is accepted as long as it is good, and nothing else ever is."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from arena.keys import SigningKeys, VerifyKeys, key_name, make_keys
from arena.tokens import (
    ACCESS_SECONDS,
    LEEWAY_SECONDS,
    TOKEN_BYTES_MAX,
    TokenError,
    TokenFault,
    new_ticket_times,
    sign_access,
    sign_ticket,
    verify_access,
    verify_ticket,
)
from protocol.tickets import ISSUER, TICKET_SECONDS, TicketClaims
from tests.support.services import public_data

NOW = 1_800_000_000
KEYS = make_keys()


def access(now: float = NOW, keys: SigningKeys = KEYS) -> str:
    return sign_access(keys, user="u1", session="s1", name="Ada", kind="guest", roles=["admin"], now=now)


def ticket(**changes: Any) -> TicketClaims:
    issued, expires = new_ticket_times(NOW)
    told = {
        "iss": ISSUER,
        "aud": "game",
        "sub": "u1",
        "jti": "j1",
        "iat": issued,
        "exp": expires,
        "name": "Ada",
        "kind": "guest",
        "room": "BCDFGH",
        **changes,
    }
    return TicketClaims(**told)


def refused(token: str, *, now: float = NOW, keys: VerifyKeys = KEYS) -> TokenFault:
    with pytest.raises(TokenError) as error:
        verify_access(keys, token, now=now)
    assert len(token) < 30 or token not in str(error.value)
    return error.value.code


def forged(payload: object, *, header: dict[str, Any] | None = None, key: Ed25519PrivateKey | None = None) -> str:
    """A token signed with our key (or another), but not by our code."""
    told = {"alg": "EdDSA", "typ": "at+jwt", "kid": KEYS.name, **(header or {})}
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (json.dumps(told).encode(), text)]
    signature = (key or KEYS.private).sign(b".".join(parts))
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "api",
    "sub": "u1",
    "sid": "s1",
    "iat": NOW,
    "exp": NOW + ACCESS_SECONDS,
    "name": "Ada",
    "kind": "guest",
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def test_what_is_signed_comes_back() -> None:
    claims = verify_access(KEYS, access(), now=NOW)
    assert (claims.sub, claims.sid, claims.name, claims.kind, claims.roles) == ("u1", "s1", "Ada", "guest", ["admin"])
    assert claims.exp - claims.iat == ACCESS_SECONDS == 15 * 60
    told = ticket(blocked=["u2"], muted=True)
    assert verify_ticket(KEYS, sign_ticket(KEYS, told), audience="game", now=NOW) == told
    assert told.exp - told.iat == TICKET_SECONDS == 30


def test_a_ticket_with_two_hundred_blocked_ids_fits() -> None:
    told = ticket(blocked=[f"{number:036d}" for number in range(200)], name="n" * 64)
    token = sign_ticket(KEYS, told)
    assert len(token) < TOKEN_BYTES_MAX
    assert verify_ticket(KEYS, token, audience="game", now=NOW) == told


def test_public_keys_are_enough_to_verify() -> None:
    assert verify_access(VerifyKeys(KEYS.public), access(), now=NOW).sub == "u1"


def test_an_older_key_that_is_still_listed_verifies() -> None:
    old = make_keys()
    both = VerifyKeys({**KEYS.public, **old.public})
    assert verify_access(both, access(keys=old), now=NOW).sub == "u1"
    assert refused(access(keys=old)) is TokenFault.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        (NOW + ACCESS_SECONDS - 1, None),
        (NOW + ACCESS_SECONDS, TokenFault.EXPIRED),
        (NOW - LEEWAY_SECONDS, None),
        (NOW - LEEWAY_SECONDS - 1, TokenFault.NOT_YET),
    ],
)
def test_times_hold_to_the_second(now: int, fault: TokenFault | None) -> None:
    if fault is None:
        assert verify_access(KEYS, access(), now=now).sub == "u1"
    else:
        assert refused(access(), now=now) is fault


def test_one_kind_of_token_is_never_taken_for_another() -> None:
    assert refused(sign_ticket(KEYS, ticket())) is TokenFault.WRONG_TYPE
    with pytest.raises(TokenError, match="wrong_type"):
        verify_ticket(KEYS, access(), audience="game", now=NOW)
    with pytest.raises(TokenError, match="wrong_audience"):
        verify_ticket(KEYS, sign_ticket(KEYS, ticket()), audience="lobby", now=NOW)


PUBLIC_RAW = KEYS.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
PUBLIC_PEM = KEYS.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
FORGED: dict[str, tuple[str, TokenFault]] = {
    "alg none": (forged(CLAIMS, header={"alg": "none"}), TokenFault.WRONG_ALGORITHM),
    "alg HS256": (forged(CLAIMS, header={"alg": "HS256"}), TokenFault.WRONG_ALGORITHM),
    "HMAC with the public key as secret": (
        jwt.encode(CLAIMS, PUBLIC_RAW, algorithm="HS256", headers={"typ": "at+jwt", "kid": KEYS.name}),
        TokenFault.WRONG_ALGORITHM,
    ),
    "alg as a number": (forged(CLAIMS, header={"alg": 1}), TokenFault.MALFORMED),
    "typ JWT": (forged(CLAIMS, header={"typ": "JWT"}), TokenFault.WRONG_TYPE),
    "no key name": (forged(CLAIMS, header={"kid": ""}), TokenFault.UNKNOWN_KEY),
    "key name is a path": (forged(CLAIMS, header={"kid": "../../dev/null"}), TokenFault.UNKNOWN_KEY),
    "jku": (forged(CLAIMS, header={"jku": "http://127.0.0.1:1/"}), TokenFault.MALFORMED),
    "jwk": (forged(CLAIMS, header={"jwk": {}}), TokenFault.MALFORMED),
    "crit": (forged(CLAIMS, header={"crit": ["exp"]}), TokenFault.MALFORMED),
    "b64": (forged(CLAIMS, header={"b64": False, "crit": ["b64"]}), TokenFault.MALFORMED),
    "another's signature": (forged(CLAIMS, key=Ed25519PrivateKey.generate()), TokenFault.BAD_SIGNATURE),
    "issuer": (forged({**CLAIMS, "iss": "joe"}), TokenFault.WRONG_ISSUER),
    "audience": (forged({**CLAIMS, "aud": "game"}), TokenFault.WRONG_AUDIENCE),
    "audience list": (forged({**CLAIMS, "aud": ["api"]}), TokenFault.MALFORMED),
    "no exp": (forged(without("exp")), TokenFault.MALFORMED),
    "no sub": (forged(without("sub")), TokenFault.MALFORMED),
    "exp as text": (forged({**CLAIMS, "exp": str(CLAIMS["exp"])}), TokenFault.MALFORMED),
    "exp as float": (forged({**CLAIMS, "exp": 1e300}), TokenFault.MALFORMED),
    "exp huge": (forged({**CLAIMS, "exp": 10**30}), TokenFault.MALFORMED),
    "exp negative": (forged({**CLAIMS, "exp": -1}), TokenFault.EXPIRED),
    "lives too long": (forged({**CLAIMS, "exp": NOW + ACCESS_SECONDS + 1}), TokenFault.MALFORMED),
    "exp NaN": (forged(json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "NaN").encode()), TokenFault.MALFORMED),
    "unknown claim": (forged({**CLAIMS, "is_admin": True}), TokenFault.MALFORMED),
    "unknown kind": (forged({**CLAIMS, "kind": "root"}), TokenFault.MALFORMED),
    "roles as text": (forged({**CLAIMS, "roles": "admin"}), TokenFault.MALFORMED),
    "not an object": (forged([]), TokenFault.MALFORMED),
    "not JSON": (forged(b"hello"), TokenFault.MALFORMED),
    "not UTF-8": (forged(b'{"iss":"\xff"}'), TokenFault.MALFORMED),
    "deep JSON": (forged(b"[" * 5000), TokenFault.MALFORMED),
    "deep header": ("W1tb" * 2000 + ".e30.x", TokenFault.MALFORMED),
    "huge": ("a" * TOKEN_BYTES_MAX + ".b.c", TokenFault.MALFORMED),
    "padded": (access() + "==", TokenFault.MALFORMED),
    "newline": (access() + "\n", TokenFault.MALFORMED),
    "blank": (" " + access(), TokenFault.MALFORMED),
    "four parts": (access() + ".x", TokenFault.MALFORMED),
    "signature cut": (access()[:-2], TokenFault.BAD_SIGNATURE),
    "no signature": (access().rpartition(".")[0] + ".", TokenFault.MALFORMED),
    "empty": ("", TokenFault.MALFORMED),
    "not ASCII": ("é" + access(), TokenFault.MALFORMED),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_tokens_are_refused_for_the_right_reason(name: str) -> None:
    token, fault = FORGED[name]
    assert refused(token) is fault


def test_every_published_attack_vector_is_refused() -> None:
    """All 45: they are HS256 tokens, good ones among them, and we take no HMAC at all."""
    vectors = json.loads(public_data("security", "jwt", "rfc_and_attack_vectors.json").read_text())["vectors"]
    assert len(vectors) == 45
    for vector in vectors:
        assert refused(vector["jwt"]) in TokenFault


def test_attack_vectors_signed_with_our_own_key_are_refused_too() -> None:
    """The same headers and payloads, in a token with our key's name and our signature."""
    vectors = json.loads(public_data("security", "jwt", "rfc_and_attack_vectors.json").read_text())["vectors"]
    for vector in vectors:
        parts = vector["jwt"].split(".")
        if len(parts) < 2 or not vector["jwt"].isascii():
            continue
        try:
            payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        except ValueError:
            continue
        assert refused(forged(payload)) in TokenFault


@given(st.text(max_size=200))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    assert refused(text) in TokenFault


@given(st.data())
def test_no_changed_character_is_accepted(data: st.DataObject) -> None:
    token = access()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCDwxyz0189-_."))
    changed = token[:at] + other + token[at + 1 :]
    if changed != token and at < len(token) - 1:  # of the last character four bits are padding
        assert refused(changed) in TokenFault


def test_keys_are_named_by_what_they_are() -> None:
    assert KEYS.name == key_name(KEYS.private.public_key())
    assert len({make_keys().name for _ in range(20)}) == 20
