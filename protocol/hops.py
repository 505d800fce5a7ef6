"""Whose request it is: the client's address behind proxies, and whether Host and Origin are ours. Pure text work."""

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_address(text: str) -> Address | None:
    """Return the address a hop is written as (``1.2.3.4``, ``1.2.3.4:5``, ``[::1]:5``, ``::1``), or None.

    An IPv4 address in IPv6 clothes is returned as IPv4, so that one host has one address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class TrustedProxies:
    """Networks whose ``X-Forwarded-For`` is believed."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: Sequence[Network] = tuple(ipaddress.ip_network(each, strict=False) for each in networks)

    def trusts(self, address: str) -> bool:
        """Say whether the address is one of a trusted proxy."""
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the last hop that is not a trusted proxy.

        ``forwarded`` are the values of all ``X-Forwarded-For`` headers in their order. A hop that is no address
        ends the search: whoever wrote it is the client.
        """
        client = parse_address(peer)
        if client is None:
            return peer
        hops = [hop for value in forwarded for hop in value.split(",")]
        while hops and any(client in network for network in self._networks):
            previous = parse_address(hops.pop())
            if previous is None:
                break
            client = previous
        return str(client)


def who(address: str) -> str:
    """Return what limits count: an IPv4 address itself, an IPv6 address's /64 (one customer has a whole one)."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


def split_host(value: str) -> tuple[str, str] | None:
    """Return a Host header's name (lower case, no final dot, no brackets) and port ("" when absent), or None."""
    value = value.strip().lower()
    if value.startswith("["):
        name, bracket, rest = value[1:].partition("]")
        if not bracket or parse_address(name) is None or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    else:
        name, colon, port = value.partition(":")
        if colon and not port:
            return None
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return None
    name = name.removesuffix(".")
    if not name or any(character in "/@\\ \t?#," for character in name):
        return None
    return name, port


class HostNames:
    """The names this installation answers to.

    An attacker's page can make its own *name* resolve to our address (DNS rebinding), but no page can be served
    under our bare address unless we serve it. So every literal address is ours, and of names only the listed
    ones and ``localhost``.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset({"localhost", *(name.strip().lower().removesuffix(".") for name in names)})

    def ours(self, host: str) -> bool:
        """Say whether a Host header names us."""
        parts = split_host(host)
        return parts is not None and (parts[0] in self._names or parse_address(f"[{parts[0]}]") is not None)


def same_origin(origin: str, host: str) -> bool:
    """Say whether an Origin header equals the Host header, scheme apart."""
    scheme, separator, rest = origin.strip().lower().partition("://")
    default = {"http": "80", "https": "443"}.get(scheme)
    if not separator or default is None:
        return False
    theirs, ours = split_host(rest), split_host(host)
    if theirs is None or ours is None:
        return False
    return (theirs[0], theirs[1] or default) == (ours[0], ours[1] or default)
