"""The local autoscaler: lets worker pools follow the signals, between their minimum and their maximum.

It never kills: a process that is to stop gets SIGTERM, ends its running work, and exits. On a cluster the same
signals drive an autoscaler of its own.
"""

from dataclasses import dataclass, field

import psycopg

from domain.alarms import AlarmKind
from domain.groups import Groups, entry_of
from domain.scaling import GroupReading, PoolState, Reading, ScalingDecision, at_start, decide, wait_s
from infra.config.worker_settings import Scaling, WorkerPool, Workers
from infra.monitoring.alarm_events import note_event
from infra.monitoring.signals import UNKNOWN, Signals, read_signals
from infra.process.clock import Clock
from infra.process.steps import STEPS
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from workers.supervisor import Supervisor

log = get_logger(__name__)


def reading_of(pool: WorkerPool, groups: Groups, signals: Signals, recent: Signals, at: float) -> Reading:
    """A pool's signals: each of its groups, and what comes in at the first of them on an order's way.

    `recent`: the same signals with rates of the last few seconds.
    """
    mine = {group: groups[group] for group in pool.groups}
    readings = {group: _group_reading(pool, group, signals) for group in mine}
    entry = entry_of({group: [STEPS[name] for name in steps] for group, steps in mine.items()})
    return Reading(
        at=at,
        inflow_per_min=readings[entry].inflow_per_min if entry else 0.0,
        recent_per_min=_group_reading(pool, entry, recent).inflow_per_min if entry else 0.0,
        groups=tuple(readings.values()),
    )


def _group_reading(pool: WorkerPool, group: str, signals: Signals) -> GroupReading:
    lanes = [one for one in signals.lanes if one.group == group and one.lane in pool.lanes]
    return GroupReading(
        depth=sum(one.depth for one in lanes),
        oldest_s=max((one.oldest_s for one in lanes), default=0.0),
        ship_by_s=min((one.ship_by_s for one in lanes if one.ship_by_s is not None), default=None),
        inflow_per_min=sum(one.inflow_per_min for one in lanes),
        drain_per_min=sum(one.drain_per_min for one in lanes),
        under_way=sum(one.under_way for one in lanes),
    )


@dataclass(slots=True)
class Autoscaler:
    """Reads the signals and resizes the pools whose minimum and maximum differ."""

    db: Database
    supervisor: Supervisor
    workers: Workers
    scaling: Scaling
    clock: Clock
    _due_at: float = field(default=0.0, init=False)
    _states: dict[str, PoolState] = field(default_factory=dict, init=False)

    def tend(self) -> dict[str, ScalingDecision]:
        """Decide if it is time; what was decided, by pool.

        Without signals, or with old ones, nothing changes. The signals are read twice as often as they are measured, so
        that no measurement is missed.
        """
        now = self.clock.monotonic()
        elastic = [pool for pool in self.workers.all_pools() if pool.size.most > pool.size.least]
        if not elastic or now < self._due_at:
            return {}
        self._due_at = now + self.scaling.every_s / 2
        signals, recent = self._signals()
        if signals.age_s is None or signals.age_s > self.scaling.rules().gap_s:
            return {}
        at = now - signals.age_s
        return {
            pool.name: self._follow(pool, reading_of(pool, self.workers.step_groups(), signals, recent, at))
            for pool in elastic
        }

    def _signals(self) -> tuple[Signals, Signals]:
        """Over the window, and over the short one that thresholds are held against."""
        try:
            with self.db.connection() as connection:
                recent = read_signals(connection, self.scaling.surge_window_s)
                return read_signals(connection, self.scaling.window_s), recent
        except psycopg.OperationalError as error:
            log.warning("signals_unread", error=type(error).__name__)
            return UNKNOWN, UNKNOWN

    def _follow(self, pool: WorkerPool, reading: Reading) -> ScalingDecision:
        rules = self.scaling.rules()
        was = self._states.get(pool.name) or at_start(rules, self.supervisor.size(pool.name))
        decision = decide(rules, pool.size, was, reading)
        processes = decision.state.processes
        self._states[pool.name] = decision.state
        for reason in decision.signals:
            log.warning(
                "scale_out_signal",
                pool=pool.name,
                reason=str(reason),
                inflow_per_min=round(reading.recent_per_min),
                depth=sum(group.depth for group in reading.groups),
                wait_s=round(max(wait_s(rules, group) for group in reading.groups), 1),
                is_at_maximum=was.processes >= pool.size.most,
            )
        if decision.signals and was.processes >= pool.size.most:
            note_event(self.db, AlarmKind.POOL_AT_MAXIMUM, pool.name)
        if processes != was.processes:
            log.info("pool_resized", pool=pool.name, was=was.processes, now=processes)
            self.supervisor.resize(pool.name, processes)
        return decision
