"""Orders: rows to domain values and back. Personal data passes here on its way to and from `receiver`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from domain.lines import Tally, first_tally
from domain.money import Money
from domain.order import (
    Address,
    FulfilledBy,
    Lane,
    MemberLevel,
    Order,
    OrderKey,
    OrderLine,
    OrderSource,
    OrderType,
    Pii,
    PlatformState,
    Totals,
)
from domain.states import RANK, State
from domain.stock import Reservation
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

ORDERS = load("orders")


def order_row(order: Order) -> Row:
    """The columns of `orders` and `receiver` that the platform decides."""
    totals, receiver = order.totals, order.receiver
    return {
        "platform": order.key.platform,
        "shop": order.key.shop,
        "platform_order_id": order.key.platform_order_id,
        "platform_state": order.state,
        "order_type": order.order_type,
        "source": order.source,
        "member_level": order.member_level,
        "currency": totals.payable.currency,
        "goods_minor": totals.goods.minor,
        "discount_minor": totals.discount.minor,
        "freight_minor": totals.freight.minor,
        "tax_minor": totals.tax.minor,
        "payable_minor": totals.payable.minor,
        "paid_minor": totals.paid.minor,
        "services_minor": totals.services.minor,
        "fees_minor": totals.fees.minor,
        "fulfilled_by": order.fulfilled_by,
        "balance_open": order.balance_open,
        "platform_hold": order.platform_hold,
        "placed_at": order.created_at,
        "changed_at": order.updated_at,
        "paid_at": order.paid_at,
        "ship_by": order.ship_by,
        "ship_from": order.ship_from,
        "buyer_id": order.buyer_id,
        "buyer_memo": order.buyer_memo,
        "seller_memo": order.seller_memo,
        "seller_flag": order.seller_flag,
        "name": receiver.name,
        "phone": receiver.phone,
        "province": receiver.province,
        "city": receiver.city,
        "district": receiver.district,
        "town": receiver.town,
        "detail": receiver.detail,
        "zip_code": receiver.zip_code,
        "pii": receiver.pii,
        "merge_token": receiver.merge_token,
        "corrected_from": order.corrected_from or None,
    }


def line_rows(order: Order, tallies: Mapping[str, Tally] | None = None) -> list[Row]:
    """The rows of `order_line`. Without `tallies` the lines are new."""
    counted = tallies or {line.line_id: first_tally(order, line) for line in order.lines}
    return [
        {
            **_tally_row(counted[line.line_id]),
            "line_id": line.line_id,
            "product_id": line.product_id,
            "platform_sku": line.platform_sku,
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price_minor": line.unit_price.minor,
            "paid_minor": line.paid.minor,
            "is_gift": line.is_gift,
            "refund_open": line.refund_open,
            "refunded": line.refunded,
            "refund_unknown": line.refund_unknown,
            "fulfilled_by": line.fulfilled_by,
            "shipped": line.shipped,
            "waybill": line.waybill,
            "is_missing": line.is_missing,
            "replaced_sku": line.replaced_sku,
        }
        for line in order.lines
    ]


def _tally_row(tally: Tally) -> Row:
    return {"planned": tally.planned, "cancelled": tally.cancelled, "elsewhere": tally.elsewhere}


def admit(tx: Connection, orders: Iterable[Row], lines: Iterable[Row]) -> dict[int, tuple[int, int]]:
    """Store new orders with receiver, lines and one fulfillment order each, in one statement.

    Returns (order, fulfillment order) by payload id. An order that another transaction admitted first is left out.
    """
    named = {"orders": rows_json(orders), "lines": rows_json(lines)}
    rows = tx.execute(ORDERS["admit"], named)
    return {payload_id: (order_id, fulfillment_order_id) for order_id, fulfillment_order_id, payload_id in rows}


def shop_of(tx: Connection, fulfillment_order_id: int) -> str:
    """The account of the shop whose order it is."""
    row = tx.execute(ORDERS["shop_of"], {"id": fulfillment_order_id}).fetchone()
    assert row is not None
    return str(row[0])


def amend_orders(tx: Connection, orders: Sequence[Row]) -> None:
    """Store what platforms changed of orders and receivers, given as `order_row` with `id` and `raw_payload_id`."""
    rows = {"orders": rows_json(orders)}
    tx.execute(ORDERS["amend"], rows)
    tx.execute(ORDERS["amend_receiver"], rows)


def correct_receiver(tx: Connection, order_id: int, receiver: Address, corrected_from: str) -> None:
    """Store the address that a person has corrected. `corrected_from`: digest of what the platform says."""
    fields = {
        "name": receiver.name,
        "phone": receiver.phone,
        "province": receiver.province,
        "city": receiver.city,
        "district": receiver.district,
        "town": receiver.town,
        "detail": receiver.detail,
        "zip_code": receiver.zip_code,
        "pii": receiver.pii,
        "merge_token": receiver.merge_token,
    }
    row = {"id": order_id, **fields, "corrected_from": corrected_from}
    tx.execute(ORDERS["amend_receiver"], {"orders": rows_json([row])})


def amend_lines(tx: Connection, lines: Iterable[Row]) -> None:
    """Store what platforms changed of lines, given as `line_rows` with the order's `id`; new lines are added."""
    tx.execute(ORDERS["amend_lines"], {"lines": rows_json(lines)})


def load_orders(tx: Connection, order_ids: Sequence[int]) -> dict[int, Order]:
    """Whole orders by id, in two statements."""
    ids = {"ids": list(order_ids)}
    lines: dict[int, list[tuple[Any, ...]]] = {}
    for row in tx.execute(ORDERS["load_lines"], ids):
        lines.setdefault(row[0], []).append(row)
    return {row[0]: _order(row, lines.get(row[0], ())) for row in tx.execute(ORDERS["load_orders"], ids)}


def _order(row: tuple[Any, ...], lines: Iterable[tuple[Any, ...]]) -> Order:
    (_, platform, shop, platform_order_id, state, order_type, source, member_level, currency) = row[:9]
    goods, discount, freight, tax, payable, paid = (Money(minor, currency) for minor in row[9:15])
    balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id = row[15:22]
    buyer_memo, seller_memo, seller_flag = row[22:25]
    name, phone, province, city, district, town, detail, zip_code, pii, token = row[25:35]
    services, fees = (Money(minor, currency) for minor in row[35:37])
    return Order(
        key=OrderKey(platform, shop, platform_order_id),
        state=PlatformState(state),
        order_type=OrderType(order_type),
        source=OrderSource(source),
        member_level=MemberLevel(member_level),
        buyer_id=buyer_id,
        receiver=Address(name, phone, province, city, district, town, detail, zip_code, Pii(pii), token),
        lines=tuple(_line(line, currency) for line in lines),
        totals=Totals(goods, discount, freight, tax, payable, paid, services, fees),
        created_at=placed_at,
        updated_at=changed_at,
        paid_at=paid_at,
        ship_by=ship_by,
        ship_from=row[37],
        balance_open=balance_open,
        platform_hold=platform_hold,
        buyer_memo=buyer_memo,
        seller_memo=seller_memo,
        seller_flag=seller_flag,
        corrected_from=row[38] or "",
    )


def _line(row: tuple[Any, ...], currency: str) -> OrderLine:
    _, line_id, product_id, platform_sku, sku, title, quantity, unit_price, paid, is_gift = row[:10]
    refund_open, refunded, refund_unknown, fulfilled_by, shipped, waybill, is_missing, replaced_sku = row[10:18]
    return OrderLine(
        line_id,
        product_id,
        platform_sku,
        sku,
        title,
        quantity,
        Money(unit_price, currency),
        Money(paid, currency),
        is_gift,
        refund_open,
        refunded,
        refund_unknown,
        FulfilledBy(fulfilled_by),
        shipped,
        waybill,
        is_missing,
        replaced_sku,
    )


class FulfillmentLine(msgspec.Struct, frozen=True, array_like=True):
    """Pieces of one line that a fulfillment order works on, and how many of them are in packages."""

    line_id: str
    quantity: int
    packed: int


class Locked(msgspec.Struct, frozen=True):
    """A fulfillment order whose row this transaction holds, with its lines.

    `is_lane_chosen`: by a person, so the rules leave it. `excluded`: codes by location that has refused it.
    """

    id: int
    order_id: int
    state: State
    lane: Lane
    reservation: str
    resume_state: State | None
    is_lane_chosen: bool
    lines: tuple[FulfillmentLine, ...] = ()
    excluded: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def at(self) -> State:
        """The state, or what a hold has interrupted."""
        return self.resume_state if self.state is State.ON_HOLD and self.resume_state is not None else self.state

    @property
    def has_left(self) -> bool:
        """Whether it was handed over: its pieces are consumed then, whether its courier has told of it or not."""
        return self.reservation == Reservation.CONSUMED or RANK[self.at] >= RANK[State.IN_TRANSIT]

    @property
    def quantities(self) -> tuple[tuple[str, int], ...]:
        """(line, pieces) of what it works on."""
        return tuple((line.line_id, line.quantity) for line in self.lines if line.quantity)


def lock_fulfillment(tx: Connection, ids: Sequence[int]) -> list[Locked]:
    """Lock fulfillment orders by id, in id order; with their lines as the lock found them."""
    locked, lines = _lock_and_read(tx, "lock_fulfillment", "lines_of_fulfillment", ids)
    return [_locked(row, lines.get(row[0], ())) for row in locked]


def lock_fulfillment_of_orders(tx: Connection, order_ids: Sequence[int]) -> dict[int, list[Locked]]:
    """Lock all fulfillment orders of some orders; by order id.

    A lock that waited does not see those that its holder has added: their lines tell of them, and they are locked too.
    """
    locked, lines = _lock_and_read(tx, "lock_fulfillment_of_orders", "lines_of_orders", order_ids)
    while not lines.keys() <= {row[0] for row in locked}:
        locked, lines = _lock_and_read(tx, "lock_fulfillment_of_orders", "lines_of_orders", order_ids)
    found: dict[int, list[Locked]] = {}
    for row in locked:
        found.setdefault(row[1], []).append(_locked(row, lines.get(row[0], ())))
    return found


def lock_with_others(tx: Connection, ids: Sequence[int]) -> list[Locked]:
    """Lock fulfillment orders by id, and in the same go all others of their orders, for a step that looks at the whole.

    Whoever locks in two goes, each in id order, waits in a circle with whoever locks in one.
    """
    orders = [row[0] for row in tx.execute(ORDERS["orders_of"], {"ids": list(ids)})]
    wanted = set(ids)
    found = lock_fulfillment_of_orders(tx, sorted(orders)) if orders else {}
    return sorted((one for each in found.values() for one in each if one.id in wanted), key=lambda one: one.id)


def _lock_and_read(
    tx: Connection, lock: str, read: str, ids: Sequence[int]
) -> tuple[list[tuple[Any, ...]], dict[int, list[FulfillmentLine]]]:
    """Rows of fulfillment orders, and their lines by id."""
    named = {"ids": list(ids)}
    with tx.pipeline():
        locked = tx.execute(ORDERS[lock], named)
        rows = tx.execute(ORDERS[read], named)
    lines: dict[int, list[FulfillmentLine]] = {}
    for id_, *line in rows:
        lines.setdefault(id_, []).append(FulfillmentLine(*line))
    return locked.fetchall(), lines


def _locked(row: tuple[Any, ...], lines: Iterable[FulfillmentLine]) -> Locked:
    id_, order_id, state, lane, reservation, resume_state, is_lane_chosen, excluded = row
    return Locked(
        id_,
        order_id,
        State(state),
        Lane(lane),
        reservation,
        State(resume_state) if resume_state else None,
        is_lane_chosen,
        tuple(lines),
        excluded,
    )


def existing(tx: Connection, keys: Sequence[OrderKey]) -> Mapping[OrderKey, tuple[int, datetime]]:
    """Id and last change time of the orders that are there already, locked against other amendments."""
    rows = tx.execute(
        ORDERS["find_existing"],
        {
            "platforms": [key.platform for key in keys],
            "shops": [key.shop for key in keys],
            "platform_order_ids": [key.platform_order_id for key in keys],
        },
    )
    return {OrderKey(row[1], row[2], row[3]): (row[0], row[4]) for row in rows}


def read_days_again(tx: Connection, shops: Sequence[str], *, newest: int, limit: int) -> list[Lane]:
    """Make normalize due for contents of open orders of which nobody has read the day from which they ship.

    `shops`: accounts of shops whose orders wait for that day. `newest`: orders that are looked at. Returns the lane of
    each. No statement for no shop.
    """
    if not shops:
        return []
    named = {"shops": list(shops), "newest": newest, "limit": limit}
    return [Lane(lane) for (lane,) in tx.execute(ORDERS["read_days_again"], named)]
