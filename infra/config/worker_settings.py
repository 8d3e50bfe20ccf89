"""Settings of worker pools: which lanes and groups of steps each serves, and with how many processes."""

from collections.abc import Mapping, Sequence

import msgspec

from domain import scaling
from domain.errors import Misconfigured
from domain.groups import Groups, group_by_step, groups_of
from domain.order import Lane
from infra.process.steps import STEPS
from infra.queue.keys import QUEUE

# The pools that exist without any configuration.
ALL_LANES_POOL = "worker"
P0_POOL = "p0"
NICE_MAX = 19
# How long measurements are kept.
KEPT_S = 900.0
# The most measurements between a change of the inflow and the measurement that shows it.
_LATE_BY = 3


class WorkerPool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Worker processes of one kind.

    No lanes or no groups named: all of them. There are `processes` of it, and up to `processes_max` if that is
    more. `nice` lowers its claim to the processor: 0 is an equal claim, 19 takes what others leave.
    """

    name: str
    lanes: tuple[Lane, ...] = tuple(Lane)
    groups: tuple[str, ...] = ()
    processes: int = 1
    processes_max: int = 0
    threads: int = 4
    nice: int = 0

    @property
    def size(self) -> scaling.PoolSize:
        return scaling.PoolSize(self.processes, max(self.processes, self.processes_max))


class Workers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pools of worker processes.

    Without `pools`: `processes` that serve everything, and `p0_processes` that serve lane p0 alone. With `pools`,
    one for p0 alone is added unless one of them is that. A worker that is told to stop ends within `drain_s`.

    `groups`: of steps, where they are not as the steps declare them. What they mean is asked by `step_groups`.
    """

    processes: int = 2
    threads: int = 4
    p0_processes: int = 0
    pools: tuple[WorkerPool, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    drain_s: float = 30.0

    def __post_init__(self) -> None:
        """Raise ValueError for pools that do not fit together: a setting read from a file then says where."""
        _check_pools(self._shape())
        # Without pools and groups every group of the steps is served; a look-up of the groups would import the steps.
        if self.groups or self.pools:
            try:
                _check_groups(self)
            except Misconfigured as error:
                raise ValueError(str(error)) from None

    def step_groups(self) -> Groups:
        """The groups with the names of their steps; see `domain.groups.groups_of`."""
        return groups_of(STEPS.map(), self.groups)

    def all_pools(self) -> tuple[WorkerPool, ...]:
        """Every pool there is, each with its groups named."""
        everything = tuple(self.step_groups())
        return tuple(msgspec.structs.replace(pool, groups=pool.groups or everything) for pool in self._shape())

    def _shape(self) -> tuple[WorkerPool, ...]:
        shape = self.pools or (WorkerPool(name=ALL_LANES_POOL, processes=self.processes, threads=self.threads),)
        if not any(pool.lanes == (Lane.P0,) for pool in shape):
            processes = max(1, self.p0_processes) if self.pools else self.p0_processes
            shape = (*shape, WorkerPool(name=P0_POOL, lanes=(Lane.P0,), processes=processes, threads=self.threads))
        return shape

    def pool(self, name: str) -> WorkerPool:
        """A pool by its name. Raises Misconfigured ``pool_unknown``."""
        pools = {pool.name: pool for pool in self.all_pools()}
        if name not in pools:
            raise Misconfigured("pool_unknown", f"no pool {name}; known are: {', '.join(pools)}")
        return pools[name]

    def queues(self) -> dict[str, str]:
        """The queue that rings for each step: one for all, or one a group as soon as a pool leaves a group out."""
        groups = self.step_groups()
        is_shared = all(set(pool.groups) == set(groups) for pool in self.all_pools())
        return {step: QUEUE if is_shared else f"{QUEUE}-{group}" for step, group in group_by_step(groups).items()}

    def queues_of(self, pool: WorkerPool) -> frozenset[str]:
        """The queues that a pool listens at."""
        group_of = group_by_step(self.step_groups())
        return frozenset(queue for step, queue in self.queues().items() if group_of[step] in pool.groups)

    def processes_at_most(self) -> int:
        return sum(pool.size.most for pool in self._shape())


def _check_pools(pools: Sequence[WorkerPool]) -> None:
    names = [pool.name for pool in pools]
    if len(set(names)) < len(names):
        raise ValueError(f"two pools have one name: {', '.join(sorted(names))}")
    for pool in pools:
        if not pool.lanes or pool.processes < 0 or pool.threads < 1 or not 0 <= pool.nice <= NICE_MAX:
            raise ValueError(f"pool {pool.name} needs a lane, a thread, 0 processes or more, and a nice of 0 to 19")
        if 0 < pool.processes_max < pool.processes:
            raise ValueError(f"pool {pool.name} has a maximum below its processes")


def _check_groups(workers: Workers) -> None:
    groups, pools = workers.step_groups(), workers.all_pools()
    for pool in pools:
        if unknown := sorted(set(pool.groups) - set(groups)):
            raise ValueError(f"pool {pool.name} names no known group: {', '.join(unknown)}")
    served = {(lane, group) for pool in pools for lane in pool.lanes for group in pool.groups}
    left = sorted(f"{group} in {lane}" for lane in Lane for group in groups if (lane, group) not in served)
    if left:
        raise ValueError(f"no pool serves {', '.join(left)}")


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More than `orders_per_min`, for `for_min` minutes on end, is a signal to grow."""

    orders_per_min: float
    for_min: float


class Scaling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When pools with a maximum grow and shrink; see `domain.scaling`.

    Signals are measured `every_s`. Rates are those of the last `window_s`; what thresholds are held against, those of
    the last `surge_window_s`.
    """

    every_s: float = 5.0
    window_s: float = 60.0
    surge_window_s: float = 10.0
    lull_s: float = 30.0
    thresholds: tuple[Threshold, ...] = (
        Threshold(orders_per_min=500, for_min=1),
        Threshold(orders_per_min=100, for_min=5),
    )
    backlog_min: int = 50
    wait_max_min: float = 10.0
    ship_by_margin_h: float = 2.0
    pause_s: float = 60.0
    calm_min: float = 10.0

    def __post_init__(self) -> None:
        """Raise ValueError for times that no rate could come of: a setting read from a file then says where."""
        if not self.every_s > 0:
            raise ValueError(f"scaling.every_s must be above 0, not {self.every_s}")
        for name in ("window_s", "surge_window_s"):
            window_s = getattr(self, name)
            if not 0 < window_s <= KEPT_S - self.every_s:
                raise ValueError(
                    f"scaling.{name} must be above 0 and, with scaling.every_s, at most {KEPT_S:.0f}: "
                    f"signals are kept for so long"
                )
        negative = [name for name in ("lull_s", "pause_s", "calm_min", "wait_max_min") if getattr(self, name) < 0]
        if negative:
            raise ValueError(f"scaling.{negative[0]} must be 0 or more")

    def rules(self) -> scaling.ScalingRules:
        return scaling.ScalingRules(
            thresholds=tuple(scaling.GrowThreshold(one.orders_per_min, one.for_min * 60) for one in self.thresholds),
            backlog_min=self.backlog_min,
            wait_max_s=self.wait_max_min * 60,
            margin_s=self.ship_by_margin_h * 3600,
            pause_s=self.pause_s,
            calm_s=self.calm_min * 60,
            gap_s=max(2 * self.window_s, 3 * self.every_s),
            window_s=self.window_s,
            surge_window_s=self.surge_window_s,
            slack_s=_LATE_BY * self.every_s,
            lull_s=self.lull_s,
        )
