"""Readers of settings: each takes a variable's text and returns its value, or raises ``ValueError``.

The text of the error continues "NAME …": it says what the value must be. Secrets are never repeated in it.
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from arena import redis_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SECRET_CHARACTERS_MIN: Final = 32
LIST_ITEMS_MAX: Final = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:,-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


class SettingsError(Exception):
    """A setting is missing or wrong. The text is one line that says what to do."""


def path(text: str) -> Path:
    """Read a folder; ``~`` is the home folder."""
    if "\0" in text:
        raise ValueError("must be a path")
    return Path(text).expanduser()


def number(unit: str, lowest: int, highest: int) -> Callable[[str], int]:
    """Read a whole number within bounds, both inclusive."""

    def read(text: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) <= 12
        if not plain or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest} ({unit}), not {shown(text)}")
        return int(text)

    return read


def flag(text: str) -> bool:
    """Read 1 or 0."""
    if text not in ("0", "1"):
        raise ValueError(f"must be 1 or 0, not {shown(text)}")
    return text == "1"


def one_of(*choices: str) -> Callable[[str], str]:
    """Read one of some words."""

    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {shown(text)}")
        return text.lower()

    return read


def name(text: str) -> str:
    """Read a short name."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"must be 1 to 64 letters, digits, dots, dashes or colons, not {shown(text)}")
    return text


def host(text: str) -> str:
    """Read a host name or an address."""
    if not _is_host(text):
        raise ValueError(f"must be a host name or an address, not {shown(text)}")
    return text


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return _HOST.fullmatch(text) is not None and not re.fullmatch(r"[\d.]+", text)
    return True


def host_and_port(text: str) -> tuple[str, int]:
    """Read ``host:port``; an IPv6 address stands in brackets; port 0 means any free one."""
    where, separator, port = text.rpartition(":")
    if not separator or not _is_host(where) or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65_535:
        raise ValueError(f"must be host:port (such as 127.0.0.1:8101), not {shown(text)}")
    return where.strip("[]"), int(port)


def _items(text: str) -> list[str]:
    items = [item.strip() for item in text.split(",") if item.strip()]
    if len(items) > LIST_ITEMS_MAX:
        raise ValueError(f"must have at most {LIST_ITEMS_MAX} entries")
    return items


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses or networks, by comma."""
    try:
        return tuple(ipaddress.ip_network(item) for item in _items(text))
    except ValueError as error:
        raise ValueError(f"must be addresses or networks such as 10.0.0.0/8, by comma ({error})") from None


def hosts(text: str) -> tuple[str, ...]:
    """Read host names, by comma; a port may follow."""
    for item in _items(text):
        bare = re.sub(r":\d{1,5}$", "", item)
        if not _is_host(item) and not _is_host(bare):
            raise ValueError(f"must be host names, by comma; {shown(item)} is none")
    return tuple(item.lower() for item in _items(text))


def origins(text: str) -> tuple[str, ...]:
    """Read web origins (scheme, host, port; no path), by comma."""
    for item in _items(text):
        parts = _split(item)
        if (
            parts is None
            or parts.scheme not in ("http", "https")
            or not parts.netloc
            or f"{parts.scheme}://{parts.netloc}" != item
        ):
            raise ValueError(f"must be origins such as https://play.example.org, by comma; {shown(item)} is none")
    return tuple(item.lower() for item in _items(text))


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # reading it checks it
    except ValueError:
        return None
    return parts


def database_url(text: str) -> str:
    """Read PostgreSQL's URL."""
    parts = _split(text)
    if parts is None or parts.scheme not in ("postgresql", "postgres") or len(parts.path) < 2:
        raise ValueError("must be a URL such as postgresql://user:password@host:5432/arena")
    return text


def redis_url(text: str) -> str:
    """Read Redis's URL: one server, sentinels, or a cluster (``arena.redis_address``)."""
    redis_address.parse(text)
    if text.startswith("rediss://"):
        raise ValueError("cannot be rediss://: nodes do not speak TLS to Redis; put a local tunnel in front")
    return text


def redis_cache_url(text: str) -> str:
    """Read the URL of the Redis that holds everything but the shards."""
    if redis_address.parse(text).kind == "cluster":
        raise ValueError("cannot be a cluster: it is one server (redis://, unix://) or behind sentinels (sentinel://)")
    return text


def secret(text: str) -> str:
    """Read a secret: long enough, and not one that everybody knows."""
    if len(text) < SECRET_CHARACTERS_MIN:
        raise ValueError(
            f"must be at least {SECRET_CHARACTERS_MIN} characters, better random: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII (it travels in a header)")
    if len(set(text)) < SECRET_CHARACTERS_MIN // 4 or hashlib.sha256(text.encode()).hexdigest()[:16] in _weak_secrets():
        raise ValueError("is a publicly known or guessable secret: make a random one")
    return text


@cache
def _weak_secrets() -> frozenset[str]:
    lines = files("arena").joinpath("weak_secrets.txt").read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def pem(kind: str) -> Callable[[str], str]:
    """Read a PEM text; ``\\n`` may stand for line ends."""

    def read(text: str) -> str:
        text = text.replace("\\n", "\n")
        if f"-----BEGIN {kind}-----" not in text or f"-----END {kind}-----" not in text:
            raise ValueError(f'must be the PEM text of an Ed25519 key ("-----BEGIN {kind}-----…")')
        return text

    return read


def shown(text: str) -> str:
    """Return a value for an error text: quoted, at most 40 characters, printable."""
    short = text if len(text) <= 40 else text[:39] + "…"
    return repr(short)


def without_password(url: str) -> str:
    """Return a URL that may be shown: user, password and query are left out."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    where = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{where}{parts.path}"
