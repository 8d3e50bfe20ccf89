"""One run of the demo's chain with everything around it measured."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.chain.activity import sample_activity
from benchmarks.chain.marks import find_groups, read_marks
from benchmarks.chain.memory import Memory
from benchmarks.chain.meter import StepUse, WorkerUse
from benchmarks.start_line import await_workers, open_line, start_line
from benchmarks.surroundings import describe
from infra.config.settings import Settings
from infra.servers import Connection
from workers.demo.run import DemoResult, Progress, RunningDemo, conclude, running, watch
from workers.demo.stage import Script
from workers.supervisor import ProcessRole, Supervisor, supervised

# The first and the last tenth of a run are ramps: the first pull, and the warehouse's delays.
_RAMP = 0.1


@dataclass(frozen=True, slots=True)
class Course:
    """What was used between the start line and the end of the last order."""

    outcome: DemoResult
    looks: Sequence[Progress]
    sustained_per_minute: float
    cpu_s: Mapping[str, float]
    pss_mb: Mapping[str, float]
    memory: Memory
    use: WorkerUse
    commits: int
    wal_bytes: int
    redis_commands: Mapping[str, int]
    http_calls: Mapping[str, int]
    restarts: int
    activity: Mapping[str, int]
    settings: Mapping[str, Any]


def measure(base: Settings, stores: Connection, script: Script, *, samples: bool) -> Course:
    """Play `script` once on the given stores.

    The demo starts no workers of its own; metered ones stand in for them. `samples`: look at what
    Postgres's backends are at.
    """
    given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
    looks: list[Progress] = []
    with running(msgspec.structs.replace(base, stores=given), replace(script, processes=0)) as demo:
        folder = demo.stage.folder
        reports = [folder / f"use-{number}.json" for number in range(script.processes)]
        with (folder / "metered.log").open("wb") as log:
            workers = Supervisor(_roles(reports), _environment(demo), log_file=log.fileno())
            with start_line(demo.db) as session, supervised(workers):
                groups = find_groups(workers, demo, stores)
                memory = Memory(groups.pss_mb)

                def see(look: Progress) -> None:
                    looks.append(look)
                    memory.look(look)

                await_workers(session, script.processes)
                before = read_marks(stores, groups)
                started_at = time.monotonic()
                open_line(session)
                with sample_activity(stores, is_on=samples) as activity:
                    watch(demo, see)
                seconds = time.monotonic() - started_at
                after, pss_mb = read_marks(stores, groups), groups.pss_mb()
        # Backends hand in their statistics when they end, and those of the workers have ended by now.
        commits = read_marks(stores, groups).commits
        return Course(
            outcome=conclude(demo, seconds),
            looks=looks,
            sustained_per_minute=sustained_per_minute(looks),
            cpu_s=after.cpu_s - before.cpu_s,
            pss_mb=pss_mb,
            memory=memory,
            use=total([msgspec.json.decode(report.read_bytes(), type=WorkerUse) for report in reports]),
            commits=commits - before.commits,
            wal_bytes=after.wal_bytes - before.wal_bytes,
            redis_commands=after.redis_commands - before.redis_commands,
            http_calls=after.http_calls - before.http_calls,
            restarts=workers.restarts + demo.supervisor.restarts,
            activity=activity,
            settings=_settings(demo, stores, script),
        )


def sustained_per_minute(looks: Sequence[Progress]) -> float:
    """Orders written back a minute between the ramps; 0 where the run was too short to see."""
    if not looks:
        return 0.0
    most = looks[-1].written_back
    steady = [look for look in looks if _RAMP * most <= look.written_back <= (1 - _RAMP) * most]
    if len(steady) < 2:  # noqa: PLR2004 - a slope needs two points
        return 0.0
    return (steady[-1].written_back - steady[0].written_back) / (steady[-1].seconds - steady[0].seconds) * 60


def total(uses: Sequence[WorkerUse]) -> WorkerUse:
    """The use of all worker processes together."""
    steps: dict[str, StepUse] = {}
    for use in uses:
        for name, step in use.steps.items():
            steps.setdefault(name, StepUse()).add(step)
    return WorkerUse(
        steps=steps,
        statements=sum(use.statements for use in uses),
        transactions=sum(use.transactions for use in uses),
        loop_cpu_s=sum(use.loop_cpu_s for use in uses),
    )


def _roles(reports: Sequence[Path]) -> list[ProcessRole]:
    return [
        ProcessRole(f"worker-{number}", ("-m", "benchmarks.chain.metered_worker", str(report)))
        for number, report in enumerate(reports, 1)
    ]


def _environment(demo: RunningDemo) -> dict[str, str]:
    return {
        "ORDERLANE_SETTINGS": str(demo.stage.settings_file),
        "ORDERLANE_DATABASE_URL": demo.settings.stores.database_url.reveal(),
        "ORDERLANE_REDIS_URL": demo.settings.stores.redis_url.reveal(),
    }


def _settings(demo: RunningDemo, stores: Connection, script: Script) -> dict[str, Any]:
    engine = demo.settings.engine
    return {
        **describe(stores),
        "orders": script.orders,
        "shops": script.shops,
        "seed": script.seed,
        "processes": script.processes,
        "threads": script.threads,
        "batch_max": engine.batch_max,
        "outside_concurrency": engine.outside_concurrency,
        "sweep_every_s": engine.sweep_every_s,
    }
