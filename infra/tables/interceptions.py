"""The interception of parcels in Postgres: wanted, asked, taken, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from domain.stops import InterceptStatus
from infra.tables.packages import PackageRow, load_rows
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

INTERCEPTIONS = load("interceptions")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterceptRow(PackageRow):
    """A package with a waybill whose interception is wanted. `account`: the courier's.

    `is_unclear`: a call may be under way for `busy_s` more seconds, or may have been taken. `since`: when its clock
    began. `seen_at`: the database's time.
    """

    account: str
    location: str
    courier: str
    reference: str
    waybill: str
    has_left: bool
    is_collected: bool
    delivered_at: datetime | None
    status: str
    is_unclear: bool
    busy_s: float
    asked_at: datetime | None
    since: datetime
    seen_at: datetime


class CallEnd(StrEnum):
    """How a call ended: its effect is known, it is not, or the call was never made."""

    CLEAR = "clear"
    UNCLEAR = "unclear"
    NOT_MADE = "not_made"


class InterceptNote(NamedTuple):
    """What is known of an interception now. `code`: why. `asked_at`: of the call before a call that was not made."""

    package_id: int
    status: InterceptStatus
    code: str
    call: CallEnd = CallEnd.CLEAR
    asked_at: datetime | None = None


def want_intercepts(tx: Connection, package_ids: Sequence[int]) -> None:
    """The parcels should come back. No statement for none."""
    if package_ids:
        tx.execute(INTERCEPTIONS["want"], {"ids": list(package_ids)})


def unwant_intercepts(tx: Connection, package_ids: Sequence[int]) -> None:
    """Nobody wants these interceptions any more; one that a courier was asked for stays. No statement for none."""
    if package_ids:
        tx.execute(INTERCEPTIONS["unwant"], {"ids": list(package_ids)})


def load_intercepts(tx: Connection, package_ids: Sequence[int]) -> list[InterceptRow]:
    """Those of some packages whose interception is wanted; their fulfillment orders are locked."""
    return load_rows(tx, INTERCEPTIONS["load"], package_ids, InterceptRow)


def with_stop(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Of locked fulfillment orders, those that somebody asks to stop. No statement for none."""
    if not fulfillment_order_ids:
        return set()
    return {row[0] for row in tx.execute(INTERCEPTIONS["with_stop"], {"ids": list(fulfillment_order_ids)})}


def intend_intercepts(tx: Connection, package_ids: Sequence[int], unclear_s: float) -> None:
    """Make intents durable before a courier hears of them. No statement for none."""
    if package_ids:
        tx.execute(INTERCEPTIONS["intend"], {"ids": list(package_ids), "unclear_s": unclear_s})


def note_intercepts(tx: Connection, notes: Sequence[InterceptNote]) -> None:
    """Store what is known of interceptions that have not ended. No statement for none."""
    if notes:
        rows = rows_json({**one._asdict(), "asked_at": one.asked_at and one.asked_at.isoformat()} for one in notes)
        tx.execute(INTERCEPTIONS["note"], {"rows": rows})


def note_received(tx: Connection, package_ids: Sequence[int]) -> None:
    """The parcels were counted at a location of ours. No statement for none."""
    if package_ids:
        tx.execute(INTERCEPTIONS["receive"], {"ids": list(package_ids)})


def hasten_intercepts(tx: Connection, package_ids: Sequence[int]) -> None:
    """Let the interceptions of these parcels be looked at now. No statement for none."""
    if package_ids:
        tx.execute(INTERCEPTIONS["hasten"], {"ids": list(package_ids)})
