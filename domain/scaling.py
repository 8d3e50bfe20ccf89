"""When a pool of worker processes grows and shrinks: pure rules over signals.

A pool grows by one process when orders have come in faster than a threshold for some minutes on end, once
for each such episode; and by one at a time while work waits so long that a ship-by clock is in danger. It
shrinks by one after a calm spell. Calm begins well below every limit, so that a rate which wavers around one
of them does not start and stop processes. A pool without a process gets one for whatever is due, and its last
one leaves only after a calm spell in which nothing was, nothing was under way and nothing came in.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class GrowThreshold:
    """More than `per_min` orders a minute, for `for_s` seconds on end."""

    per_min: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingRules:
    """The settings of the decision; times in seconds.

    A backlog of `backlog_min` or more counts as waiting work: less is taken up in one batch anyway, where there is
    a process to take it. It may wait for `wait_max_s`, and must be through `margin_s` before its ship-by; two steps
    up for that lie `pause_s` apart. Calm is `calm_share` of every limit, and `calm_s` of it take one process away. A
    gap of more than `gap_s` between two readings starts all counts anew: nobody knows what was in between.

    What a threshold is held against is counted over `surge_window_s`; other rates over `window_s`. As readings lie
    apart, a time above a threshold may look up to `slack_s` too short. Shops that are polled bring their orders in
    lumps, so a lull of up to `lull_s` ends no such time; but its mean must be above the threshold too.
    """

    thresholds: tuple[GrowThreshold, ...] = (GrowThreshold(500, 60), GrowThreshold(100, 300))
    backlog_min: int = 50
    wait_max_s: float = 600.0
    margin_s: float = 7200.0
    pause_s: float = 60.0
    calm_s: float = 600.0
    calm_share: float = 0.5
    gap_s: float = 120.0
    window_s: float = 60.0
    surge_window_s: float = 0.0
    slack_s: float = 0.0
    lull_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolSize:
    """Between how many processes a pool may have."""

    least: int
    most: int

    def clamp(self, processes: int) -> int:
        return max(self.least, min(self.most, processes))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReading:
    """The state of one group of steps in the lanes of a pool. Rates are orders a minute.

    `depth`: pieces of work that are due; `under_way`: that a worker has begun. `oldest_s`: how long the first has
    been due. `ship_by_s`: until the earliest ship-by among the first of each account, negative when it has passed,
    None where there is none.
    """

    depth: int
    oldest_s: float
    ship_by_s: float | None
    inflow_per_min: float
    drain_per_min: float
    under_way: int = 0

    @property
    def is_idle(self) -> bool:
        return self.depth == 0 and self.under_way == 0 and self.inflow_per_min == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a pool's signals were at a moment, in seconds of any steady clock.

    `inflow_per_min`: orders that came into the pool; `recent_per_min`: those of the last few seconds alone.
    """

    at: float
    inflow_per_min: float
    recent_per_min: float
    groups: tuple[GroupReading, ...]


def wait_s(rules: ScalingRules, group: GroupReading) -> float:
    """The expected wait of work that falls due now: the age of the oldest work, or the time to drain the backlog if
    that is longer.

    A backlog younger than the window is ignored, because most of the drain was counted before that backlog existed.
    """
    if group.drain_per_min <= 0 or group.oldest_s < rules.window_s:
        return group.oldest_s
    return max(group.oldest_s, group.depth / group.drain_per_min * 60)


class GrowReason(StrEnum):
    """Why a pool should grow."""

    INFLOW = "inflow"
    WAIT = "wait"
    SHIP_BY = "ship_by"


@dataclass(frozen=True, slots=True)
class ThresholdWatch:
    """The count of one threshold: since when the inflow has been over it, and whether this episode was reported.

    `over_at`: the last reading that was over it. `excess`: orders beyond it since then, less what lulls lack.
    """

    over_since: float | None = None
    over_at: float = 0.0
    excess: float = 0.0
    is_reported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """What the rules remember of a pool; `watches` has one entry for each threshold."""

    processes: int
    watches: tuple[ThresholdWatch, ...]
    calm_since: float | None = None
    reported_at: float | None = None
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """A pool's next standing. `signals` are the reasons to grow that this reading gave, at the maximum too."""

    state: PoolState
    signals: tuple[GrowReason, ...] = ()


def at_start(rules: ScalingRules, processes: int) -> PoolState:
    """The standing of a pool before its first reading."""
    return PoolState(processes=processes, watches=tuple(ThresholdWatch() for _ in rules.thresholds))


def decide(rules: ScalingRules, size: PoolSize, pool_state: PoolState, reading: Reading) -> ScalingDecision:
    """What a reading leads to: at most one process more, or one less."""
    known = pool_state
    if pool_state.read_at is not None and reading.at - pool_state.read_at > rules.gap_s:
        watches = tuple(ThresholdWatch(is_reported=watch.is_reported) for watch in pool_state.watches)
        known = replace(pool_state, watches=watches, calm_since=None)
    watches = tuple(
        _watched(rules, threshold, _counted(threshold, watch, known, reading), reading)
        for threshold, watch in zip(rules.thresholds, known.watches, strict=True)
    )
    signals = _signals(rules, known, watches, reading)
    calm_since = _calm_since(rules, known, reading)
    processes, reported_at = known.processes, known.reported_at
    if signals:
        processes, reported_at = processes + 1, reading.at
    elif calm_since is not None and reading.at - calm_since >= rules.calm_s and processes > size.least:
        processes, calm_since = processes - 1, reading.at
    return ScalingDecision(
        PoolState(
            processes=size.clamp(processes),
            watches=watches,
            calm_since=calm_since,
            reported_at=reported_at,
            read_at=reading.at,
        ),
        signals,
    )


def _counted(threshold: GrowThreshold, watch: ThresholdWatch, known: PoolState, reading: Reading) -> ThresholdWatch:
    """A watch with what came since the reading before."""
    if watch.over_since is None or known.read_at is None:
        return watch
    minutes = (reading.at - known.read_at) / 60
    return replace(watch, excess=watch.excess + (reading.recent_per_min - threshold.per_min) * minutes)


def _watched(rules: ScalingRules, threshold: GrowThreshold, watch: ThresholdWatch, reading: Reading) -> ThresholdWatch:
    """A reported episode ends only in a calm spell: short dips do not start another episode."""
    if reading.recent_per_min <= threshold.per_min:
        if watch.over_since is not None and reading.at - watch.over_at <= rules.lull_s:
            return watch
        return ThresholdWatch(
            is_reported=watch.is_reported and reading.inflow_per_min > threshold.per_min * rules.calm_share
        )
    since = reading.at if watch.over_since is None else watch.over_since
    lasted_s = reading.at - since + rules.surge_window_s
    is_due = lasted_s >= threshold.for_s - rules.slack_s and watch.excess >= 0
    return ThresholdWatch(since, reading.at, watch.excess, watch.is_reported or is_due)


def _signals(
    rules: ScalingRules, known: PoolState, watches: tuple[ThresholdWatch, ...], reading: Reading
) -> tuple[GrowReason, ...]:
    is_new = any(now.is_reported and not was.is_reported for was, now in zip(known.watches, watches, strict=True))
    found = [GrowReason.INFLOW] if is_new else []
    if known.reported_at is None or reading.at - known.reported_at >= rules.pause_s:
        found += _waits(rules, known, reading)
    return tuple(found)


def _waits(rules: ScalingRules, known: PoolState, reading: Reading) -> list[GrowReason]:
    """Each group is judged separately: the wait of one group does not endanger the ship-by time of another."""
    has_nobody = known.processes == 0 and any(group.depth > 0 for group in reading.groups)
    backlogs = [group for group in reading.groups if group.depth >= rules.backlog_min]
    found = []
    if has_nobody or any(wait_s(rules, group) > rules.wait_max_s for group in backlogs):
        found.append(GrowReason.WAIT)
    if any(
        group.ship_by_s is not None and group.ship_by_s - wait_s(rules, group) < rules.margin_s for group in backlogs
    ):
        found.append(GrowReason.SHIP_BY)
    return found


def _calm_since(rules: ScalingRules, known: PoolState, reading: Reading) -> float | None:
    lowest = min((threshold.per_min for threshold in rules.thresholds), default=float("inf"))
    is_calm = (
        all(_is_calm(rules, group, lowest * rules.calm_share) for group in reading.groups)
        and not _waits(rules, known, reading)
        and (known.processes > 1 or all(group.is_idle for group in reading.groups))
    )
    if not is_calm:
        return None
    return reading.at if known.calm_since is None else known.calm_since


def _is_calm(rules: ScalingRules, group: GroupReading, inflow_max: float) -> bool:
    is_short = group.depth < rules.backlog_min or wait_s(rules, group) <= rules.wait_max_s * rules.calm_share
    return is_short and group.inflow_per_min <= inflow_max
