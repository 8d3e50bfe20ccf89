"""Notices to buyers about packages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from infra.tables.packages import PackageRow, load_rows
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

NOTICES = load("notices")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow(PackageRow):
    notice_id: int
    event: str
    event_id: UUID
    channel: str
    occurred_at: datetime
    status: str
    courier: str
    waybill: str


@dataclass(frozen=True, slots=True)
class ContactRow:
    """How the receiver of a notice's package can be reached. Personal data: not for longer than one call."""

    notice_id: int
    phone: str = field(repr=False)
    pii: str
    merge_token: str = field(repr=False)


class NewNotice(NamedTuple):
    """A notice to the buyer over one channel. `occurred_at`: the time of the event, as its source gives it."""

    package_id: int
    event: str
    channel: str
    occurred_at: str | None


class WantedNotice(NamedTuple):
    """A notice that is new."""

    id: int
    package_id: int
    channel: str


class EndedNotice(NamedTuple):
    """How a notice ended. `reason`: a code, if it was not sent."""

    notice_id: int
    status: str
    reason: str | None


def want_notices(tx: Connection, notices: Sequence[NewNotice]) -> list[WantedNotice]:
    """Store notices to send; returns the new ones. No statement for none."""
    if not notices:
        return []
    rows = rows_json(one._asdict() for one in notices)
    return [WantedNotice(*row) for row in tx.execute(NOTICES["want_notices"], {"rows": rows})]


def load_notices(tx: Connection, notice_ids: Sequence[int]) -> list[NoticeRow]:
    """Notices of packages with a waybill, by id; locked."""
    return load_rows(tx, NOTICES["load_notices"], notice_ids, NoticeRow)


def load_contacts(tx: Connection, notice_ids: Sequence[int]) -> dict[int, ContactRow]:
    """By notice id. Personal data; without a lock."""
    return {row.notice_id: row for row in load_rows(tx, NOTICES["load_contacts"], notice_ids, ContactRow)}


def begin_notices(tx: Connection, notice_ids: Sequence[int]) -> None:
    """Calls about these notices begin. No statement for none."""
    if notice_ids:
        tx.execute(NOTICES["begin_notices"], {"ids": list(notice_ids)})


def end_notices(tx: Connection, ended: Iterable[EndedNotice]) -> None:
    """Store how notices ended."""
    rows = rows_json({"id": one.notice_id, "status": one.status, "reason": one.reason} for one in ended)
    tx.execute(NOTICES["end_notices"], {"rows": rows})
