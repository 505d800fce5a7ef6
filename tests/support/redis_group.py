"""Several Redis-protocol servers at once: a master with replicas, sentinels over them, a small cluster."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from arena.embedded.binaries import find_valkey
from arena.embedded.process import Child
from tests.support.ports import free_port
from tests.support.services import short_folder

PASSWORD: Final = "pa:ss@word"
URL_PASSWORD: Final = "pa%3Ass%40word"
HOST: Final = "127.0.0.1"
SERVICE: Final = "the-master"
READY_S: Final = 20.0
NODE_TIMEOUT_MS: Final = 1_000


def wait_until(met: Callable[[], object], what: str, seconds: float = READY_S) -> None:
    """Look every 20 ms; errors of a server that is not there yet mean "not yet"."""
    until = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < until:
        try:
            last = met()
        except (redis.RedisError, OSError) as error:
            last = error
        else:
            if last:
                return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s ({last!r})")


class Server:
    """One server on a loopback port, with a password."""

    def __init__(self, folder: Path, *settings: str, mode: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.place = f"{HOST}:{self.port}"
        home = folder / str(self.port)
        home.mkdir()
        config = home / "server.conf"
        lines = (f"port {self.port}", f"bind {HOST}", f"dir {home}", "daemonize no", "protected-mode no", *settings)
        config.write_text("\n".join(lines) + "\n")
        program = find_valkey().program.resolve()
        self.child = Child(
            f"server {self.port}",
            [program, config, *mode],
            death_signal=signal.SIGKILL,
            folder=home,
            log=home / "log",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.child.start()
        wait_until(lambda: self.ask("PING"), f"the server on {self.place}")

    def ask(self, *command: Any) -> Any:
        """Send one command on a connection of its own."""
        with self.client() as client:
            return client.execute_command(*command)

    def client(self) -> "redis.Redis":
        """Return a client for the test's own questions."""
        return redis.Redis(
            host=HOST, port=self.port, password=PASSWORD, protocol=2, socket_timeout=2, socket_connect_timeout=2
        )

    def stand(self) -> None:
        """Stop the process without ending it (SIGSTOP)."""
        os.kill(self.child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        os.kill(self.child.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self.child.running:
            self.child.kill()
        self.child.wait(READY_S)


class DataServer(Server):
    """A server that keeps data as production's do."""

    def __init__(self, folder: Path, *settings: str) -> None:
        super().__init__(
            folder,
            f"requirepass {PASSWORD}",
            f"masterauth {PASSWORD}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "repl-diskless-sync yes",
            "repl-diskless-sync-delay 0",
            "repl-diskless-load swapdb",
            "repl-ping-replica-period 1",
            *settings,
        )

    @property
    def url(self) -> str:
        """Where it is reached, as ``REDIS_URL``."""
        return f"redis://:{URL_PASSWORD}@{self.place}/0"

    def follow(self, master: "DataServer") -> None:
        """Become its replica, and wait for the first copy."""
        self.ask("REPLICAOF", HOST, master.port)
        wait_until(lambda: self.ask("ROLE")[3] == b"connected", f"{self.place} follows {master.place}")
        wait_until(lambda: master.ask("WAIT", 1, 100) >= 1, "the replica acknowledges")


@contextmanager
def running(servers: Sequence[Server]) -> Iterator[None]:
    """Start them; kill them afterwards, whatever happened."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
            server.start()
        yield


@contextmanager
def replicated() -> Iterator[tuple[DataServer, DataServer]]:
    """Give a master and its replica."""
    with short_folder() as folder:
        master, replica = DataServer(folder), DataServer(folder)
        with running([master, replica]):
            replica.follow(master)
            yield master, replica


class Sentinel(Server):
    """Watches a master; quick to judge."""

    def __init__(self, folder: Path, master: DataServer, *, quorum: int) -> None:
        super().__init__(
            folder,
            f"requirepass {PASSWORD}",
            f"sentinel monitor {SERVICE} {HOST} {master.port} {quorum}",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel parallel-syncs {SERVICE} 1",
            mode=("--sentinel",),
        )


class Watched:
    """A master, its replicas, and sentinels over them."""

    def __init__(self, folder: Path, *, replicas: int, sentinels: int = 3, settings: Sequence[str] = ()) -> None:
        self.data = [DataServer(folder, *settings) for _ in range(1 + replicas)]
        self.sentinels = [Sentinel(folder, self.data[0], quorum=sentinels // 2 + 1) for _ in range(sentinels)]

    @property
    def url(self) -> str:
        """Where it is reached, as ``REDIS_URL``."""
        places = ",".join(one.place for one in self.sentinels)
        return f"sentinel://:{URL_PASSWORD}@{places}/{SERVICE}?sentinel_password={URL_PASSWORD}"

    def settle(self) -> None:
        """Wait until every sentinel knows the replica and the others."""
        for one in self.sentinels:
            wait_until(lambda one=one: self._sees_all(one), f"the sentinel on {one.place} sees everybody")

    def _sees_all(self, sentinel: Server) -> bool:
        raw = sentinel.ask("SENTINEL", "MASTER", SERVICE)
        told = raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))
        named = {key.decode() if isinstance(key, bytes) else key: value for key, value in told.items()}
        return (
            int(named["num-slaves"]) == len(self.data) - 1
            and named["flags"] == b"master"
            and int(named["num-other-sentinels"]) == len(self.sentinels) - 1
        )

    def master(self) -> DataServer:
        """Return the server that says it is the master."""
        found = [one for one in self.data if one.child.running and one.ask("ROLE")[0] == b"master"]
        assert len(found) == 1, "exactly one master"
        return found[0]


@contextmanager
def watched(*, replicas: int = 1, settings: Sequence[str] = ()) -> Iterator[Watched]:
    """Give a master with replicas, and sentinels that know all."""
    with short_folder() as folder:
        group = Watched(folder, replicas=replicas, settings=settings)
        with running(group.data):
            for replica in group.data[1:]:
                replica.follow(group.data[0])
            with running(group.sentinels):
                group.settle()
                yield group


class ClusterServer(DataServer):
    """One node of a cluster; quick to judge."""

    def __init__(self, folder: Path) -> None:
        self.bus = free_port()
        super().__init__(
            folder,
            "cluster-enabled yes",
            f"cluster-port {self.bus}",
            f"cluster-node-timeout {NODE_TIMEOUT_MS}",
            "cluster-require-full-coverage no",
            "cluster-replica-validity-factor 0",
            "cluster-allow-replica-migration no",
        )

    def id(self) -> bytes:
        """Return its name in the cluster."""
        name = self.ask("CLUSTER", "MYID")
        return name if isinstance(name, bytes) else str(name).encode()


SLOTS: Final = ((0, 5460), (5461, 10922), (10923, 16383))


class SmallCluster:
    """Three masters, and a replica of the first so many."""

    def __init__(self, folder: Path, *, replicas: int) -> None:
        self.masters = [ClusterServer(folder) for _ in SLOTS]
        self.replicas = [ClusterServer(folder) for _ in range(replicas)]
        self.servers = [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        """Where it is reached, as ``REDIS_URL``: two of the nodes are named."""
        return f"cluster://:{URL_PASSWORD}@{self.masters[1].place},{self.masters[2].place}"

    def join(self) -> None:
        """Make them one cluster."""
        for number, (master, (first, last)) in enumerate(zip(self.masters, SLOTS, strict=True)):
            master.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            master.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for one in self.servers[1:]:
            self.servers[0].ask("CLUSTER", "MEET", HOST, one.port, one.bus)
        for one in self.servers:
            wait_until(lambda one=one: self._knows_all(one), f"{one.place} knows all")  # type: ignore[misc]  # mypy knows no defaults of lambdas
        for master, replica in zip(self.masters, self.replicas, strict=False):
            replica.ask("CLUSTER", "REPLICATE", master.id())
        for replica in self.replicas:
            wait_until(lambda one=replica: one.ask("ROLE")[3] == b"connected", f"{replica.place} follows")  # type: ignore[misc]  # the same
        for one in self.servers:
            wait_until(lambda one=one: self._sees_replicas(one), f"{one.place} is settled")  # type: ignore[misc]  # the same

    def _knows_all(self, server: Server) -> bool:
        told = _fields(server.ask("CLUSTER", "INFO"))
        return told["cluster_state"] == "ok" and int(told["cluster_known_nodes"]) == len(self.servers)

    def _sees_replicas(self, server: Server) -> bool:
        return sum(len(one) - 3 for one in _lists(server, "CLUSTER", "SLOTS")) == len(self.replicas)


def _fields(told: Any) -> dict[str, str]:
    if isinstance(told, dict):
        return {str(key): str(value) for key, value in told.items()}
    lines = told.decode().splitlines() if isinstance(told, bytes) else str(told).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _lists(server: Server, *command: Any) -> list[Any]:
    """Ask without redis-py's ideas of what the answer should look like."""
    with server.client() as client:
        client.response_callbacks.clear()
        answer: list[Any] = client.execute_command(*command)
        return answer


@contextmanager
def clustered(*, replicas: int = 1) -> Iterator[SmallCluster]:
    """Give a cluster."""
    with short_folder() as folder:
        cluster = SmallCluster(folder, replicas=replicas)
        with running(cluster.servers):
            cluster.join()
            yield cluster
