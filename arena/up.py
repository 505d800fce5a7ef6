"""``arena up``: everything on one machine, started in order, kept running, stopped in order."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from arena import checks, keys
from arena.addresses import reachable_urls
from arena.datafolder import DataFolder, Running
from arena.deaths import DeathTeller
from arena.embedded.errors import EmbeddedError
from arena.embedded.postgres import Postgres
from arena.embedded.process import Child
from arena.embedded.valkey import Valkey
from arena.screen import Screen, complain
from arena.settings import Settings, SettingsError
from arena.supervisor import BAD_SETTINGS, StartError, Supervisor, how_it_ended, together
from arena.table import SERVER_STOP_SECONDS, Plan, TableMaker, environment_of, make_table
from arena.tasks import end
from arena.units import environment_with, last_words_of, python, rotate
from arena.values import without_password
from arena.webbuild import WebBuild, fingerprint

MIGRATE_SECONDS: Final = 330
CONTENT_SECONDS: Final = 300
STOPPED_BY_FORCE: Final = 130
SAME_KEYPRESS_SECONDS: Final = 0.3
"""A terminal, make and a service manager may each pass the same Ctrl-C on."""

_LOOK_SECONDS = 0.02


class Options(Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    settings: Settings
    nodes: int = 2
    web: bool = True
    qr: bool = True
    set_up: bool = True  # migrations and content; tests of the supervisor do without


def run(options: Options, make: TableMaker = make_table) -> int:
    """Run everything until Ctrl-C or SIGTERM; return the exit code (2: told to do something impossible)."""
    screen = Screen(qr=options.qr)
    try:
        with DataFolder(options.settings.data) as folder:
            return asyncio.run(_Up(options, folder, screen, make).run())
    except (SettingsError, EmbeddedError) as error:
        complain(str(error))
        return BAD_SETTINGS
    except StartError as error:
        complain(str(error))
        return error.code
    except KeyboardInterrupt:
        return STOPPED_BY_FORCE


class _Up:
    """One life of ``arena up``."""

    def __init__(self, options: Options, folder: DataFolder, screen: Screen, make: TableMaker) -> None:
        self._options = options
        self._settings = options.settings
        self._folder = folder
        self._screen = screen
        self._make = make
        self._supervisor = Supervisor(screen.say)
        self._stop = asyncio.Event()
        self._first_asked = 0.0
        self._helpers: list[Child] = []
        self._teller: DeathTeller | None = None
        self._groups: list[tuple[list[str], float]] = []

    async def run(self) -> int:
        """Start, wait, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        self._supervisor.watch_children(loop)
        asked = asyncio.create_task(self._stop.wait(), name="wait for a signal")
        work = asyncio.create_task(self._start_and_watch(), name="start everything")
        try:
            await asyncio.wait([asked, work], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._screen.say("\nStopping: players are told, running games are kept …")
        finally:
            await end([asked, work])
            await self._stop_everything()
        if not work.cancelled() and (error := work.exception()):
            raise error
        self._screen.say("Stopped.")
        return 0

    def _asked_to_stop(self) -> None:
        now = time.monotonic()
        if self._stop.is_set():
            if now - self._first_asked < SAME_KEYPRESS_SECONDS:
                return
            for helper in self._helpers:
                helper.kill()
            self._supervisor.kill_all()
            complain("stopped at once; what was confirmed is kept.")
            os._exit(STOPPED_BY_FORCE)
        self._first_asked = now
        self._stop.set()

    async def _stop_everything(self) -> None:
        for helper in self._helpers:
            helper.kill()
        await self._supervisor.stop(self._groups)
        if self._teller is not None:
            await self._teller.close()

    async def _start_and_watch(self) -> None:
        settings, screen = self._settings, self._screen
        checks.check_port(settings.host, settings.port)
        if self._options.web:
            await self._build_web()
        keys.signing_keys(settings)  # before the nodes, which read the public one
        database_url, redis_url = await self._servers()
        plan = Plan(
            nodes=self._options.nodes,
            host=settings.host,
            port=settings.port,
            data=self._folder.path,
            logs=self._folder.logs,
            database_url=database_url,
            redis_url=redis_url,
            redis_cache_url=settings.redis_cache_url or redis_url,
            door_secret=settings.door_secret or secrets.token_urlsafe(32),
        )
        here, elsewhere = reachable_urls(plan.host, plan.port)
        if self._options.set_up:
            with screen.step("Migrating the database") as step:
                await self._helper("migrate", python("httpapi.migrate"), MIGRATE_SECONDS, plan)
                step.done = "The database has the newest schema"
        table = self._make(plan)
        self._teller = DeathTeller(table.nodes, plan.door_secret)
        self._supervisor.tell_deaths_to(self._teller.died)
        self._groups = [*table.stopping, *self._groups]
        with screen.step("Starting the game nodes, the API and the worker") as step:
            waits: list[Awaitable[None]] = [self._supervisor.start(table.programs)]
            if self._options.set_up:
                waits.append(self._helper("content", python("httpapi.content", "bank"), CONTENT_SECONDS, plan))
            await together(waits)
            step.done = f"{plan.nodes} game node{'s' if plan.nodes > 1 else ''}, the API and the worker run"
        self._folder.tell_running(
            Running(
                pid=os.getpid(),
                address=here,
                database_url=database_url,
                redis_url=redis_url,
                door_secret=plan.door_secret,
            )
        )
        screen.ready(here, elsewhere)
        await self._supervisor.failed()

    async def _servers(self) -> tuple[str, str]:
        """Return the URLs of PostgreSQL and Redis: the operator's, checked, else those of servers of our own."""
        settings, screen = self._settings, self._screen
        if settings.database_url:
            with screen.step("Connecting to PostgreSQL") as step:
                version = await checks.check_database(settings.database_url)
                step.done = f"PostgreSQL {version} at {without_password(settings.database_url)}"
        if settings.redis_url:
            with screen.step("Connecting to Redis") as step:
                version, unsafe = await checks.check_redis(
                    settings.redis_url, allow_unsafe=settings.unsafe_redis, replicas=settings.commit_replicas
                )
                step.done = f"Redis {version} at {without_password(settings.redis_url)}"
            for line in unsafe:
                screen.say(f"Warning: running games may be lost: {line}.")
        database_url, redis_url = settings.database_url, settings.redis_url
        units: list[Postgres | Valkey] = []
        if not redis_url:
            valkey = Valkey(self._folder.path)
            units.append(valkey)
            redis_url = valkey.url
        if not database_url:
            postgres = Postgres(self._folder.path)
            units.append(postgres)
            database_url = postgres.url
            if postgres.home != self._folder.path:
                screen.say(f"PostgreSQL's data is in {postgres.home}: its user may not enter {self._folder.path}.")
            if not postgres.data.exists():
                with screen.step("Creating the database (only the first time)") as step:
                    postgres.set_up()  # here, not in a thread: children are tied to the thread that starts them
                    step.done = f"The database is created in {postgres.data}"
        if units:
            names = " and ".join(_title(unit) for unit in units)
            with screen.step(f"Starting {names}") as step:
                self._groups = [([unit.name for unit in units], SERVER_STOP_SECONDS)]
                await self._supervisor.start(units)
                step.done = f"{names} run{'s' if len(units) == 1 else ''}"
        return database_url, redis_url

    async def _build_web(self) -> None:
        """Build the web client when it is missing or older than its sources."""
        build = WebBuild()
        if not build.has_sources or await asyncio.to_thread(build.is_fresh):
            return
        try:
            build.check_node()
        except SettingsError as error:
            if not build.built:
                raise
            self._screen.say(f"Warning: the web client is older than its sources. {error}")
            return
        made_from = fingerprint(build.web)
        for doing, command, seconds in build.commands():
            with self._screen.step(doing) as step:
                await self._run_helper("web", command, seconds, environment=environment_with({}), folder=build.web)
                step.done = doing.replace("Building", "Built").replace("Installing", "Installed")
            if command[1] == "ci":
                build.mark_modules()
        build.mark_built(made_from)

    async def _helper(self, name: str, command: list[str], seconds: float, plan: Plan) -> None:
        await self._run_helper(name, command, seconds, environment=environment_with(environment_of(plan)))

    async def _run_helper(
        self,
        name: str,
        command: list[str],
        seconds: float,
        *,
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        """Run a program that ends by itself.

        Raises:
            StartError: it failed or took longer than ``seconds``.
        """
        log = self._folder.logs / f"{name}.log"
        rotate(log)
        child = Child(name, command, death_signal=signal.SIGKILL, environment=environment, folder=folder, log=log)
        self._helpers.append(child)
        child.start()
        try:
            async with asyncio.timeout(seconds):
                while child.running:  # noqa: ASYNC110 - a child's end is not an event of the loop
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise StartError(f"{name} took longer than {seconds:.0f} s (log: {log})") from None
        finally:
            child.kill()
            child.close()
            self._helpers.remove(child)
        code = child.poll()
        if code:
            raise StartError(f"{name} {how_it_ended(code)}: {last_words_of(log)} (log: {log})", 2 if code == 2 else 1)


def _title(server: Postgres | Valkey) -> str:
    version = server.binaries.version if isinstance(server, Postgres) else server.binary.version
    return f"{server.name} {version}"
