"""``python -m httpapi.worker``: records results, serves content, sweeps. Several may run at once.

Starts and lives without PostgreSQL and without Redis: it waits for them. SIGTERM and SIGINT drain: what is in hand is
finished, for at most 8 s. Exit codes: 0 stopped as told · 2 a setting is wrong.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from arena import logs, metrics
from arena.redis_address import is_cluster
from arena.settings import Settings, SettingsError
from arena.tasks import end
from httpapi.store.database import Database
from httpapi.worker import reserve
from httpapi.worker.backoff import BackOff
from httpapi.worker.housekeeping import Housekeeping
from httpapi.worker.limits import (
    DATABASE_CONNECTIONS_MAX,
    DRAIN_S,
    RECORDING_S_MAX,
    REQUESTS_IN_HAND_MAX,
    RESULTS_IN_HAND_MAX,
    SERVING_S_MAX,
)
from httpapi.worker.packs import PackServer
from httpapi.worker.recorder import Recorder
from httpapi.worker.streams import CONNECTIONS_MAX, StreamReader, redis_client
from protocol import keys

Job = Callable[[asyncio.Event], Awaitable[None]]

_log = logs.get("worker")
_restarts = metrics.counter("arena_worker_job_restarts", "Jobs started again after a fault of ours", ["job"])


async def _supervise(name: str, job: Job, stopping: asyncio.Event) -> None:
    """Run a job until the worker stops; one that fails is started again after a while."""
    back_off = BackOff(first_s=0.5, most_s=30.0)
    while not stopping.is_set():
        try:
            await job(stopping)
        except Exception:  # noqa: BLE001 - supervisor: one job's fault must not stop the others
            _restarts.labels(name).inc()
            _log.exception("job_failed", job=name)
            await back_off.wait(stopping)


async def serve(settings: Settings, stopping: asyncio.Event) -> None:
    """Do the worker's jobs until ``stopping`` is set, then drain."""
    url = settings.require_database()
    recording = Database(url, pool_max=DATABASE_CONNECTIONS_MAX, timeout_s=RECORDING_S_MAX)
    serving = Database(url, pool_max=DATABASE_CONNECTIONS_MAX, timeout_s=SERVING_S_MAX)
    apart = is_cluster(settings.require_redis())
    connections = CONNECTIONS_MAX + (2 * settings.shards if apart else 0)  # a read for each stream of each shard
    redis = redis_client(settings.require_redis(), connections=connections)
    consumer = f"{settings.node_name}-{os.getpid()}-{secrets.token_hex(4)}"
    recorder = Recorder(recording, redis, stopping)
    server = PackServer(serving, redis)
    results = StreamReader(
        redis,
        kind="results",
        key_of=keys.results,
        shards=settings.shards,
        consumer=consumer,
        handler=recorder.handle,
        in_hand=RESULTS_IN_HAND_MAX,
        together=False,
        by_slot=apart,
    )
    requests = StreamReader(
        redis,
        kind="requests",
        key_of=keys.requests,
        shards=settings.shards,
        consumer=consumer,
        handler=server.handle,
        in_hand=REQUESTS_IN_HAND_MAX,
        together=True,
        by_slot=apart,
    )
    jobs: dict[str, Job] = {
        "results": results.run,
        "requests": requests.run,
        "reserve": lambda stop: reserve.keep_filled(serving, redis, stop),
        "housekeeping": Housekeeping(recording, redis, shards=settings.shards).run,
    }
    _log.info("worker_ready", consumer=consumer, shards=settings.shards)
    try:
        await _run(jobs, stopping)
    finally:
        for database in (recording, serving):
            await database.close()
        await redis.aclose()
    _log.info("worker_stopped", consumer=consumer)


async def _run(jobs: dict[str, Job], stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_supervise(name, job, stopping), name=name) for name, job in jobs.items()]
        await stopping.wait()
        _log.info("worker_draining")
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in late:
            _log.warning("job_cut", job=task.get_name())
        await end(late)


async def _until_told(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(settings, stopping)


def main() -> int:
    """Run the worker; return the exit code."""
    try:
        settings = Settings.from_env()
        settings.require_database()
        settings.require_redis()
    except SettingsError as error:
        sys.stderr.write(f"worker: {error}\n")
        return 2
    logs.configure(settings.log, process="worker")
    uvloop.run(_until_told(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
