"""A gameserver process, put together: settings in, a running node out (the composition root)."""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import secrets
import signal
import sys
from collections.abc import Sequence

from arena import keys, logs, tokens
from arena.control import tell
from arena.openfiles import allow_open_files
from arena.settings import Settings, SettingsError
from arena.tasks import end
from gameserver.adapters.clocks import MachineClocks
from gameserver.adapters.redis_directory import RedisDirectory
from gameserver.adapters.redis_store import RedisShardStore
from gameserver.net.edge import Audience
from gameserver.net.gate import GateSettings
from gameserver.net.limits import EdgeLimits
from gameserver.net.lobby import LobbyHub
from gameserver.net.peers import PeerLinks
from gameserver.net.server import Listener, serve
from gameserver.ports import StoreUnavailable
from gameserver.shards import faultpoints
from gameserver.shards.faults import RoomFaults
from gameserver.shards.hub import RoomHub
from gameserver.shards.keeper import Keeper, KeeperSettings
from gameserver.shards.metrics import ShardMetrics
from gameserver.shards.ticker import Ticker
from protocol.errors import CloseCode
from protocol.ids import InstanceId
from protocol.peers import Drain
from protocol.tickets import TicketClaims

SAFETY_TRIES = 40
DRAIN_S = 10.0
SPARE_FILES = 1_500  # sockets that are told that the node is full, stores, doors, logs
log = logs.get("gameserver.node")


class Node:
    """All parts of one node."""

    def __init__(self, settings: Settings) -> None:
        url = settings.require_redis()
        self._settings = settings
        fault = faultpoints.armed_by_signal(settings.fault) if settings.fault else faultpoints.nothing
        self._fault = fault
        self._clocks = MachineClocks()
        self._metrics = ShardMetrics()
        self._store = RedisShardStore(url, replicas=settings.commit_replicas, fault=fault)
        self._directory = RedisDirectory(settings.redis_cache_url or url)
        self._verify_keys = keys.verify_keys(settings)
        self._listener: Listener | None = None
        self._instance = InstanceId(secrets.token_hex(16))
        self._peers = PeerLinks(instance=self._instance, secret=settings.door_secret, lease_ms=settings.lease_ms)
        self.stopping = asyncio.Event()

    # ---- what the edge asks --------------------------------------------------------------------------

    def _verify_ticket(self, token: str, audience: Audience) -> TicketClaims | None:
        try:
            return tokens.verify_ticket(self._verify_keys, token, audience=audience)
        except tokens.TokenError:
            return None

    def _verify_access(self, token: str, audience: Audience) -> TicketClaims | None:
        """Claims for a bot that connects with its access token (only where the operator allows it)."""
        try:
            access = tokens.verify_access(self._verify_keys, token)
        except tokens.TokenError:
            return None
        if access.client != "bot":
            return None
        return TicketClaims(
            iss=access.iss,
            aud=audience,
            sub=access.sub,
            jti=secrets.token_hex(16),
            iat=access.iat,
            exp=access.exp,
            name=access.name,
            kind="bot",
        )

    # ---- running -------------------------------------------------------------------------------------

    async def _check_store(self) -> None:
        """Wait for the store; refuse one that may lose what it confirmed (COMMIT.md §9).

        Raises:
            SettingsError: it cannot be reached, or its configuration voids the promise.
        """
        for attempt in range(SAFETY_TRIES):
            try:
                faults = await self._store.check_safety()
            except StoreUnavailable as error:
                if attempt == SAFETY_TRIES - 1:
                    raise SettingsError(f"REDIS_URL cannot be reached ({error}): is the server running?") from None
                await asyncio.sleep(0.25)
                continue
            if faults and not self._settings.unsafe_redis:
                raise SettingsError(
                    f"Redis may lose running games: {'; '.join(faults)}. Change that, or set ARENA_UNSAFE_REDIS=1."
                )
            for fault in faults:
                log.warning("unsafe_redis", fault=fault)
            return

    async def run(self) -> None:
        """Run until told to stop, then hand every shard over and return."""
        settings = self._settings
        await self._check_store()
        keeper = Keeper(
            KeeperSettings(
                name=settings.node_name,
                instance=self._instance,
                shards=settings.shards,
                lease_ms=settings.lease_ms,
                renew_ms=settings.renew_ms,
                beat_ms=settings.beat_ms,
                claim_ms=settings.claim_ms,
                found_grace_ms=settings.found_grace_ms,
            ),
            store=self._store,
            directory=self._directory,
            clocks=self._clocks,
            metrics=self._metrics,
            faults=RoomFaults(settings.data / "faults", self._metrics),
            connections=lambda: self._listener.connections if self._listener is not None else 0,
            fault_point=self._fault,
            peers=self._peers,
        )
        keeper.neighbours.drain_asked = self.stopping.set
        self._listener = await self._listen(RoomHub(keeper, shards=settings.shards))
        host = settings.node_listen[0]
        control = f"{host}:{self._listener.control_port}"
        keeper.announce(f"{host}:{self._listener.port}", control)
        self._peers.open(keeper.neighbours, control)
        ticker = Ticker(
            keeper, shards=settings.shards, tick_hz=settings.tick_hz, clocks=self._clocks, metrics=self._metrics
        )
        await self._beat(keeper, ticker)

    async def _listen(self, hub: RoomHub) -> Listener:
        settings = self._settings
        host, port = settings.node_listen
        return await serve(
            hub=hub,
            lobby=LobbyHub(self._directory),
            directory=self._directory,
            verify_ticket=self._verify_ticket,
            verify_access=self._verify_access if settings.allow_jwt_in_url else None,
            host=host,
            port=port,
            control_host=host,
            gate=GateSettings(
                hosts=settings.hosts,
                origins=settings.origins,
                trusted_proxies=[str(network) for network in settings.trusted_proxies],
                door_secret=settings.door_secret,
            ),
            limits=EdgeLimits(connections=settings.sockets, connections_per_address=settings.sockets_per_address),
            peers=self._peers,
        )

    async def _beat(self, keeper: Keeper, ticker: Ticker) -> None:
        assert self._listener is not None
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(keeper.run(), name="keeper"),
                tasks.create_task(ticker.run(), name="ticker"),
            ]
            self._say_ready()
            await self.stopping.wait()
            log.info("node_drains", shards=len(keeper.shards))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await keeper.drain()
            await self._listener.drain(CloseCode.SERVICE_RESTART)
            await self._peers.close()
            await end(running)
        await self._store.close()
        await self._directory.close()
        log.info("node_stopped")

    def _say_ready(self) -> None:
        """Print the one line that whoever started this process waits for."""
        assert self._listener is not None
        told = {
            "event": "node_ready",
            "node": self._settings.node_name,
            "port": self._listener.port,
            "control": f"{self._settings.node_listen[0]}:{self._listener.control_port}",
            "instance": self._instance,
            "pid": os.getpid(),
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _quiet_collector() -> None:
    """Look for reference cycles seldom: rooms make few, and each look costs every tick a little (DECISIONS 14)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _run(settings: Settings) -> None:
    node = Node(settings)
    _quiet_collector()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.stopping.set)
    await node.run()


async def _drain(settings: Settings, name: str) -> int:
    """Tell the running node of that name to hand everything over, and wait until it has ended; the exit code."""
    url = settings.require_redis()
    directory = RedisDirectory(settings.redis_cache_url or url)
    try:
        cards = await directory.nodes()
    except StoreUnavailable as error:
        raise SettingsError(f"REDIS_URL cannot be reached ({error}): is the server running?") from None
    finally:
        await directory.close()
    card = max((card for card in cards if card.name == name), key=lambda card: card.beat_ms, default=None)
    if card is None:
        running = ", ".join(sorted({card.name for card in cards})) or "none"
        raise SettingsError(f"No node {name} runs here (running: {running}).")
    if await tell(card.control, settings.door_secret, Drain(), seconds=2 * DRAIN_S, until_end=True):
        sys.stdout.write(f"{name} has handed everything over.\n")
        return 0
    sys.stderr.write(f"{name} at {card.control} did not answer: is ARENA_DOOR_SECRET the one it was started with?\n")
    return 1


def main(arguments: Sequence[str] = ()) -> int:
    """Run a node from the environment, or drain one; return the exit code."""
    import uvloop  # noqa: PLC0415 - not needed by who only imports the composition

    parser = argparse.ArgumentParser(prog="arena node", description="Run one game node, from the environment.")
    parser.add_argument(
        "--drain",
        nargs="?",
        const="",
        metavar="NAME",
        help="tell the running node NAME (ARENA_NODE_NAME) to hand all its rooms over and stop; wait until it has",
    )
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        if asked.drain is not None:
            return uvloop.run(_drain(settings, asked.drain or settings.node_name))
        logs.configure(settings.log, process=settings.node_name)
        allow_open_files(settings.sockets + SPARE_FILES)
        uvloop.run(_run(settings))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"The node cannot listen: {error.strerror or error}. Set ARENA_NODE_LISTEN to a free port.\n")
        return 2
    return 0
