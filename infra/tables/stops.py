"""Stops in Postgres: requests to keep fulfillment orders from leaving, and where their goods are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from domain.dispatch import PlacementStatus
from domain.states import State
from domain.stops import (
    InterceptStatus,
    ParcelFacts,
    RecallStatus,
    StopAsker,
    StopCode,
    StopFacts,
    StopGoal,
    StopStatus,
    VoidStatus,
)
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

STOPS = load("stops")
# Accounts of packages that a warehouse has booked by a contract of its own.
_OF_WAREHOUSES = "warehouse/"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStop:
    """A stop to ask for. `author`: a person's name, the platform's account, or a step.

    `lines`: ids of the lines that are asked for, none: all. `is_outdated`: the address has changed since the label.
    `case_id`: of the case that asks. `until_at`: when whoever asked must have an answer. Raises ValueError for a refund
    that is not paid yet and would close the order: it may be withdrawn, and nobody would ship the order then. Made
    anew, the order waits as paid for the decision.
    """

    fulfillment_order_id: int
    order_id: int
    asked_by: StopAsker
    author: str
    code: StopCode
    goal: StopGoal
    lines: tuple[str, ...] = ()
    is_outdated: bool = False
    case_id: str | None = None
    until_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.code is StopCode.REFUND_ASKED and self.goal is not StopGoal.REBUILD:
            raise ValueError("a refund that is not paid yet must not close its order")


@dataclass(frozen=True, slots=True)
class AskedStop:
    """The open stop of a fulfillment order. `is_new`: none was open before."""

    id: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStop:
    """An open stop of a fulfillment order whose row this transaction holds, with the last document.

    `location`: of the document, else where the fulfillment order is placed. `rung`: what it waited for last.
    `is_unclear`: a call that places the document may have happened.
    """

    id: int
    fulfillment_order_id: int
    order_id: int
    shop: str
    code: str
    goal: str
    lines: list[str]
    case_id: str | None
    asked_by: str
    author: str
    is_confirmed: bool
    asked_at: datetime
    until_at: datetime | None
    rung: str
    location: str | None
    document: str | None
    reference: str | None
    recall: str
    is_unclear: bool

    def facts(self, at: State, parcels: Sequence[ParcelFacts], *, can_ask: bool) -> StopFacts:
        """What the rules judge by. `at`: the state, or what a hold interrupts."""
        document = PlacementStatus(self.document) if self.document else None
        # A refused document leaves nothing at the warehouse, as one that was never there.
        if document is PlacementStatus.REFUSED or (document is PlacementStatus.INTENDED and not self.is_unclear):
            document = None
        return StopFacts(
            at=at,
            parcels=tuple(parcels),
            document=document,
            is_unclear=self.is_unclear,
            can_ask=can_ask,
            recall=RecallStatus(self.recall),
            is_confirmed=self.is_confirmed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRow:
    """The newest stop of a fulfillment order, open or ended, for whoever looks at it."""

    fulfillment_order_id: int
    order_id: int
    asked_by: str
    author: str
    code: str
    goal: str
    lines: list[str]
    case_id: str | None
    status: str
    rung: str
    asked_at: datetime
    until_at: datetime | None
    ended_at: datetime | None


def ask_stops(tx: Connection, stops: Sequence[NewStop]) -> dict[int, AskedStop]:
    """Ask for stops, at most one a fulfillment order; by fulfillment order. No statement for none.

    One that is open already is joined: `CLOSE` wins over `REBUILD`, and lines of one goal are united.
    """
    if not stops:
        return {}
    rows = rows_json(
        {
            "fulfillment_order_id": one.fulfillment_order_id,
            "order_id": one.order_id,
            "asked_by": one.asked_by,
            "author": one.author,
            "code": one.code,
            "goal": one.goal,
            "lines": list(one.lines),
            "is_outdated": one.is_outdated,
            "case_id": one.case_id,
            "until_at": one.until_at,
        }
        for one in stops
    )
    return {id_: AskedStop(stop_id, is_new) for id_, stop_id, is_new in tx.execute(STOPS["ask"], {"rows": rows})}


def withdraw_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, int]:
    """Nobody asks for the open stops any more; their ids by fulfillment order. No statement for none."""
    if not fulfillment_order_ids:
        return {}
    return dict(tx.execute(STOPS["withdraw"], {"ids": list(fulfillment_order_ids)}).fetchall())


def end_stops(tx: Connection, ends: Mapping[int, StopStatus]) -> None:
    """End open stops, by their ids. No statement for none."""
    if ends:
        rows = rows_json({"id": id_, "status": status} for id_, status in ends.items())
        tx.execute(STOPS["end"], {"rows": rows})


def prove_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """All goods of these fulfillment orders are back: stops that are open, or ended with goods that had left, are
    `STOPPED` now.

    Returns the fulfillment orders that had such a stop of all their lines. No statement for none.
    """
    if not fulfillment_order_ids:
        return set()
    return {row[0] for row in tx.execute(STOPS["prove"], {"ids": list(fulfillment_order_ids)})}


def note_rungs(tx: Connection, rungs: Mapping[int, str]) -> None:
    """Write down what open stops wait for, by their ids. No statement for none."""
    if rungs:
        tx.execute(STOPS["note_rung"], {"rows": rows_json({"id": id_, "rung": rung} for id_, rung in rungs.items())})


def confirm_stops(tx: Connection, fulfillment_order_ids: Sequence[int], by: str) -> list[int]:
    """A person says that the goods are still in the house; the fulfillment orders with an open stop."""
    named = {"ids": list(fulfillment_order_ids), "by": by}
    return [row[0] for row in tx.execute(STOPS["confirm"], named)]


def load_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[OpenStop]:
    """Open stops of fulfillment orders that this transaction has locked."""
    with tx.cursor(row_factory=class_row(OpenStop)) as cursor:
        return cursor.execute(STOPS["load_open"], {"ids": list(fulfillment_order_ids)}).fetchall()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopParcel:
    """A package of a fulfillment order, as its stop finds it. `lines`: ids of what lies in it."""

    fulfillment_order_id: int
    package_id: int
    account: str
    lives: bool
    is_unclear: bool
    has_left: bool
    void: str
    intercept: str
    lines: list[str]

    def facts(self, asked: Collection[str]) -> ParcelFacts:
        """What the rules judge by. `asked`: the lines that are to be stopped, none: all."""
        return ParcelFacts(
            package_id=self.package_id,
            lives=self.lives,
            is_unclear=self.is_unclear,
            is_ours=not self.account.startswith(_OF_WAREHOUSES),
            has_left=self.has_left,
            has_others=bool(asked) and not set(self.lines) <= set(asked),
            void=VoidStatus(self.void),
            intercept=InterceptStatus(self.intercept),
        )


def load_parcels(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, list[StopParcel]]:
    """Packages by fulfillment order: what was not cancelled, and what was cancelled and has a waybill, or may have."""
    found: dict[int, list[StopParcel]] = {}
    with tx.cursor(row_factory=class_row(StopParcel)) as cursor:
        for one in cursor.execute(STOPS["load_parcels"], {"ids": list(fulfillment_order_ids)}):
            found.setdefault(one.fulfillment_order_id, []).append(one)
    return found


def open_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, str]:
    """Of some fulfillment orders, those with an open stop: the account of their shop. No statement for none."""
    if not fulfillment_order_ids:
        return {}
    return dict(tx.execute(STOPS["open_of"], {"ids": list(fulfillment_order_ids)}).fetchall())


def stops_under_way(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Fulfillment orders of which a warehouse or a courier was asked to stop something."""
    return {row[0] for row in tx.execute(STOPS["is_under_way"], {"ids": list(fulfillment_order_ids)})}


def outdated_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Fulfillment orders with an open stop and a label from before a change of the address."""
    return {row[0] for row in tx.execute(STOPS["outdated"], {"ids": list(fulfillment_order_ids)})}


def rebuild_instead(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Open stops that are withdrawn too late go on, and their orders are made anew."""
    tx.execute(STOPS["rebuild_instead"], {"ids": list(fulfillment_order_ids)})


def codes_of_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, StopCode]:
    """Why the open stops of fulfillment orders were asked for. No statement for none."""
    if not fulfillment_order_ids:
        return {}
    rows = tx.execute(STOPS["codes"], {"ids": list(fulfillment_order_ids)})
    return {id_: StopCode(code) for id_, code in rows}


def stops_of_orders(tx: Connection, order_ids: Sequence[int]) -> list[StopRow]:
    """The newest stop of each fulfillment order of some orders, open or ended."""
    with tx.cursor(row_factory=class_row(StopRow)) as cursor:
        return cursor.execute(STOPS["of_orders"], {"order_ids": list(order_ids)}).fetchall()
