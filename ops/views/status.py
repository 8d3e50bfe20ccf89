"""The present state of the instance, for ``orderlane status`` and ``/metrics``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Transient
from infra.accounts.shared_breaker import SharedGates
from infra.config.settings import Settings
from infra.config.worker_settings import WorkerPool
from infra.engine.worker_lock import POOL_NAME, PRESENCE_CLASS
from infra.monitoring.cursor_age import CursorAge, cursor_ages
from infra.monitoring.signals import Signals, read_signals
from infra.process.clock import Clock
from infra.tables import signals as measured
from infra.tables.alarms import Alarm, AlarmCount, count_open, open_alarms
from infra.tables.breaches import load_breaches
from infra.tables.letters import load_causes
from infra.tables.pool import Connection, Database
from infra.tables.take_over import KeptOutCount, count_kept_out
from ops.views.gates import Gate, uncounted_gates
from ops.views.looking import looking

# How many causes of dead letters are listed, the largest first; all others count as one.
CAUSES_MAX = 50
OTHER = "other"
# How many open alarms are listed, the gravest first.
ALARMS_SHOWN = 20
# After this many missed measurements the sweeper counts as not measuring.
MISSED_MAX = 3


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A pool's living processes, and how many there may be."""

    name: str
    processes: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class LetterCount:
    """Open dead letters of one step, adapter and code."""

    step: str
    adapter: str
    code: str
    letters: int


@dataclass(frozen=True, slots=True)
class Status:
    """One look. `gates` is None when Redis, which knows the breakers, is away.

    `breaches`: invariants that the last check found breached, with how many examples. `gaps`: orders that were listed
    and could not be fetched, by shop; `late`: changes that only the second reading of a shop has found, ever.
    `cursors`: how old the cursors of the configured shops are. `alarms`: open ones, the gravest first, and at most
    `ALARMS_SHOWN`; `alarm_counts`: how many are open. `kept_out`: orders that another system ships and its platform
    still waits for, where they were to be counted.
    """

    signals: Signals
    is_measured: bool
    under_way: Mapping[str, int]
    pools: tuple[PoolStatus, ...]
    holds: Mapping[str, int]
    letters: tuple[LetterCount, ...]
    gates: tuple[Gate, ...] | None
    breaches: Mapping[str, int]
    gaps: Mapping[str, int]
    late: Mapping[str, int]
    cursors: Sequence[CursorAge]
    alarms: Sequence[Alarm] = ()
    alarm_counts: Sequence[AlarmCount] = ()
    kept_out: Sequence[KeptOutCount] = ()

    @property
    def oldest_s(self) -> float:
        """How long the oldest due work has waited for a worker."""
        return max((one.oldest_s for one in self.signals.lanes), default=0.0)


def status(
    db: Database, shared: SharedGates, settings: Settings, clock: Clock, *, counts_kept_out: bool = True
) -> Status:
    """Look at everything; a few short queries whose cost does not grow with the backlog.

    `counts_kept_out`: thousands of orders may be looked at for it, which is for a person and not for each scrape.
    """
    scaling = settings.scaling
    with looking(db) as connection:
        signals = read_signals(connection, scaling.window_s)
        under_way = measured.under_way(connection)
        pools = _pools(connection, settings.workers.all_pools())
        holds = measured.held(connection)
        letters = _letters(connection)
        breaches = load_breaches(connection)
        gaps = measured.gaps(connection)
        late = measured.late(connection)
        cursors = cursor_ages(connection, settings.shops)
        alarms = open_alarms(connection, limit=ALARMS_SHOWN)
        alarm_counts = count_open(connection)
        kept_out = count_kept_out(connection) if counts_kept_out else ()
    return Status(
        signals=signals,
        is_measured=signals.age_s is not None and signals.age_s <= MISSED_MAX * scaling.every_s,
        under_way=under_way,
        pools=pools,
        holds=holds,
        letters=letters,
        gates=_gates(db, shared, settings, clock),
        breaches=breaches,
        gaps=gaps,
        late=late,
        cursors=cursors,
        alarms=alarms,
        alarm_counts=alarm_counts,
        kept_out=kept_out,
    )


def _pools(connection: Connection, pools: Sequence[WorkerPool]) -> tuple[PoolStatus, ...]:
    sessions = measured.living_workers(connection, PRESENCE_CLASS)
    living = {name.removeprefix(POOL_NAME): count for name, count in sessions.items()}
    known = [PoolStatus(pool.name, living.pop(pool.name, 0), pool.size.least, pool.size.most) for pool in pools]
    return (*known, *(PoolStatus(name, count, 0, 0) for name, count in sorted(living.items())))


def _letters(connection: Connection) -> tuple[LetterCount, ...]:
    counts: dict[tuple[str, str, str], int] = {}
    for cause in load_causes(connection):
        key = (cause.step, cause.adapter, cause.code)
        if key not in counts and len(counts) >= CAUSES_MAX:
            key = (OTHER, OTHER, OTHER)
        counts[key] = counts.get(key, 0) + cause.letters
    return tuple(LetterCount(*key, letters) for key, letters in counts.items())


def _gates(db: Database, shared: SharedGates, settings: Settings, clock: Clock) -> tuple[Gate, ...] | None:
    try:
        return tuple(uncounted_gates(db, shared, settings, clock))
    except Transient:
        return None
