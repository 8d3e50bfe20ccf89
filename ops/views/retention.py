"""What is kept how long, how large it is, and whether the purge keeps up."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.retention import KEEP
from infra.config.retention import Retention
from infra.retention.purge import count_due
from infra.tables.pool import Connection, Database
from infra.tables.retention import RETENTION

# The purge may be a day late, as after a weekend in which nothing ran.
LATE_DAYS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One kind. `days` is 0 for what is kept for ever; `purged`: rows so far."""

    kind: str
    days: int
    purged: int
    purged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Size:
    """A table: bytes with its indexes, rows as Postgres estimates them, and its oldest row's time if it has one."""

    table: str
    bytes: int
    rows: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class RefusedInput:
    """Input beyond a limit: what it was, whose, and how much of it."""

    kind: str
    name: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One look. `late_days`: by how much the purge is behind the policy of persons; 0 when it keeps up."""

    policies: tuple[Policy, ...]
    sizes: tuple[Size, ...]
    tombstones: Mapping[str, int]
    refused_changes: int
    refused_inputs: tuple[RefusedInput, ...]
    late_days: float
    erasures_open: int
    erasures_late: int


def standing(session: Connection, policy: Retention) -> Standing:
    """Look at everything, at a cost that does not grow with the orders."""
    purged = {kind: (rows, at) for kind, rows, at in session.execute(RETENTION["purged"])}
    stones = session.execute(RETENTION["tombstones"]).fetchall()
    erasures = session.execute(RETENTION["open_erasures"]).fetchone() or (0, 0, None)
    return Standing(
        policies=tuple(
            Policy(kind=kind, days=days, purged=rows, purged_at=at)
            for kind, days in policy.days.items()
            for rows, at in [purged.get(kind, (0, None))]
        ),
        sizes=tuple(Size(*row) for row in session.execute(RETENTION["sizes"]).fetchall()),
        tombstones={cause: count for cause, count, _ in stones},
        refused_changes=sum(refused for *_, refused in stones),
        refused_inputs=tuple(RefusedInput(*row) for row in session.execute(RETENTION["refused_inputs"]).fetchall()),
        late_days=_late_days(session, policy),
        erasures_open=erasures[0],
        erasures_late=erasures[1],
    )


def _late_days(session: Connection, policy: Retention) -> float:
    late = 0.0
    if policy.persons_days != KEEP:
        row = session.execute(RETENTION["behind"], {"days": policy.persons_days}).fetchone()
        late = max(late, row[0] if row else 0.0)
    if policy.pages_days != KEEP:
        row = session.execute(RETENTION["oldest_page"]).fetchone()
        late = max(late, row[0] - policy.pages_days if row else 0.0)
    return late if late > LATE_DAYS else 0.0


def purge_preview(db: Database, policy: Retention) -> Counter[str]:
    """What a purge would take, changing nothing. Of events, letters and the like some may have to stay."""
    return Counter({kind: rows for kind, rows in count_due(db, policy).items() if rows})
