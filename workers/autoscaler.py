"""The local autoscaler: lets worker pools follow the signals, between their minimum and their maximum.

It only asks: a process that is to go gets SIGTERM, ends what it has begun, and leaves. On a cluster the same
signals drive an autoscaler of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import psycopg

from domain.scaling import Decision, Reading, Standing, at_start, decide
from infra.clock import Clock
from infra.db.pool import Database
from infra.log import get_logger
from infra.pools import Pool, Scaling
from infra.signals import Signal, Signals, read_signals
from workers.supervisor import Supervisor

log = get_logger(__name__)


def reading_of(pool: Pool, signals: Signals, at: float, backlog_min: int) -> Reading:
    """A pool's signals: its longest wait among groups with a backlog, its largest inflow, its nearest ship-by."""
    groups = [
        _group_reading([one for one in signals.lanes if one.group == group and one.lane in pool.lanes], at)
        for group in pool.groups
    ]
    slowest = max(groups, key=lambda one: (one.depth >= backlog_min, one.wait_s))
    return replace(slowest, inflow_per_min=max(one.inflow_per_min for one in groups), ship_by_s=_nearest(groups))


def _group_reading(lanes: Sequence[Signal], at: float) -> Reading:
    return Reading(
        at=at,
        inflow_per_min=sum(one.inflow_per_min for one in lanes),
        drain_per_min=sum(one.drain_per_min for one in lanes),
        depth=sum(one.depth for one in lanes),
        oldest_s=max((one.oldest_s for one in lanes), default=0.0),
        ship_by_s=_nearest(lanes),
    )


def _nearest(those: Sequence[Signal] | Sequence[Reading]) -> float | None:
    return min((one.ship_by_s for one in those if one.ship_by_s is not None), default=None)


@dataclass(slots=True)
class Autoscaler:
    """Looks at the signals every `scaling.every_s` and resizes the pools that have room between their bounds."""

    db: Database
    supervisor: Supervisor
    pools: Sequence[Pool]
    scaling: Scaling
    clock: Clock
    _due_at: float = field(default=0.0, init=False)
    _standings: dict[str, Standing] = field(default_factory=dict, init=False)

    def tend(self) -> dict[str, Decision]:
        """Decide if it is time; what was decided, by pool. Without signals, or with old ones, all stays as it is."""
        now = self.clock.monotonic()
        elastic = [pool for pool in self.pools if pool.size.most > pool.size.least]
        if not elastic or now < self._due_at:
            return {}
        self._due_at = now + self.scaling.every_s
        signals = self._signals()
        if signals is None or signals.age_s is None or signals.age_s > self.scaling.rules().gap_s:
            return {}
        return {pool.name: self._follow(pool, signals, now - signals.age_s) for pool in elastic}

    def _signals(self) -> Signals | None:
        try:
            with self.db.connection() as connection:
                return read_signals(connection, self.scaling.window_s)
        except psycopg.OperationalError as error:
            log.warning("signals_unread", error=type(error).__name__)
            return None

    def _follow(self, pool: Pool, signals: Signals, at: float) -> Decision:
        rules = self.scaling.rules()
        was = self._standings.get(pool.name) or at_start(rules, self.supervisor.size(pool.name))
        reading = reading_of(pool, signals, at, rules.backlog_min)
        decision = decide(rules, pool.size, was, reading)
        processes = decision.standing.processes
        self._standings[pool.name] = decision.standing
        for reason in decision.signals:
            log.warning(
                "scale_out_signal",
                pool=pool.name,
                reason=str(reason),
                inflow_per_min=round(reading.inflow_per_min),
                depth=reading.depth,
                wait_s=round(reading.wait_s, 1),
                is_at_maximum=was.processes >= pool.size.most,
            )
        if processes != was.processes:
            log.info("pool_resized", pool=pool.name, was=was.processes, now=processes)
            self.supervisor.resize(pool.name, processes)
        return decision
