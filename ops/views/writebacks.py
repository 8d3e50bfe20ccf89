"""Write-backs that did not come through."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from infra.tables.pool import Database
from infra.tables.sql import load
from ops.views.looking import looking

RECONCILE = load("reconcile")

# Pending for longer is too long: the engine's own tries are over within minutes while the platform is well.
LATE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which write-backs. None asks nothing; `cause` is a code or a dead letter's fingerprint; `any_open` takes
    healthy ones too.
    """

    order_id: int | None = None
    package_id: int | None = None
    shop: str | None = None
    platform: str | None = None
    since: datetime | None = None
    cause: str | None = None
    any_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWriteBack:
    """A package whose platform has not confirmed its waybill. `holds` are those that the write-back opened."""

    package_id: int
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    lane: str
    waybill: str
    shipped_at: datetime
    status: str
    letter_id: int | None
    holds: list[str]
    cause: str | None

    @property
    def account(self) -> str:
        return f"{self.platform}/{self.shop}"

    @property
    def order(self) -> str:
        return f"{self.account}/{self.platform_order_id}"


def open_writebacks(db: Database, wanted: Selection) -> list[OpenWriteBack]:
    """The write-backs of a selection, the oldest first."""
    named = {name: getattr(wanted, name) for name in wanted.__slots__}
    with looking(db) as tx, tx.cursor(row_factory=class_row(OpenWriteBack)) as cursor:
        return cursor.execute(RECONCILE["open_writebacks"], {**named, "late_s": LATE_S}).fetchall()
