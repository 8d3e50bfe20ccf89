"""Lists of orders, and what each of them waits for: codes and facts, without personal data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Conflict, Refused
from domain.money import Money
from domain.states import FINAL_STATES, RANK, State
from domain.tracking import COMPLETED_AFTER
from infra.tables.order_list import (
    LOOKED_MAX,
    ListedOrder,
    OrderFilter,
    choose_orders,
    find_by_names,
    load_listed,
    parts_of,
)
from infra.tables.pool import Database
from ops.views.looking import looking


class WaitsFor(StrEnum):
    """What would move an order.

    CASE: an open case of it, which a person closes. COMPLETION: time, as it was delivered. AFTER_SALE: its parcel will
    not be delivered, its cases are closed, and nothing here moves it: what the buyer gets is settled outside.
    """

    PERSON = "person"
    CASE = "case"
    STEP = "step"
    GATE = "gate"
    PAYMENT = "payment"
    WAREHOUSE = "warehouse"
    COURIER = "courier"
    COMPLETION = "completion"
    AFTER_SALE = "after_sale"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFor:
    """`owner`: who must act, and on which `codes` of holds, dead letters or cases. `step`: due since or at `due_at`,
    where an order without a step is completed.
    """

    kind: WaitsFor
    owner: str | None = None
    codes: tuple[str, ...] = ()
    letter_id: int | None = None
    step: str | None = None
    due_at: datetime | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummary:
    """An order as a line of a list; `age_s`: seconds since it came in, at `seen_at`, the database's time."""

    id: int
    name: str
    state: str
    lane: str
    parts: int
    worth: Money
    received_at: datetime
    age_s: int
    ship_by: datetime | None
    seen_at: datetime
    waits: WaitingFor


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """`more_after`: the order id after which the next page begins; None: this was the last one.

    `is_cut`: the page ended because it had looked at as many orders as a page may, not because it is full.
    """

    orders: tuple[OrderSummary, ...]
    more_after: int | None
    is_cut: bool = False


def list_orders(
    db: Database,
    wanted: OrderFilter,
    *,
    after: int | None = None,
    limit: int,
    oldest_first: bool = False,
    looked_max: int = LOOKED_MAX,
) -> OrderPage:
    """A page of the orders of a filter, the newest or the oldest first. It looks at `looked_max` orders at most."""
    with looking(db) as tx:
        chosen = choose_orders(tx, wanted, after=after, limit=limit, oldest_first=oldest_first, looked_max=looked_max)
        lines = tuple(_line(one) for one in load_listed(tx, chosen.ids)) if chosen.ids else ()
    return OrderPage(orders=lines, more_after=chosen.after, is_cut=chosen.is_cut)


def find_orders(
    db: Database, text: str, *, after: int | None = None, limit: int, looked_max: int = LOOKED_MAX
) -> OrderPage:
    """The orders that a text may mean: an id of any kind, a waybill, a reference, or else a SKU.

    With a SKU it is a page of the newest orders of it.
    """
    wanted = text.strip()
    if not wanted:
        raise Refused("filter_malformed", facts={"field": "text"})
    with looking(db) as tx:
        [ids] = find_by_names(tx, [wanted])
    if ids:
        return orders_by_id(db, ids)
    return list_orders(db, OrderFilter(sku=wanted), after=after, limit=limit, looked_max=looked_max)


def orders_by_id(db: Database, order_ids: Sequence[int]) -> OrderPage:
    """These orders, the newest first; unknown ids are left out."""
    with looking(db) as tx:
        lines = tuple(_line(one) for one in load_listed(tx, parts_of(tx, order_ids)))
    return OrderPage(orders=lines, more_after=None)


def resolve(db: Database, names: Sequence[str]) -> list[int | Refused | Conflict]:
    """The order that each name means, or why it means none: Refused ``order_unknown``, Conflict ``order_ambiguous``."""
    with looking(db) as tx:
        found = find_by_names(tx, [name.strip() for name in names])
    return [_one_of(name, ids) for name, ids in zip(names, found, strict=True)]


def _one_of(name: str, ids: Sequence[int]) -> int | Refused | Conflict:
    if not ids:
        return Refused("order_unknown", facts={"id": name})
    if len(ids) > 1:
        return Conflict("order_ambiguous", facts={"id": name, "orders": ", ".join(map(str, ids))})
    return ids[0]


def _line(one: ListedOrder) -> OrderSummary:
    return OrderSummary(
        id=one.id,
        name=one.name,
        state=one.state,
        lane=one.lane,
        parts=one.parts,
        worth=one.worth,
        received_at=one.received_at,
        age_s=max(0, int((one.seen_at - one.received_at).total_seconds())),
        ship_by=one.ship_by,
        seen_at=one.seen_at,
        waits=waiting(one),
    )


def waiting(one: ListedOrder) -> WaitingFor:
    """What would move an order: a person before a step, a step before the warehouse, a case or the courier."""
    if one.holds:
        return WaitingFor(kind=WaitsFor.PERSON, owner=one.hold_owner, codes=tuple(one.holds), letter_id=one.letter_id)
    if one.letter_id is not None:
        codes = (one.letter_code,) if one.letter_code else ()
        return WaitingFor(kind=WaitsFor.PERSON, owner=one.letter_owner, codes=codes, letter_id=one.letter_id)
    if one.step is not None and one.state not in FINAL_STATES:
        kind = WaitsFor.STEP if one.gate is None else WaitsFor.GATE
        return WaitingFor(kind=kind, step=one.step, due_at=one.due_at, gate=one.gate)
    return _outside(one)


def _outside(one: ListedOrder) -> WaitingFor:
    """What an order waits for that is no step's here."""
    state = State(one.state)
    if state in FINAL_STATES:
        return WaitingFor(kind=WaitsFor.NOTHING)
    if state is State.PENDING_PAYMENT:
        return WaitingFor(kind=WaitsFor.PAYMENT)
    if one.case_kinds:
        return WaitingFor(kind=WaitsFor.CASE, owner=one.case_owner, codes=tuple(one.case_kinds))
    if one.has_left or RANK[state] >= RANK[State.IN_TRANSIT]:
        return _after_it_left(one, state)
    return WaitingFor(kind=WaitsFor.WAREHOUSE if one.is_booked else WaitsFor.UNKNOWN)


def _after_it_left(one: ListedOrder, state: State) -> WaitingFor:
    if state is State.DELIVERED and one.delivered_at is not None:
        return WaitingFor(kind=WaitsFor.COMPLETION, due_at=one.delivered_at + COMPLETED_AFTER)
    is_undelivered = one.had_trouble and not one.is_followed
    return WaitingFor(kind=WaitsFor.AFTER_SALE if state is State.AFTER_SALE or is_undelivered else WaitsFor.COURIER)
