"""Checks of what the operator gave us, before anything is started: each failure is one line with what to do."""

import asyncio
import errno
import socket
from typing import Final

import asyncpg
import redis.asyncio
import redis.exceptions

from arena import redis_masters, redis_safety
from arena.values import SettingsError, without_password

CONNECT_SECONDS: Final = 5


def check_port(host: str, port: int) -> None:
    """Check that we can listen there.

    Raises:
        SettingsError: somebody else does, or we may not.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise SettingsError(f"{host} is not a known host name or address: choose another with --host.") from None
    family, kind, protocol, _name, address = found[0]
    with socket.socket(family, kind, protocol) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            line.bind(address)
            line.listen(1)
        except OSError as error:
            raise SettingsError(_port_advice(host, port, error)) from None


def _port_advice(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program: stop it, or choose another port with --port {port + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} may only be opened by root: choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine: choose another with --host (0.0.0.0 means all)."
    return f"Port {port} on {host} cannot be opened ({error.strerror}): choose others with --host and --port."


async def check_database(url: str) -> str:
    """Connect to PostgreSQL and return its version.

    Raises:
        SettingsError: it cannot be reached, refuses us, or is too old.
    """
    where = without_password(url)
    advice = "check DATABASE_URL, or unset it and `arena up` runs its own PostgreSQL."
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError) as error:
        raise SettingsError(f"PostgreSQL at {where} cannot be reached ({_reason(error)}): {advice}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise SettingsError(f"PostgreSQL at {where} refuses ({_reason(error)}): {advice}") from None
    try:
        version = connection.get_server_version()
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
    if version.major < 15:
        raise SettingsError(f"PostgreSQL at {where} is version {version.major}; 15 or newer is needed: {advice}")
    return f"{version.major}.{version.minor}"


async def check_redis(url: str, *, allow_unsafe: bool = False, replicas: int = 0) -> tuple[str, list[str]]:
    """Connect to Redis (to each master of a cluster) and return (its version, what voids the promise: COMMIT.md §9).

    ``replicas`` as in ``ARENA_COMMIT_REPLICAS``.

    Raises:
        SettingsError: it cannot be reached, refuses us, is too old, or may lose what it confirmed (unless allowed).
    """
    where = without_password(url)
    advice = "check REDIS_URL, or unset it and `arena up` runs its own Valkey."
    clients: list[redis.asyncio.Redis] = []
    unsafe: list[str] = []
    version = "0"
    try:
        clients = await redis_masters.connect_masters(
            url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS, decode_responses=True
        )
        for client in clients:
            version = str((await client.info("server"))["redis_version"])
            found = await redis_safety.find_faults(client, replicas=replicas)
            unsafe += [fault for fault in found if fault not in unsafe]
            following = await redis_safety.count_replicas(client) if replicas else 0
            if following < replicas:
                raise SettingsError(
                    f"Redis at {where} has {following} replicas past their first copy, ARENA_COMMIT_REPLICAS asks for "
                    f"{replicas}: start them and wait, or lower it."
                )
    except redis.exceptions.AuthenticationError as error:
        raise SettingsError(f"Redis at {where} refuses the password ({_reason(error)}): {advice}") from None
    except redis.exceptions.ResponseError as error:
        unsafe = [f"its settings cannot be read ({_reason(error)})"]
    except (redis.exceptions.RedisError, OSError, ValueError) as error:
        raise SettingsError(f"Redis at {where} cannot be reached ({_reason(error)}): {advice}") from None
    finally:
        for client in clients:
            await client.aclose()
    if int(version.partition(".")[0]) < 7:
        raise SettingsError(f"Redis at {where} is version {version}; 7.0 or newer is needed: {advice}")
    if unsafe and not allow_unsafe:
        raise SettingsError(
            f"Redis at {where} may lose running games: {'; '.join(unsafe)}. "
            "Change that with CONFIG SET, or set ARENA_UNSAFE_REDIS=1 to play anyway."
        )
    return version, unsafe


def _reason(error: BaseException) -> str:
    """Return a short reason on one line."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error):
        return f"no answer within {CONNECT_SECONDS} s"
    return " ".join((str(error) or type(error).__name__).split())[:200]
