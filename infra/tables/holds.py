"""Holds of fulfillment orders: reason, owner, release, and waivers of persons."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg.rows import class_row, dict_row

from domain.errors import Refused
from domain.holds import HoldCode
from domain.money import Money
from domain.waivers import Waiver, read_named
from infra.tables.audit import AuditSignature
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

HOLDS = load("holds")


class NewHold(NamedTuple):
    """A hold to open. `due_h`: hours until its owner should have settled it. `facts`: no personal data."""

    fulfillment_order_id: int
    code: str
    step: str
    owner: str
    due_h: int
    facts: Row


class KeptWaiver(NamedTuple):
    """A waiver that also counts for a newer content."""

    hold_id: int
    payload_id: int


class Release(NamedTuple):
    """How a hold was released."""

    by: str
    at: datetime


def add_holds(tx: Connection, holds: Iterable[Row]) -> None:
    """Open holds; a hold of the same code that is open already stays as it is."""
    tx.execute(HOLDS["open_holds"], {"rows": rows_json(holds)})


def open_holds(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """(code, step) of the open holds of each fulfillment order."""
    found: dict[int, list[tuple[str, str]]] = {}
    for fulfillment_order_id, code, step in tx.execute(HOLDS["open_holds_of"], {"ids": list(fulfillment_order_ids)}):
        found.setdefault(fulfillment_order_id, []).append((code, step))
    return found


def release_holds(tx: Connection, holds: Iterable[tuple[int, str]], by: str) -> None:
    """Release open holds by (fulfillment order, code), as a machine: nothing is waived. No statement for none."""
    rows = [{"fulfillment_order_id": id_, "code": code} for id_, code in holds]
    if rows:
        tx.execute(HOLDS["release_holds"], {"rows": rows_json(rows), "by": by})


def release_all_holds(
    tx: Connection, fulfillment_order_ids: Sequence[int], by: str, *, kept_out: Collection[int] = ()
) -> None:
    """Release every open hold of these fulfillment orders.

    `kept_out`: those of them that may be begun later, so that what a person holds stays held.
    """
    if fulfillment_order_ids:
        named = {"ids": list(fulfillment_order_ids), "by": by, "kept_out": sorted(kept_out)}
        tx.execute(HOLDS["release_all_holds"], named)


def release_blocks(tx: Connection, fulfillment_order_ids: Sequence[int], author: AuditSignature) -> None:
    """Release the `dead_letter` holds of fulfillment orders that have no open letter any more."""
    named = {"by": author.who, "role": author.role, "reason": author.reason}
    tx.execute(HOLDS["release_blocks"], {"ids": list(fulfillment_order_ids), **named})


def load_waivers(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, tuple[Waiver, ...]]:
    """What people let pass of the content that an order has now, by fulfillment order."""
    found: dict[int, tuple[Waiver, ...]] = {}
    for id_, hold_id, code, facts in tx.execute(HOLDS["waived"], {"ids": list(fulfillment_order_ids)}):
        found[id_] = (*found.get(id_, ()), Waiver(hold_id, HoldCode(code), read_named(facts)))
    return found


def keep_waivers(tx: Connection, kept: Sequence[KeptWaiver]) -> None:
    """Make waivers count for the newer content of their order. No statement for none."""
    if kept:
        rows = rows_json({"id": one.hold_id, "raw_payload_id": one.payload_id} for one in kept)
        tx.execute(HOLDS["keep_waivers"], {"rows": rows})


class ReleasedHold(NamedTuple):
    """What a released hold had: the step that opened it, and the code of its cause in the facts."""

    step: str
    cause: str | None


def release_hold(
    tx: Connection, fulfillment_order_id: int, code: str, author: AuditSignature, *, is_waived: bool
) -> ReleasedHold | None:
    """Release one hold; None where it is not open. `is_waived`: the order's content now is let pass."""
    signature = {"by": author.who, "role": author.role, "reason": author.reason}
    named = {"id": fulfillment_order_id, "code": code, **signature, "is_waived": is_waived}
    row = tx.execute(HOLDS["release_hold"], named).fetchone()
    return None if row is None else ReleasedHold(*row)


def fulfillment_with_hold(tx: Connection, order_id: int, code: str) -> list[int]:
    """Fulfillment orders of an order on which this hold is open, by id."""
    return [row[0] for row in tx.execute(HOLDS["fulfillment_with_hold"], {"order_id": order_id, "code": code})]


def last_release(tx: Connection, order_id: int, code: str) -> Release | None:
    """Who released such a hold of an order last; None: nobody did."""
    row = tx.execute(HOLDS["last_release"], {"order_id": order_id, "code": code}).fetchone()
    return None if row is None else Release(*row)


def expired_holds(connection: Connection) -> list[tuple[str, int]]:
    """(owner, count) of the open holds past their due time."""
    return connection.execute(HOLDS["expired_holds"]).fetchall()


class LivingWaybill(NamedTuple):
    """A waybill that lives although its order is closed, or goes on under another waybill."""

    order_name: str
    courier: str
    waybill: str


def unwanted_waybills(connection: Connection, limit: int) -> list[LivingWaybill]:
    """Waybills that live although nobody wants them, the oldest first: those of closed orders come first."""
    return [LivingWaybill(*row) for row in connection.execute(HOLDS["unwanted_waybills"], {"limit": limit})]


def label_holds(tx: Connection, fulfillment_order_id: int) -> list[str]:
    """Codes of the open holds of a fulfillment order that a failed label has opened."""
    rows = tx.execute(HOLDS["label_holds"], {"fulfillment_order_id": fulfillment_order_id})
    return [row[0] for row in rows]


class EndedWait(NamedTuple):
    """A fulfillment order whose work no longer waits on an account."""

    fulfillment_order_id: int
    order_id: int
    lane: str
    state: str
    step: str


class WaitsEnded(NamedTuple):
    """Fulfillment orders of which a wait is over. `after`: the last hold that was looked at; None: no more are left."""

    ids: list[int]
    after: int | None


def waits_ended(
    tx: Connection, accounts: Sequence[str] = (), *, by_pause: bool = False, after: int = 0, size: int
) -> WaitsEnded:
    """Whose wait is over, for accounts that are not among these, or for a pause; of the `size` waits behind a hold."""
    named = {"accounts": list(accounts), "by_pause": by_pause, "after": after, "size": size}
    [(last, count, ids)] = tx.execute(HOLDS["waits_ended"], named)
    return WaitsEnded(ids, last if count == size else None)


def release_resumed(tx: Connection, ids: Sequence[int]) -> list[EndedWait]:
    """Release the `waiting_on_account` holds that name a pause which is over, of fulfillment orders that are locked."""
    return [EndedWait(*row) for row in tx.execute(HOLDS["release_resumed"], {"ids": list(ids)}).fetchall()]


def release_waiting(tx: Connection, ids: Sequence[int], accounts: Sequence[str]) -> list[EndedWait]:
    """Release `waiting_on_account` holds of fulfillment orders whose work waits on none of these accounts any more."""
    named = {"ids": list(ids), "accounts": list(accounts)}
    return [EndedWait(*row) for row in tx.execute(HOLDS["release_waiting"], named).fetchall()]


def holds_of_subjects(tx: Connection, step: str, code: str, packages: Sequence[tuple[str, int]]) -> list[int]:
    """Fulfillment orders that a step holds for an error which (account, package) pairs blame on their account."""
    if not packages:
        return []
    named = {"accounts": [account for account, _ in packages], "package_ids": [id_ for _, id_ in packages]}
    found = tx.execute(HOLDS["holds_of_subjects"], {**named, "step": step, "code": code})
    return [row[0] for row in found]


class ShippedOrder(NamedTuple):
    """An order that is held because its platform shows it as shipped. `shown`: the waybills that it shows.

    `is_part`: some of its pieces are still wanted of us.
    """

    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    shown: list[str]
    is_part: bool


def shipped_without_package(connection: Connection, since: datetime) -> list[ShippedOrder]:
    """Orders that came in since then, are held as shipped, and have no package of ours."""
    return [ShippedOrder(*row) for row in connection.execute(HOLDS["lost_orders"], {"since": since})]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilter:
    """A filter of open holds; None: any value.

    `shop`: a shop's name, or its account. `is_snoozed`: only those that are snoozed now, or only those that are not.
    Raises Refused ``filter_malformed`` for an empty text: a shell variable that was not set must not choose holds.
    """

    code: str | None = None
    owner: str | None = None
    shop: str | None = None
    opened_before: datetime | None = None
    due_before: datetime | None = None
    is_snoozed: bool | None = None

    def __post_init__(self) -> None:
        for name in ("code", "owner", "shop"):
            if getattr(self, name) == "":
                raise Refused("filter_malformed", f"the {name} asked for is empty", {"field": name})

    @property
    def is_empty(self) -> bool:
        return self == HoldFilter(is_snoozed=self.is_snoozed)

    def asked(self) -> dict[str, Any]:
        """What is asked, by name."""
        return {name: value for name, value in self.named().items() if value is not None}

    def named(self) -> dict[str, Any]:
        """The values for the statement, by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """An open hold as a line of a list. `part`: the number of its fulfillment order; `worth`: of the whole order.

    `seen_at` is the database's time: what is overdue was overdue then.
    """

    id: int
    code: str
    step: str
    owner: str
    opened_at: datetime
    due_at: datetime
    snoozed_until: datetime | None
    facts: dict[str, Any]
    order_id: int
    order_name: str
    part: int
    state: str
    worth: Money
    ship_by: datetime | None
    seen_at: datetime

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > self.seen_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedHold:
    """An open hold whose row this transaction holds, and where its order stands."""

    id: int
    code: str
    owner: str
    due_at: datetime
    snoozed_until: datetime | None
    fulfillment_order_id: int
    order_id: int
    state: str
    lane: str


@dataclass(frozen=True, slots=True)
class EndedHold:
    """A hold that is over: who released it, and when."""

    id: int
    released_by: str
    released_at: datetime


def open_by_person(
    tx: Connection,
    fulfillment_order_ids: Sequence[int],
    *,
    code: str,
    owner: str,
    due_h: int,
    due_at: datetime | None,
    facts: dict[str, str],
) -> dict[int, datetime]:
    """Open a hold on each; its due time by fulfillment order. Fulfillment orders with an open hold of the code are left
    out.

    Without `due_at` it is due in `due_h` hours, by the database's clock. The caller holds the fulfillment orders.
    """
    named = {
        "ids": list(fulfillment_order_ids),
        "code": code,
        "owner": owner,
        "due_h": due_h,
        "due_at": due_at,
        "facts": msgspec.json.encode(facts).decode(),
    }
    return dict(tx.execute(HOLDS["open_by_person"], named).fetchall())


def list_holds(tx: Connection, wanted: HoldFilter, *, after: int = 0, limit: int) -> list[OpenHold]:
    """A page of open holds, the first due first. `after`: the id of the last hold of the page before."""
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(HOLDS["list"], {**wanted.named(), "after": after, "limit": limit})
        return [OpenHold(worth=Money(row.pop("payable_minor"), row.pop("currency")), **row) for row in rows]


def lock_holds(tx: Connection, hold_ids: Sequence[int]) -> list[LockedHold]:
    """Lock those of the holds that are open, in id order."""
    names = tuple(LockedHold.__slots__)
    return [
        LockedHold(**dict(zip(names, row, strict=True)))
        for row in tx.execute(HOLDS["lock"], {"ids": list(hold_ids)}).fetchall()
    ]


def assign_holds(tx: Connection, hold_ids: Sequence[int], owner: str, due_at: datetime | None) -> None:
    """Give locked holds another owner, and another due time unless that is None."""
    tx.execute(HOLDS["assign"], {"ids": list(hold_ids), "owner": owner, "due_at": due_at})


def snooze_holds(tx: Connection, hold_ids: Sequence[int], until: datetime | None) -> None:
    """Remind nobody of locked holds before `until`; None ends a snooze."""
    tx.execute(HOLDS["snooze"], {"ids": list(hold_ids), "until": until})


def ended_holds(tx: Connection, hold_ids: Sequence[int]) -> dict[int, EndedHold]:
    """Who released which of the holds. Open holds, and numbers without a hold, are left out."""
    with tx.cursor(row_factory=class_row(EndedHold)) as cursor:
        return {one.id: one for one in cursor.execute(HOLDS["ends"], {"ids": list(hold_ids)})}
