"""The open alarms, for people and scripts."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.alarms import AlarmKind
from infra.tables.alarms import Alarm, count_open, open_alarms
from infra.tables.pool import Database
from ops.views.looking import looking


@dataclass(frozen=True, slots=True)
class OpenAlarms:
    """Open alarms, the gravest first and among these the oldest. `total` counts alarms that are not listed too."""

    alarms: Sequence[Alarm]
    total: int


def list_alarms(db: Database, kind: AlarmKind | None = None) -> OpenAlarms:
    """Open alarms of one kind, or all."""
    with looking(db) as tx:
        counts = count_open(tx)
        found = open_alarms(tx, kind)
    return OpenAlarms(found, sum(one.alarms for one in counts if kind is None or one.kind == kind))
