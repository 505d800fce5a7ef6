"""``python -m httpapi``: the API, the web client and the door, on one public port."""

import asyncio
import logging
import signal
import socket
import sys
from typing import Final

import uvicorn
import uvloop

from arena import logs
from arena.keys import signing_keys
from arena.openfiles import allow_open_files
from arena.settings import Settings, SettingsError
from httpapi.app import create_app
from httpapi.door import Door, DoorLimits
from httpapi.door_owners import OwnerCache, RedisNodes
from httpapi.guard import Guard
from httpapi.limits import CONNECTIONS_MAX
from httpapi.services.all import Services

BACKLOG: Final = 2048
KEEP_ALIVE_S: Final = 5
GRACE_S: Final = 5
"""How long requests may go on after SIGTERM."""
SPARE_FILES: Final = 500

_log = logs.get("api")


def _bind(settings: Settings) -> socket.socket:
    """Return the listening socket. Raises ``SettingsError``."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host.strip("[]"), settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}): "
            "set ARENA_PORT and ARENA_HOST to a free one."
        ) from None


def _door(settings: Settings, services: Services) -> Door:
    return Door(
        owners=OwnerCache(RedisNodes(services.cache, dead_after_ms=4 * settings.beat_ms), shards=settings.shards),
        secret=settings.door_secret,
        trusted_proxies=[str(network) for network in settings.trusted_proxies],
        limits=DoorLimits(connections=settings.sockets),
    )


async def serve(settings: Settings) -> None:
    """Serve until a signal comes, then drain. Raises ``SettingsError``."""
    app = create_app(settings, signing_keys(settings))
    listener = _bind(settings)
    door = _door(settings, app.state.services)
    config = uvicorn.Config(
        app,
        http=Guard().protocol,  # type: ignore[arg-type]  # uvicorn calls it; it need not be a class
        ws=door.protocol,  # type: ignore[arg-type]  # as above
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = uvicorn.Server(config)
    await door.start()
    try:
        _log.info("api_ready", host=settings.host, port=listener.getsockname()[1])
        await server.serve(sockets=[listener])
    finally:
        await door.stop()
        listener.close()
    _log.info("api_stopped")


def main() -> int:
    """Run; return the exit code (2: bad configuration)."""
    # uvicorn raises the signal again when it is done: with a handler of ours that ends in exit code 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    try:
        settings = Settings.from_env()
        logs.configure(settings.log, process="api")
        allow_open_files(2 * settings.sockets + CONNECTIONS_MAX + SPARE_FILES)
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of each malformed request
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except SettingsError as error:
        sys.stderr.write(f"httpapi: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
