"""Pieces of lines in the stores: what is taken, added and split, and the sums that no transaction may leave wrong."""

import dataclasses
import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import psycopg
import pytest

from domain.lines import Planned
from domain.money import Money
from domain.order import FulfilledBy, OrderLine
from domain.states import State
from domain.stock import Reservation
from infra.tables.fulfillment import NewPart, add_parts, set_reservations
from infra.tables.invariants import INVARIANT
from infra.tables.lines import (
    Quantity,
    ShippedPieces,
    add_quantities,
    load_plans,
    move_reserved,
    own_shipments,
    set_quantities,
)
from infra.tables.packages import PACKAGES
from infra.tables.stock import reserve_stock

_ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', gen_random_uuid()::text, '', 'pull', 'bulk', '') RETURNING id, platform_order_id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0,
        false, false, now(), now(), '', '', '', 0, now() FROM raw RETURNING id
), lined AS (
    INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
        paid_minor, is_gift, refund_open, refunded, planned)
    SELECT m.id, l.key, 'p', '', upper(l.key), '', l.value::integer, 0, 0, false, false, false, l.value::integer
    FROM made AS m, json_each_text(%(lines)s::json) AS l RETURNING order_id, line_id, quantity
), fulfilled AS (
    INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'allocated', 'bulk' FROM made
    RETURNING id, order_id
), planned AS (
    INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
    SELECT f.id, l.order_id, l.line_id, l.quantity FROM fulfilled AS f JOIN lined AS l USING (order_id)
)
SELECT order_id, id FROM fulfilled
"""
_SUMS = ("planned_counts", "packed_counts", "never_beyond_sold", "nothing_is_forgotten")


@dataclass
class Shelf:
    """One order of five of line a and two of line b, with one fulfillment order."""

    database: object
    order: int = 0
    first: int = 0
    packages: list[int] = field(default_factory=list)

    def rows(self, query, values=None):
        with self.database.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def do(self, change, *given):
        with self.database.transaction() as tx:
            return change(tx, *given)

    def pack(self, fulfillment_order_id):
        row = {"courier": "sf", "account": "sf/main", "location": "east", "service": "", "weight_g": 1}
        rows = json.dumps([{"fulfillment_order_id": fulfillment_order_id, **row}])
        made = self.do(lambda tx: tx.execute(PACKAGES["create_packages"], {"rows": rows}).fetchall())
        self.packages.append(made[0][0])
        return made[0][0]

    def label(self, package, status="booked", *, called=False, waybill=None):
        self.rows(
            """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at,
                                     call_deadline)
               VALUES (%(package)s, 1, 'R-' || %(package)s, 'sf', %(status)s, %(waybill)s,
                       CASE WHEN %(status)s = 'booked' THEN now() END, CASE WHEN %(called)s THEN now() END)""",
            {
                "package": package,
                "status": status,
                "called": called,
                "waybill": waybill or (f"SF{package}" if status == "booked" else None),
            },
        )

    def lines(self):
        """(fulfillment order, line, quantity, packed)."""
        return self.rows(
            """SELECT fulfillment_order_id, line_id, quantity, packed FROM fulfillment_line
               ORDER BY fulfillment_order_id, line_id"""
        )

    def contents(self, package):
        rows = self.rows("SELECT line_id, quantity FROM package_line WHERE package_id = %s ORDER BY line_id", [package])
        return dict(rows)

    def planned(self):
        return dict(self.rows("SELECT line_id, planned FROM order_line"))

    def cancel_the_rest(self):
        self.rows("UPDATE order_line SET cancelled = quantity - planned")

    def breaches(self):
        named = {"final_states": ["completed", "closed"], "limit": 9}
        return [name for name in _SUMS if self.rows(INVARIANT[name], named)]


@pytest.fixture
def shelf(database):
    shelf = Shelf(database)
    [(shelf.order, shelf.first)] = shelf.rows(_ORDER, {"lines": '{"a": 5, "b": 2}'})
    return shelf


def quantity(shelf, line_id, pieces, id_=None):
    return Quantity(id_ or shelf.first, shelf.order, line_id, pieces)


def test_a_package_takes_all_that_is_in_none_yet(shelf):
    package = shelf.pack(shelf.first)
    assert shelf.contents(package) == {"a": 5, "b": 2}
    assert shelf.lines() == [(shelf.first, "a", 5, 5), (shelf.first, "b", 2, 2)]
    shelf.do(add_quantities, [quantity(shelf, "a", 0)])
    another = shelf.pack(shelf.first)
    assert shelf.contents(another) == {}, "nothing is packed twice"
    assert shelf.rows("SELECT number FROM package ORDER BY id") == [(1,), (1001,)]
    assert shelf.breaches() == []


def test_fewer_pieces_leave_the_plan_and_the_unlabelled_package(shelf):
    package = shelf.pack(shelf.first)
    shelf.do(set_quantities, [quantity(shelf, "a", 3), quantity(shelf, "b", 0)])
    assert shelf.planned() == {"a": 3, "b": 0}
    shelf.cancel_the_rest()
    assert shelf.lines() == [(shelf.first, "a", 3, 3), (shelf.first, "b", 0, 0)]
    assert shelf.contents(package) == {"a": 3, "b": 0}
    assert shelf.breaches() == []


def test_what_is_not_packed_goes_first(shelf):
    package = shelf.pack(shelf.first)
    shelf.rows("UPDATE order_line SET quantity = 9 WHERE line_id = 'a'")
    shelf.do(add_quantities, [quantity(shelf, "a", 4)])
    assert shelf.lines()[0] == (shelf.first, "a", 9, 5)
    shelf.do(set_quantities, [quantity(shelf, "a", 6)])
    assert (shelf.lines()[0], shelf.contents(package)["a"]) == ((shelf.first, "a", 6, 5), 5)
    shelf.do(set_quantities, [quantity(shelf, "a", 4)])
    assert (shelf.lines()[0], shelf.contents(package)["a"]) == ((shelf.first, "a", 4, 4), 4)


@pytest.mark.parametrize("status", ["booked", "called", "left", "cancelled"])
def test_a_package_that_has_or_may_have_a_label_keeps_its_pieces(shelf, status):
    package = shelf.pack(shelf.first)
    if status == "cancelled":
        shelf.rows("UPDATE package SET cancelled_at = now()")
        shelf.rows("UPDATE fulfillment_line SET packed = 0")
    elif status == "left":
        shelf.rows("UPDATE package SET handed_over_at = now()")
    else:
        shelf.label(package, "booked" if status == "booked" else "intended", called=status == "called")
    planned, _ = shelf.do(load_plans, [shelf.order])
    is_bound = status != "cancelled"
    assert [one.bound for one in planned[shelf.order]] == ([5, 2] if is_bound else [0, 0])
    shelf.rows("UPDATE order_line SET quantity = 9 WHERE line_id = 'a'")
    shelf.do(add_quantities, [quantity(shelf, "a", 4)])
    shelf.do(set_quantities, [quantity(shelf, "a", 7)])
    assert shelf.contents(package) == {"a": 5, "b": 2}


def test_pieces_are_not_taken_from_a_package_that_has_a_label(shelf):
    shelf.label(shelf.pack(shelf.first))
    with pytest.raises(psycopg.errors.CheckViolation, match="never_more_packed_than_planned"):
        shelf.do(set_quantities, [quantity(shelf, "a", 4)])


def test_pieces_of_a_line_that_was_stored_with_them_are_counted_once(shelf):
    shelf.do(set_quantities, [quantity(shelf, "a", 3)])
    shelf.rows("UPDATE order_line SET planned = 5 WHERE line_id = 'a'")
    shelf.do(add_quantities, [replace(quantity(shelf, "a", 2), is_counted=True)])
    assert (shelf.planned()["a"], shelf.breaches()) == (5, [])


def test_control_the_pieces_of_an_intent_that_was_never_called_are_free(shelf):
    package = shelf.pack(shelf.first)
    shelf.label(package, "intended")
    planned, _ = shelf.do(load_plans, [shelf.order])
    assert [one.bound for one in planned[shelf.order]] == [0, 0]
    shelf.do(set_quantities, [quantity(shelf, "a", 1)])
    assert shelf.contents(package) == {"a": 1, "b": 2}


def test_nothing_to_do_asks_nothing(shelf):
    before = shelf.database.counts.statements
    with shelf.database.transaction() as tx:
        set_quantities(tx, [])
        add_quantities(tx, [])
        assert add_parts(tx, []) == []
        move_reserved(tx, {}, {})
    assert shelf.database.counts.statements == before


def test_the_plan_of_an_order_is_told_by_part_and_line(shelf):
    [other] = shelf.do(add_parts, [NewPart(shelf.first, shelf.order, 1, State.APPROVED)])
    shelf.do(set_quantities, [quantity(shelf, "a", 3)])
    shelf.do(add_quantities, [quantity(shelf, "a", 2, other)])
    package = shelf.pack(other)
    shelf.label(package)
    shelf.rows(
        "UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now() WHERE id = %s",
        [shelf.first],
    )
    planned, told = shelf.do(load_plans, [shelf.order, 404])
    assert planned == {
        shelf.order: [
            Planned(shelf.first, "a", 3, 0, is_closed=True),
            Planned(shelf.first, "b", 2, 0, is_closed=True),
            Planned(other, "a", 2, 2),
        ]
    }
    assert told == {shelf.order: [ShippedPieces("a", f"SF{package}", 2, is_written_back=False)]}


@pytest.mark.parametrize(
    ("status", "called", "is_told"),
    [("pending", False, False), ("pending", True, True), ("sending", False, True), ("confirmed", False, True)],
)
def test_what_the_platform_heard_of_or_may_have_is_told(shelf, status, called, is_told):
    package = shelf.pack(shelf.first)
    shelf.label(package)
    shelf.rows(
        """INSERT INTO writeback (package_id, order_id, status, shipped_at, confirmed_at, call_deadline)
           VALUES (%s, %s, %s, now(), CASE WHEN %s = 'confirmed' THEN now() END, CASE WHEN %s THEN now() END)""",
        [package, shelf.order, status, status, called],
    )
    _, told = shelf.do(load_plans, [shelf.order])
    assert [one.is_written_back for one in told[shelf.order]] == [is_told, is_told]


def test_parts_are_numbered_on_and_returned_in_their_order(shelf):
    [(other_order, other_first)] = shelf.rows(_ORDER, {"lines": '{"c": 1}'})
    reserved = {"reservation": Reservation.RESERVED}
    parts = [
        NewPart(shelf.first, shelf.order, 1, State.APPROVED, **reserved),
        NewPart(shelf.first, shelf.order, 2, State.ON_HOLD, State.APPROVED, **reserved),
        NewPart(other_first, other_order, 1, State.PAID),
    ]
    made = shelf.do(add_parts, parts)
    rows = shelf.rows(
        "SELECT id, order_id, number, state, resume_state, lane, reservation FROM fulfillment_order ORDER BY id"
    )
    assert sorted(rows[2:], key=lambda row: made.index(row[0])) == [
        (made[0], shelf.order, 2, "approved", None, "bulk", "reserved"),
        (made[1], shelf.order, 3, "on_hold", "approved", "bulk", "reserved"),
        (made[2], other_order, 2, "paid", None, "bulk", "none"),
    ]
    [again] = shelf.do(add_parts, [NewPart(shelf.first, shelf.order, 1, State.PAID)])
    assert shelf.rows("SELECT number FROM fulfillment_order WHERE id = %s", [again]) == [(4,)]


def test_reserved_pieces_go_with_their_part(shelf):
    with shelf.database.transaction() as tx:
        tx.execute("INSERT INTO stock_pool (sku, on_hand) VALUES ('A', 9), ('B', 9)")
        reserve_stock(tx, {"A": 5, "B": 2}, {shelf.first: {"A": 5, "B": 2}})
        set_reservations(tx, {shelf.first: Reservation.RESERVED})
        [other] = add_parts(tx, [NewPart(shelf.first, shelf.order, 1, State.APPROVED, None, Reservation.RESERVED)])
        move_reserved(tx, {(shelf.first, other): {"A": 2, "B": 2}}, {shelf.first: {"A": 3}})
    rows = shelf.rows(
        "SELECT fulfillment_order_id, sku, quantity, status FROM reservation ORDER BY fulfillment_order_id, sku"
    )
    live = [row[:3] for row in rows if row[3] == "reserved"]
    assert live == [(shelf.first, "A", 3), (other, "A", 2), (other, "B", 2)]
    assert shelf.rows(INVARIANT["pool_counts"], {"limit": 9}) == []


def test_no_more_is_planned_cancelled_or_elsewhere_than_was_sold(shelf):
    for column in ("planned", "cancelled", "elsewhere"):
        with pytest.raises(psycopg.errors.CheckViolation, match="never_more_than_sold"):
            shelf.rows(f"UPDATE order_line SET {column} = {column} + 1 WHERE line_id = 'a'")  # noqa: S608 - names of this test


def test_no_more_is_packed_than_is_planned(shelf):
    shelf.pack(shelf.first)
    with pytest.raises(psycopg.errors.CheckViolation, match="never_more_packed_than_planned"):
        shelf.rows("UPDATE fulfillment_line SET packed = packed + 1 WHERE line_id = 'a'")
    with pytest.raises(psycopg.errors.CheckViolation, match="never_more_packed_than_planned"):
        shelf.rows("UPDATE fulfillment_line SET quantity = quantity - 1 WHERE line_id = 'a'")


def twice(shelf):
    """The same pieces are planned once more, and packed once more, as two workers would that know nothing of each."""
    [other] = shelf.do(add_parts, [NewPart(shelf.first, shelf.order, 1, State.APPROVED)])
    shelf.do(add_quantities, [quantity(shelf, "a", 5, other)])
    return other


def test_a_line_that_is_planned_twice_is_refused(shelf):
    with pytest.raises(psycopg.errors.CheckViolation, match="never_more_than_sold"):
        twice(shelf)


def test_control_without_the_constraint_ten_of_five_travel(shelf):
    shelf.rows("ALTER TABLE order_line DROP CONSTRAINT never_more_than_sold")
    other = twice(shelf)
    packages = [shelf.pack(shelf.first), shelf.pack(other)]
    assert sum(shelf.contents(package)["a"] for package in packages) == 10
    assert shelf.breaches() == ["never_beyond_sold"]


def test_control_without_the_constraint_a_box_holds_more_than_is_planned(shelf):
    shelf.rows("ALTER TABLE fulfillment_line DROP CONSTRAINT never_more_packed_than_planned")
    package = shelf.pack(shelf.first)
    shelf.label(package)
    shelf.rows("UPDATE fulfillment_line SET quantity = 3 WHERE line_id = 'a'")
    shelf.rows("UPDATE order_line SET planned = 3, cancelled = 2 WHERE line_id = 'a'")
    assert shelf.contents(package)["a"] == 5
    assert shelf.breaches() == ["never_beyond_sold"]


@pytest.mark.parametrize("labelled", [False, True])
def test_what_closes_frees_its_pieces(shelf, labelled):
    package = shelf.pack(shelf.first)
    if labelled:
        shelf.label(package)
    shelf.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now()")
    assert shelf.rows("SELECT line_id, planned, cancelled FROM order_line ORDER BY line_id") == [
        ("a", 0, 5),
        ("b", 0, 2),
    ]
    assert shelf.rows("SELECT cancelled_at IS NOT NULL FROM package") == [(not labelled,)]
    assert [packed for *_, packed in shelf.lines()] == ([5, 2] if labelled else [0, 0])
    shelf.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'again'")
    assert shelf.rows("SELECT sum(cancelled) FROM order_line") == [(7,)], "it closes once"
    assert shelf.breaches() == []


@pytest.mark.parametrize("called", [False, True])
def test_a_call_that_may_have_happened_keeps_its_package_when_the_order_closes(shelf, called):
    shelf.label(shelf.pack(shelf.first), "intended", called=called)
    shelf.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now()")
    assert shelf.rows("SELECT cancelled_at IS NOT NULL FROM package") == [(not called,)]
    assert shelf.breaches() == []


def test_of_two_parts_one_closes_alone(shelf):
    [other] = shelf.do(add_parts, [NewPart(shelf.first, shelf.order, 1, State.APPROVED)])
    shelf.do(set_quantities, [quantity(shelf, "a", 3)])
    shelf.do(add_quantities, [quantity(shelf, "a", 2, other)])
    shelf.rows(
        "UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now() WHERE id = %s",
        [other],
    )
    sums = shelf.rows("SELECT line_id, planned, cancelled FROM order_line ORDER BY line_id")
    assert sums == [("a", 3, 2), ("b", 2, 0)]
    assert shelf.breaches() == []


def test_control_without_the_trigger_a_closed_order_still_counts(shelf):
    shelf.rows("DROP TRIGGER closed_cancels_lines ON fulfillment_order")
    shelf.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now()")
    assert shelf.breaches() == ["planned_counts"]


@pytest.mark.parametrize(
    ("line", "told", "own"),
    [
        ({"shipped": 2, "waybill": "SF1"}, ShippedPieces("l1", "SF1", 2, is_written_back=False), {"l1": 2}),
        ({"shipped": 2, "waybill": "YTO1"}, ShippedPieces("l1", "SF1", 2, is_written_back=True), {}),
        ({"shipped": 2}, ShippedPieces("l1", "SF1", 2, is_written_back=True), {"l1": 2}),
        ({"shipped": 2}, ShippedPieces("l1", "SF1", 2, is_written_back=False), {}),
        ({}, ShippedPieces("l1", "SF1", 2, is_written_back=True), {}),
        ({"shipped": 2, "waybill": "SF1"}, ShippedPieces("l2", "SF1", 2, is_written_back=True), {}),
        (
            {"shipped": 2, "fulfilled_by": FulfilledBy.PLATFORM},
            ShippedPieces("l1", "SF1", 1, is_written_back=True),
            {"l1": 1},
        ),
    ],
)
def test_what_travels_under_our_number_is_ours(line, told, own):
    bare = OrderLine("l1", "p", "", "A", "", 2, Money(0, "CNY"), Money(0, "CNY"))
    order = SimpleNamespace(lines=(dataclasses.replace(bare, **line),))
    assert own_shipments(order, [told]) == own
