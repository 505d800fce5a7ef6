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
    others = CONNECTIONS_MAX + SPARE_FILES
    files = allow_open_files(2 * settings.sockets + others)  # a splice has two ends
    return Door(
        owners=OwnerCache(RedisNodes(services.cache, dead_after_ms=4 * settings.beat_ms), shards=settings.shards),
        secret=settings.door_secret,
        trusted_proxies=[str(network) for network in settings.trusted_proxies],
        limits=DoorLimits(connections=min(settings.sockets, max(1, (files - others) // 2))),
    )


class _Told:
    """Hears signals where uvicorn does not: before it listens to them, and when it raises them again at its end."""

    def __init__(self) -> None:
        self._stop = False
        self._server: uvicorn.Server | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, _number: int, _frame: object) -> None:
        self._stop = True
        if self._server is not None:
            self._server.should_exit = True

    def pass_on_to(self, server: uvicorn.Server) -> None:
        """Have the server stop, also for what was heard before."""
        self._server = server
        if self._stop:
            server.should_exit = True


async def serve(settings: Settings, told: _Told) -> None:
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
    told.pass_on_to(server)
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
    told = _Told()
    try:
        settings = Settings.from_env()
        logs.configure(settings.log, process="api")
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of each malformed request
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, told))
    except SettingsError as error:
        sys.stderr.write(f"httpapi: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
