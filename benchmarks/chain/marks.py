"""Counters of every part of a running demo at one moment; two of them make a difference."""

import os
import urllib.request
from collections import Counter
from dataclasses import dataclass

import msgspec
import psycopg
from redis import Redis

from benchmarks import processes
from benchmarks.surroundings import postmaster_pid, redis_pid
from infra.servers import Connection
from workers.demo.run import RunningDemo
from workers.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Groups:
    """The process groups of a run by their root processes."""

    workers: Supervisor
    demo: RunningDemo
    postgres: int
    redis: int

    def cpu_s(self) -> Counter[str]:
        """CPU-seconds so far, descendants that have ended included."""
        return Counter(
            {
                "workers": sum(map(processes.cpu_s, self.workers.pids())),
                "sweeper": sum(map(processes.cpu_s, self.demo.supervisor.pids("sweeper"))),
                "postgres": processes.cpu_s(self.postgres),
                "redis": processes.cpu_s(self.redis),
                "sandbox": processes.cpu_s(self.demo.stage.sandbox_pid),
                "supervisor": processes.own_cpu_s(os.getpid()),
            }
        )

    def pss_mb(self) -> dict[str, float]:
        """Memory of the engine's processes in MiB."""
        named = {f"worker-{number}": pid for number, pid in enumerate(self.workers.pids(), 1)}
        (named["sweeper"],) = self.demo.supervisor.pids("sweeper")
        return {name: round(processes.pss_mb(pid), 1) for name, pid in named.items()}


@dataclass(frozen=True, slots=True)
class Marks:
    """Everything that only grows. `commits` lag behind by up to a second as long as a backend lives."""

    cpu_s: Counter[str]
    commits: int
    wal_bytes: int
    redis_commands: Counter[str]
    http_calls: Counter[str]


class _Progress(msgspec.Struct):
    calls: dict[str, int]


def read_marks(stores: Connection, groups: Groups) -> Marks:
    cpu_s = groups.cpu_s()
    with psycopg.connect(stores.database_url.reveal(), autocommit=True) as session:
        row = session.execute(
            """
            SELECT xact_commit, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint
            FROM pg_stat_database WHERE datname = current_database()
            """
        ).fetchone()
    assert row is not None
    with Redis.from_url(stores.redis_url.reveal()) as client:
        statistics = client.info("commandstats")
    commands = Counter({name.removeprefix("cmdstat_"): int(use["calls"]) for name, use in statistics.items()})
    url = f"{groups.demo.stage.sandbox_url}/_progress"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own sandbox on loopback
        calls = msgspec.json.decode(answer.read(), type=_Progress).calls
    return Marks(cpu_s, row[0], row[1], commands, Counter(calls))


def find_groups(workers: Supervisor, demo: RunningDemo, stores: Connection) -> Groups:
    """Ask the stores which processes they are."""
    return Groups(workers, demo, postmaster_pid(stores), redis_pid(stores))
