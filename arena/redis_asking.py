"""A few commands to one Redis-protocol server on a connection of their own: for those who tell where the master is."""

import asyncio
import random
import socket
from collections.abc import Sequence
from typing import Any, Final

import hiredis

from arena.redis_address import Place, RedisAddress, shown
from arena.tasks import end

ASK_S: Final = 0.5
"""How long one server may take, connecting included: another one is asked then."""

_NOTHING_YET: Final = object()
_ANSWER_BYTES_MAX: Final = 1 << 20


class NobodyKnowsError(OSError):
    """No sentinel, or no node of the cluster, gave an answer that can be used."""


async def ask(place: Place, *commands: Sequence[str], timeout_s: float = ASK_S) -> list[Any]:
    """Send the commands and return their answers; an error that the server answers is returned, too.

    Raises:
        OSError: it cannot be reached, took too long or does not speak the protocol.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(place, commands)
    except TimeoutError:
        raise OSError("no answer in time") from None


async def _ask(place: Place, commands: Sequence[Sequence[str]]) -> list[Any]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(*place, type=socket.SOCK_STREAM)
    reader = hiredis.Reader(notEnoughData=_NOTHING_YET)
    answers: list[Any] = []
    got = 0
    with socket.socket(found[0][0], socket.SOCK_STREAM) as link:
        link.setblocking(False)
        await loop.sock_connect(link, found[0][4])
        await loop.sock_sendall(link, b"".join(_packed(parts) for parts in commands))
        while len(answers) < len(commands):
            data = await loop.sock_recv(link, 65536)
            got += len(data)
            if not data or got > _ANSWER_BYTES_MAX:
                raise ConnectionResetError("closed before it answered" if not data else "it does not stop answering")
            reader.feed(data)
            try:
                while len(answers) < len(commands) and (answer := reader.gets()) is not _NOTHING_YET:
                    answers.append(answer)
            except hiredis.ProtocolError as error:
                raise ConnectionError(f"not the Redis protocol: {error}") from error
    return answers


def _packed(parts: Sequence[str]) -> bytes:
    raw = [part.encode() for part in parts]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in raw)


def auth(username: str, password: str) -> list[tuple[str, ...]]:
    """Return the command that says who we are, if any is needed."""
    if not password:
        return []
    return [("AUTH", username, password) if username else ("AUTH", password)]


def in_any_order(places: Sequence[Place]) -> list[Place]:
    """Return them shuffled: not everybody asks the same one first, and nobody stays with one that is wrong."""
    return random.sample(places, len(places))


async def find_master(address: RedisAddress) -> Place:
    """Ask the sentinels where the master is: of what a majority of them says, the newest configuration.

    A fail-over needs a majority, so one of any majority knows of it. With fewer in reach there can be no new one.

    Raises:
        NobodyKnowsError: none could be reached, or none knows a master of that name.
    """
    asked = {asyncio.create_task(_configuration(address, place), name="ask-sentinel") for place in address.places}
    told: list[tuple[int, Place]] = []
    reasons: list[str] = []
    left = asked
    try:
        while left and len(told) <= len(asked) // 2:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                answer = one.result()
                if isinstance(answer, str):
                    reasons.append(answer)
                else:
                    told.append(answer)
    finally:
        await end(left)
    if not told:
        raise NobodyKnowsError(f"no sentinel names a master ({'; '.join(reasons)})")
    return max(told)[1]


async def _configuration(address: RedisAddress, sentinel: Place) -> tuple[int, Place] | str:
    """Return the epoch of the configuration this sentinel knows, and the master; or why it tells none."""
    who = auth(address.sentinel_username, address.sentinel_password)
    where = shown([sentinel])
    try:
        answer = (await ask(sentinel, *who, ("SENTINEL", "MASTER", address.service)))[-1]
    except OSError as error:
        return f"{where}: {error}"
    if not isinstance(answer, list):
        return f"{where}: {answer}"
    try:
        told = dict(zip(answer[::2], answer[1::2], strict=True))
        return int(told[b"config-epoch"]), (told[b"ip"].decode(), int(told[b"port"]))
    except (KeyError, ValueError):
        return f"{where}: an answer that no sentinel gives"


SlotRange = tuple[int, int, Place]
"""First slot, last slot, master."""


async def read_slots(address: RedisAddress, also: Sequence[Place] = ()) -> list[SlotRange]:
    """Ask nodes of the cluster who has which slots, those in ``also`` (found before) after the given ones.

    Raises:
        NobodyKnowsError: none could be reached, or none is part of a cluster.
    """
    who = auth(address.username, address.password)
    reasons = []
    others = [place for place in also if place not in address.places]
    for place in (*in_any_order(address.places), *in_any_order(others)):
        try:
            answer = (await ask(place, *who, ("CLUSTER", "SLOTS")))[-1]
        except OSError as error:
            reasons.append(f"{shown([place])}: {error}")
            continue
        try:
            if isinstance(answer, list) and answer:
                return [_range(one, place) for one in answer]
        except (IndexError, TypeError, AttributeError, ValueError):
            answer = ValueError("an answer that no node of a cluster gives")
        said = answer if isinstance(answer, Exception) else "it serves no slots"
        reasons.append(f"{shown([place])}: {said}")
    raise NobodyKnowsError(f"no node tells the slots ({'; '.join(reasons)})")


def _range(told: list[Any], asked: Place) -> SlotRange:
    """An empty host means: the one that was asked."""
    host = told[2][0].decode() if told[2][0] else asked[0]
    if host == "?":
        raise ValueError("it does not know where the master is")
    return int(told[0]), int(told[1]), (host, int(told[2][1]))
