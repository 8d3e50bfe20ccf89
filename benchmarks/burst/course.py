"""One surge: an average stream, `TIMES` as much for a while, and the average again, against an elastic pool."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import tomli_w

from infra.config.settings import Settings, read_settings
from infra.config.worker_settings import Scaling, Threshold, WorkerPool
from infra.monitoring.signals import read_signals
from infra.process.clock import SystemClock
from infra.servers import Connection
from sandbox.spec import Arrival, Spec, Surge
from sandbox.stream import plan
from workers.autoscaler import Autoscaler
from workers.demo.run import DemoResult, Progress, RunningDemo, conclude, prepared
from workers.demo.stage import Script, make_spec
from workers.demo.warehouses import UNTOLD
from workers.supervisor import Supervisor, roles, supervised

TIMES = 15
POOL = "worker"
_LOOK_EVERY_S = 0.25
_DEADLINE_S = 1800.0
_MEASURED_EVERY_S = 1.0
# Longer than it takes to look into a shop again: its orders come in lumps.
_LULL_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tide:
    """Orders a minute on average, and seconds before, in and after the surge.

    The signal is due when the inflow, taken over `surge_window_s`, has been over `threshold_per_min` for `threshold_s`.
    """

    average_per_min: float
    before_s: float
    surge_s: float
    after_s: float
    threshold_per_min: float
    threshold_s: float
    window_s: float
    surge_window_s: float
    calm_s: float
    processes_max: int
    threads: int
    shops: int
    seed: int

    @property
    def orders(self) -> int:
        return round(self.average_per_min / 60 * (self.before_s + TIMES * self.surge_s + self.after_s))

    @property
    def signal_due_s(self) -> tuple[float, float]:
        """When the signal may come, from the beginning of the surge: at the earliest, and at the latest.

        Earlier by its window and by what is forgiven for measurements that lie apart; later while orders queue to be
        pulled, but no later than the surge ends.
        """
        return self.threshold_s - self.surge_window_s - 4 * _MEASURED_EVERY_S, self.surge_s

    def scaling(self) -> Scaling:
        return Scaling(
            every_s=_MEASURED_EVERY_S,
            window_s=self.window_s,
            surge_window_s=self.surge_window_s,
            lull_s=_LULL_S,
            thresholds=(Threshold(orders_per_min=self.threshold_per_min, for_min=self.threshold_s / 60),),
            calm_min=self.calm_s / 60,
        )

    def spec(self) -> Spec:
        script = Script(
            self.orders, None, self.seed, self.average_per_min / 60, 1, self.threads, self.shops, floors=UNTOLD
        )
        surge = Surge(from_s=self.before_s, for_s=self.surge_s, times=TIMES)
        arrival = Arrival(per_second=self.average_per_min / 60, surge=surge)
        return msgspec.structs.replace(make_spec(script), arrival=arrival)


@dataclass(slots=True)
class Watch:
    """Runs an instance and records its measurements, in seconds since the start.

    `before` and `during`: orders that are visible when the surge begins, and when it ends.
    """

    demo: RunningDemo
    scaler: Autoscaler
    before: int
    during: int
    started_at: float = field(default_factory=time.monotonic)
    surge_began_s: float | None = None
    surge_ended_s: float | None = None
    signals: list[tuple[float, str]] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    depths: list[tuple[float, int]] = field(default_factory=list)
    oldest_most_s: float = 0.0
    drained_s: float | None = None

    def look(self) -> Progress:
        """One round: tend the processes and record counts."""
        demo, look = self.demo, self.demo.look()
        at_s = time.monotonic() - self.started_at
        if self.surge_began_s is None and look.visible > self.before:
            self.surge_began_s = at_s
        if self.surge_ended_s is None and look.visible >= self.during:
            self.surge_ended_s = at_s
        if self.drained_s is None and look.is_over:
            self.drained_s = at_s
        self.signals += [(at_s, str(reason)) for one in self.scaler.tend().values() for reason in one.signals]
        size = demo.supervisor.size(POOL)
        if not self.sizes or self.sizes[-1][1] != size:
            self.sizes.append((at_s, size))
        with demo.db.connection() as connection:
            lanes = read_signals(connection, demo.settings.scaling.window_s).lanes
        self.depths.append((at_s, sum(one.depth for one in lanes)))
        self.oldest_most_s = max([self.oldest_most_s, *(one.oldest_s for one in lanes)])
        return look


@dataclass(frozen=True, slots=True)
class Course:
    """A surge that is over."""

    watch: Watch
    outcome: DemoResult
    is_least_again: bool
    signal_due_s: tuple[float, float]
    settings: Mapping[str, Any]


def play(base: Settings, stores: Connection, tide: Tide) -> Course:
    """Play a tide to its end, and until the pool is at its least again or nothing moves."""
    given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
    spec = tide.spec()
    script = Script(tide.orders, None, tide.seed, tide.average_per_min / 60, 1, tide.threads, tide.shops, floors=UNTOLD)
    offsets = [order.offset_s for order in plan(spec).orders]
    with prepared(msgspec.structs.replace(base, stores=given), script, spec) as stage, _elastic(stage, tide) as demo:
        watch = Watch(
            demo,
            Autoscaler(demo.db, demo.supervisor, demo.settings.workers, demo.settings.scaling, SystemClock()),
            before=sum(offset < tide.before_s for offset in offsets),
            during=sum(offset < tide.before_s + tide.surge_s for offset in offsets),
        )
        look = watch.look()
        while look.seconds < _DEADLINE_S and not (look.is_over and len(demo.supervisor.pids(POOL)) == 1):
            time.sleep(_LOOK_EVERY_S)
            look = watch.look()
        is_least_again = demo.supervisor.size(POOL) == 1
        outcome = conclude(demo, look.seconds)
    return Course(watch, outcome, is_least_again, tide.signal_due_s, msgspec.to_builtins(tide))


@contextmanager
def _elastic(demo: RunningDemo, tide: Tide) -> Iterator[RunningDemo]:
    """The demo's instance with one elastic pool, at the thresholds of `tide`."""
    file = demo.stage.settings_file
    pool = WorkerPool(name=POOL, processes=1, processes_max=tide.processes_max, threads=tide.threads)
    tree = msgspec.toml.decode(file.read_bytes())
    tree |= {"workers": {"pools": [_told(pool)]}, "scaling": _told(tide.scaling())}
    file.write_text(tomli_w.dumps(tree))
    settings = read_settings(file, demo.supervisor.environment)
    kept = demo.supervisor
    supervisor = Supervisor(roles(settings), kept.environment, kept.stores, kept.log_file)
    with supervised(supervisor):
        yield replace(demo, settings=settings, supervisor=supervisor, started_at=time.monotonic())


def _told(value: object) -> dict[str, Any]:
    return dict(msgspec.to_builtins(value))
