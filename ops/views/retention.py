"""What is kept how long, how large it is, and whether the purge keeps up."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.retention import KEEP
from infra.config.retention import Retention
from infra.retention.purge import count_due
from infra.tables import retention
from infra.tables.pool import Connection, Database

# The purge may be a day late, as after a weekend in which nothing ran.
LATE_DAYS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """One kind. `days` is 0 for what is kept for ever; `purged`: rows so far."""

    kind: str
    days: int
    purged: int
    purged_at: datetime | None


@dataclass(frozen=True, slots=True)
class TableSizeView:
    """A table: bytes with its indexes, rows as Postgres estimates them, and its oldest row's time if it has one."""

    table: str
    bytes: int
    rows: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedInputView:
    """Input beyond a limit: what it was, whose, and how much of it."""

    kind: str
    name: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionState:
    """One look. `late_days`: by how much the purge is behind the policy of persons; 0 when it keeps up."""

    policies: tuple[PolicyView, ...]
    sizes: tuple[TableSizeView, ...]
    tombstones: Mapping[str, int]
    refused_changes: int
    refused_inputs: tuple[RefusedInputView, ...]
    late_days: float
    erasures_open: int
    erasures_late: int


def retention_state(session: Connection, policy: Retention) -> RetentionState:
    """Look at everything, at a cost that does not grow with the orders."""
    purged = retention.purged(session)
    stones = retention.tombstones(session)
    erasures = retention.open_erasures(session)
    return RetentionState(
        policies=tuple(
            PolicyView(kind=kind, days=days, purged=rows, purged_at=at)
            for kind, days in policy.days.items()
            for rows, at in [purged.get(kind, (0, None))]
        ),
        sizes=tuple(TableSizeView(*row) for row in retention.sizes(session)),
        tombstones={cause: count for cause, count, _ in stones},
        refused_changes=sum(refused for *_, refused in stones),
        refused_inputs=tuple(RefusedInputView(*row) for row in retention.refused_inputs(session)),
        late_days=_late_days(session, policy),
        erasures_open=erasures.are_open,
        erasures_late=erasures.are_late,
    )


def _late_days(session: Connection, policy: Retention) -> float:
    late = 0.0
    if policy.persons_days != KEEP:
        late = max(late, retention.days_behind(session, policy.persons_days))
    if policy.pages_days != KEEP:
        oldest_days = retention.oldest_page_days(session)
        late = max(late, 0.0 if oldest_days is None else oldest_days - policy.pages_days)
    return late if late > LATE_DAYS else 0.0


def purge_preview(db: Database, policy: Retention) -> Counter[str]:
    """What a purge would take, changing nothing. Of events, letters and the like some may have to stay."""
    return Counter({kind: rows for kind, rows in count_due(db, policy).items() if rows})
