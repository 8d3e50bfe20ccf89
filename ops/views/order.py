"""All that is known of one order, as one value without personal data: for people, and as JSON.

Times carry their zone; sums are money with minor units and currency.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from domain.money import Money
from domain.steps import Subject
from infra.process.steps import STEPS
from infra.tables.answers import answers_of
from infra.tables.inspect import OrderQuery, SubjectQuery, read_of_subjects, read_part, read_part_by_column
from infra.tables.pool import Connection, Database
from infra.tables.stops import stops_of_orders
from infra.tables.watch import WatchDecision, decision_of
from ops.views.looking import looking
from ops.views.masking import mask_name, mask_phone
from ops.views.timeline import Case, Event, ShownHold, timeline
from ops.views.ways_out import StopView, stop_views


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverView:
    """Masked. `pii` says in what form the platform gave it."""

    name: str
    phone: str
    province: str
    city: str
    district: str
    pii: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """Of `quantity` pieces so many are planned here, cancelled, and shipped by somebody else."""

    line_id: str
    sku: str
    title: str
    quantity: int
    unit_price: Money
    paid: Money
    is_gift: bool
    refund_open: bool
    refunded: bool
    refund_unknown: bool
    fulfilled_by: str
    planned: int
    cancelled: int
    elsewhere: int
    is_missing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FulfillmentView:
    """One location's work on an order. `quantities`: pieces by line."""

    id: int
    number: int
    state: str
    resume_state: str | None
    lane: str
    reservation: str
    location: str | None
    closed_reason: str | None
    finished_at: datetime | None
    quantities: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentView:
    """One attempt to get a package carried; the last of a package is the one that counts."""

    package_id: int
    generation: int
    reference: str
    status: str
    waybill: str | None
    intended_at: datetime
    booked_at: datetime | None
    voided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    id: int
    package_id: int
    event: str
    channel: str
    status: str
    told_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownParcelEvent:
    """What a courier told of a package. `kind`: in our words; `code`, `detail`: in the courier's."""

    package_id: int
    at: datetime
    kind: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageView:
    """`writeback` is None until the platform is to be told. `quantities`: pieces by line that lie in it.

    `collected_at`, `delivered_at`: as the events of its courier say, which `way` holds by their time.
    """

    id: int
    fulfillment_order_id: int
    number: int
    courier: str
    account: str
    location: str
    packed_at: datetime | None
    handed_over_at: datetime | None
    collected_at: datetime | None
    delivered_at: datetime | None
    cancelled_at: datetime | None
    quantities: dict[str, int]
    writeback: str | None
    written_back_at: datetime | None
    shipments: tuple[ShipmentView, ...] = ()
    notices: tuple[NoticeView, ...] = ()
    way: tuple[ShownParcelEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDocument:
    """What a warehouse was told of a fulfillment order. `code`: why it was refused.

    `reference` is None until a call is about to be made. `heard_at`: of the last event about it. `asked_at`: when the
    warehouse was last asked, because no event came.
    """

    fulfillment_order_id: int
    location: str
    generation: int
    reference: str | None
    status: str
    their_id: str
    code: str
    placed_at: datetime | None
    ended_at: datetime | None
    heard_at: datetime | None
    asked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableScan:
    """An open record of a scan of this order that could not be read: its place on the page, and why."""

    id: int
    account: str
    position: int
    code: str
    field: str
    owner: str
    noticed_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterView:
    """`causes`: one entry for each failed try, the last one last."""

    id: int
    step: str
    code: str
    owner: str
    opened_at: datetime
    due_at: datetime
    attempts: int
    crashes: int
    causes: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkView:
    """What happens next, and when."""

    step: str
    subject_id: int
    lane: str
    account: str
    due_at: datetime
    attempts: int
    crashes: int
    is_running: bool
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GapView:
    """A change that the platform has listed and that could not be fetched. `due_at` is None once it was given up."""

    changed_at: datetime
    error: str
    tries: int
    noticed_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """`seen_at` is the database's time: what is overdue was overdue then.

    `ship_from`: no package gets a label before it; None: as soon as it can be.

    `raw_answers`: how many answers of the other side are kept with the order, which are not part of this. `watched`:
    what would have been done with an order of a watched shop. `stops`: the newest of each part that has one.
    """

    id: int
    platform: str
    shop: str
    platform_order_id: str
    platform_state: str
    order_type: str
    source: str
    member_level: str
    fulfilled_by: str
    placed_at: datetime
    paid_at: datetime | None
    ship_by: datetime | None
    ship_from: datetime | None
    received_at: datetime
    seen_at: datetime
    sums: dict[str, Money]
    buyer_memo_chars: int
    seller_memo_chars: int
    receiver: ReceiverView
    lines: tuple[LineView, ...]
    fulfillment: tuple[FulfillmentView, ...]
    holds: tuple[ShownHold, ...]
    cases: tuple[Case, ...]
    packages: tuple[PackageView, ...]
    documents: tuple[ShownDocument, ...]
    unreadable_scans: tuple[UnreadableScan, ...]
    dead_letters: tuple[DeadLetterView, ...]
    gaps: tuple[GapView, ...]
    work: tuple[WorkView, ...]
    timeline: tuple[Event, ...]
    raw_answers: int = 0
    watched: WatchDecision | None = None
    stops: tuple[StopView, ...] = ()

    @property
    def open_holds(self) -> tuple[ShownHold, ...]:
        return tuple(hold for hold in self.holds if hold.released_at is None)


def view_order(db: Database, order_id: int) -> OrderView:
    """Read an order that exists, in one snapshot."""
    with looking(db) as tx:
        head = read_part_by_column(tx, OrderQuery.HEAD, order_id)[0]
        payloads = read_part_by_column(tx, OrderQuery.PAYLOADS, order_id)
        fulfillment = read_part(tx, OrderQuery.FULFILLMENT, order_id, FulfillmentView)
        holds = read_part(tx, OrderQuery.HOLDS, order_id, ShownHold)
        cases = read_part(tx, OrderQuery.CASES, order_id, Case)
        packages = _packages(tx, order_id)
        pairs = _due_pairs(payloads, fulfillment, packages)
        return OrderView(
            **_head(head),
            lines=tuple(_line(row, head["currency"]) for row in read_part_by_column(tx, OrderQuery.LINES, order_id)),
            fulfillment=fulfillment,
            holds=holds,
            cases=cases,
            packages=packages,
            documents=read_part(tx, OrderQuery.DOCUMENTS, order_id, ShownDocument),
            unreadable_scans=read_part(tx, OrderQuery.UNREADABLE_SCANS, order_id, UnreadableScan),
            dead_letters=read_of_subjects(tx, SubjectQuery.LETTERS, pairs, DeadLetterView),
            gaps=read_part(tx, OrderQuery.GAP, order_id, GapView),
            work=read_of_subjects(tx, SubjectQuery.WORK, pairs, WorkView),
            timeline=timeline(payloads, read_part_by_column(tx, OrderQuery.EVENTS, order_id), holds, cases),
            watched=decision_of(tx, order_id),
            stops=stop_views(fulfillment, stops_of_orders(tx, [order_id])),
        )


def _head(row: Mapping[str, Any]) -> dict[str, Any]:
    amounts = ("goods", "discount", "freight", "tax", "services", "fees", "payable", "paid")
    receiver = ReceiverView(
        name=mask_name(row["name"]),
        phone=mask_phone(row["phone"]),
        province=row["province"],
        city=row["city"],
        district=row["district"],
        pii=row["pii"],
    )
    kept = {field.name for field in fields(OrderView)} & set(row)
    return {
        **{name: row[name] for name in kept},
        "sums": {name: Money(row[f"{name}_minor"], row["currency"]) for name in amounts},
        "receiver": receiver,
    }


def _line(row: dict[str, Any], currency: str) -> LineView:
    unit_price, paid = (Money(row.pop(name), currency) for name in ("unit_price_minor", "paid_minor"))
    return LineView(unit_price=unit_price, paid=paid, **row)


def _packages(tx: Connection, order_id: int) -> tuple[PackageView, ...]:
    packages = read_part(tx, OrderQuery.PACKAGES, order_id, PackageView)
    shipments = read_part(tx, OrderQuery.SHIPMENTS, order_id, ShipmentView)
    notices = read_part(tx, OrderQuery.NOTICES, order_id, NoticeView)
    way = read_part(tx, OrderQuery.PARCEL_EVENTS, order_id, ShownParcelEvent)
    return tuple(
        replace(
            package,
            shipments=tuple(one for one in shipments if one.package_id == package.id),
            notices=tuple(one for one in notices if one.package_id == package.id),
            way=tuple(one for one in way if one.package_id == package.id),
        )
        for package in packages
    )


def _due_pairs(
    payloads: Iterable[Mapping[str, Any]], fulfillment: Iterable[FulfillmentView], packages: Sequence[PackageView]
) -> list[tuple[str, int]]:
    """Every (step, subject) of this order that could be due."""
    subjects: dict[Subject, list[int]] = {
        Subject.RAW_PAYLOAD: [row["id"] for row in payloads],
        Subject.FULFILLMENT_ORDER: [one.id for one in fulfillment],
        Subject.PACKAGE: [package.id for package in packages],
        Subject.NOTICE: [notice.id for package in packages for notice in package.notices],
    }
    return [(step, id_) for step, spec in STEPS.items() for id_ in subjects.get(spec.subject, ())]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What the other side answered when a step failed, as it came: it may quote the buyer."""

    step: str
    account: str
    code: str
    at: datetime
    text: str


def raw_answers(db: Database, order_id: int) -> tuple[RawAnswer, ...]:
    """The kept answers of an order, the oldest first. Personal data: for a person who asks for exactly this."""
    with looking(db) as tx:
        return tuple(
            RawAnswer(
                step=one.step,
                account=one.account,
                code=one.code,
                at=one.at,
                text=one.body.decode(errors="replace"),
            )
            for one in answers_of(tx, order_id)
        )
