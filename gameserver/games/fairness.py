"""Verifiable fairness (DESIGN §10): how seeds come about, and what is promised before a match.

Everything is SHA-256, so that a web page and a stranger's script can check it. The room's entropy is drawn once, by
whoever creates the room; each match's secret is derived from it and told only at the match's end.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from protocol.codec import canonical
from protocol.ids import MatchId


def _derive(label: bytes, *parts: bytes) -> bytes:
    return hashlib.sha256(b"\0".join([b"svidnet-arena", label, *parts])).digest()


def server_secret(entropy: bytes, number: int) -> bytes:
    """Return the server's part of the seed of the room's match ``number`` (from 1)."""
    return _derive(b"secret", number.to_bytes(8, "big"), entropy)


def secret_hash(secret: bytes) -> bytes:
    """Return what the lobby shows of the secret: its SHA-256."""
    return hashlib.sha256(secret).digest()


def salt_of(secret: bytes) -> bytes:
    """Return the salt of the match's commitment, derived from its secret."""
    return _derive(b"salt", secret)


def seed_of(secret: bytes, nonces: Iterable[bytes]) -> bytes:
    """Return SHA-256(secret ‖ nonces): the nonces of the seats that play, in seat order."""
    return hashlib.sha256(secret + b"".join(nonces)).digest()


def match_id(entropy: bytes, number: int) -> MatchId:
    """Return the id of the room's match ``number``: 32 hexadecimal characters."""
    return MatchId(_derive(b"match", number.to_bytes(8, "big"), entropy).hex()[:32])


def request_id(entropy: bytes, number: int, attempt: int) -> str:
    """Return the id of a content request: 32 hexadecimal characters, another one for each start."""
    return _derive(b"content", number.to_bytes(8, "big"), attempt.to_bytes(8, "big"), entropy).hex()[:32]


def content_hashes(content: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return SHA-256 over the canonical MessagePack of each content item."""
    return [hashlib.sha256(canonical(item)).digest() for item in content]


def commitment(
    *,
    salt: bytes,
    seed: bytes,
    content: Sequence[dict[str, Any]],
    mode: str,
    rules_version: int,
    settings: dict[str, Any],
) -> bytes:
    """Return what is told at match start: SHA-256 over canonical MessagePack of all that decides the match."""
    promised = [salt, seed, content_hashes(content), mode, rules_version, settings]
    return hashlib.sha256(canonical(promised)).digest()
