"""The addresses this machine has, for people's phones and for Host checks."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator

_SIOCGIFADDR = 0x8915  # Linux
_NOT_FOR_PHONES = ("lo", "docker", "br-", "veth", "virbr", "cni", "flannel", "tailscale", "wg", "tun")
_ANYWHERE = ("192.0.2.1", 9)  # a documentation address: nothing is sent, the kernel only chooses a way


def lan_addresses() -> list[str]:
    """Return the IPv4 addresses under which others in the network reach us, the most likely first."""
    found = [*_towards_the_world(), *_of_interfaces()]
    return list(dict.fromkeys(address for address in found if not ipaddress.ip_address(address).is_loopback))


def _towards_the_world() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(_ANYWHERE)
            yield line.getsockname()[0]
        except OSError:
            return  # no way out of this machine: the interfaces may still know


def _of_interfaces() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for _number, name in socket.if_nameindex():
            if name.startswith(_NOT_FOR_PHONES):
                continue
            try:
                packed = fcntl.ioctl(line.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # no IPv4 address, or not Linux
            yield socket.inet_ntoa(packed[20:24])


def reachable_urls(host: str, port: int) -> tuple[str, list[str]]:
    """Return (the URL on this computer, the URLs in the network) of a server that listens on ``host:port``."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}", []
    if address.is_unspecified:
        return f"http://localhost:{port}", [f"http://{lan}:{port}" for lan in lan_addresses()]
    shown = f"[{address}]" if address.version == 6 else str(address)
    url = f"http://{shown}:{port}"
    return url, [] if address.is_loopback else [url]
