"""Each breach, planted in a house in order, is reported, and nothing else is."""

import itertools

import pytest
import structlog

from domain.states import State
from infra.monitoring.invariants import find_breaches, report_breaches
from infra.tables.invariants import SENTENCES

ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', %(number)s, '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
        seller_flag, received_at, created_at)
    SELECT 'taobao', 's1', %(number)s, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false,
        now() - interval '1 day', now(), now() - interval '1 day', now() + interval '1 day', '', '', '', 0, now(),
        now() - interval '1 day' FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, resume_state, lane, finished_at, closed_reason)
SELECT id, %(state)s, CASE WHEN %(state)s = 'on_hold' THEN 'paid' END, 'bulk',
    CASE WHEN %(state)s IN ('closed', 'completed') THEN now() END, CASE WHEN %(state)s = 'closed' THEN 'test' END
FROM made RETURNING id
"""
LINE = """INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
              paid_minor, is_gift, refund_open, refunded, planned, cancelled)
          SELECT order_id, 'l1', 'p', '', 'TEE', '', 2, 0, 0, false, false, false,
              CASE WHEN state = 'closed' THEN 0 ELSE 2 END, CASE WHEN state = 'closed' THEN 2 ELSE 0 END
          FROM fulfillment_order WHERE id = %s"""
PLANNED = """INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity)
             SELECT id, order_id, 'l1', 2 FROM fulfillment_order WHERE id = %s"""
PACKED = """WITH packed AS (
                INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
                SELECT p.id, l.fulfillment_order_id, l.order_id, l.line_id, l.quantity
                FROM package AS p JOIN fulfillment_line AS l USING (fulfillment_order_id) WHERE p.id = %s
                ON CONFLICT DO NOTHING)
            UPDATE fulfillment_line SET packed = quantity
            WHERE fulfillment_order_id = (SELECT fulfillment_order_id FROM package WHERE id = %s)"""
HOLD = """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
          VALUES (%s, 'amount_mismatch', 'review', 'finance', now())"""
WORK = "INSERT INTO work (step, subject_id, lane) VALUES (%s, %s, 'bulk')"
PACKAGE = """INSERT INTO package (fulfillment_order_id, number, courier, account, location, handed_over_at)
             VALUES (%s, 1, 'sf', 'sf/main', 'east', CASE WHEN %s THEN now() END) RETURNING id"""
SHIPMENT = """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
              VALUES (%s, 1, 'R-' || %s, 'sf', 'booked', 'SF' || %s, now())"""
TOLD = """WITH w AS (INSERT INTO writeback (package_id, order_id, status, shipped_at, confirmed_at)
                     SELECT %(package)s, order_id, 'confirmed', now(), now() FROM fulfillment_order WHERE id = %(id)s)
          INSERT INTO notice (package_id, event, channel, status, occurred_at, told_at)
          VALUES (%(package)s, 'package.shipped', 'webhook/buyers', 'told', now(), now())"""
# For planting: the one fulfillment order in a state, and its package.
NAMES = """
CREATE FUNCTION order_in(wanted text) RETURNS bigint LANGUAGE sql
    AS 'SELECT id FROM fulfillment_order WHERE state = wanted';
CREATE FUNCTION package_in(wanted text) RETURNS bigint LANGUAGE sql
    AS 'SELECT id FROM package WHERE fulfillment_order_id = order_in(wanted)'
"""
STOCK = """
WITH p AS (INSERT INTO stock_pool (sku, on_hand, reserved, allocated) VALUES ('TEE', 10, 2, 3)),
     l AS (INSERT INTO stock_location (sku, location, on_hand, allocated) VALUES ('TEE', 'east', 10, 3))
SELECT
"""
RESERVATION = (
    "INSERT INTO reservation (fulfillment_order_id, sku, quantity, status, location) VALUES (%s, 'TEE', %s, %s, %s)"
)


class StoredHouse:
    """Orders in all states, planted row by row; by state, the fulfillment order's id."""

    def __init__(self, db) -> None:
        self.db = db
        self.ids: dict[str, int] = {}

    def rows(self, query, values=None):
        with self.db.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def order(self, state: str, number: str) -> int:
        [[id_]] = self.rows(ORDER, {"number": number, "state": state})
        self.rows(LINE, (id_,))
        self.rows(PLANNED, (id_,))
        self.ids[state] = id_
        return id_

    def package(self, id_: int, *, left: bool) -> int:
        [[package]] = self.rows(PACKAGE, (id_, left))
        self.rows(PACKED, (package, package))
        self.rows(SHIPMENT, (package, package, package))
        if left:
            self.rows(TOLD, {"package": package, "id": id_})
        return package

    def breaches(self):
        with self.db.connection() as session:
            return find_breaches(session)


@pytest.fixture
def house(database):
    house = StoredHouse(database)
    numbers = map(str, itertools.count(1))
    for state in State:
        id_ = house.order(state, next(numbers))
        if state is State.ON_HOLD:
            house.rows(HOLD, (id_,))
        elif state in {State.PAID, State.APPROVED}:
            house.rows(WORK, ("review" if state is State.PAID else "route", id_))
        elif state in {State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED}:
            house.package(id_, left=False)
        elif state in {State.IN_TRANSIT, State.DELIVERED, State.COMPLETED}:
            house.package(id_, left=True)
    house.rows(NAMES)
    house.rows(STOCK)
    house.rows(RESERVATION, (house.ids["paid"], 2, "reserved", None))
    house.rows(RESERVATION, (house.ids["packed"], 3, "allocated", "east"))
    house.rows(
        """INSERT INTO event (fulfillment_order_id, kind, step, cause, from_state, to_state)
           VALUES (1, 'route_moved', 'route', 'allocator', 'approved', 'allocated'),
                  (1, 'warehouse_moved', 'warehouse', 'platform', 'in_transit', 'after_sale'),
                  (1, 'move_refused', 'route', 'rules', 'closed', 'paid')"""
    )
    return house


PACKAGE_OF_HELD = """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
                     VALUES (order_in('on_hold'), 1, 'sf', 'sf/main', 'east')"""
OTHERWISE_HELD = """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
                    VALUES (order_in('packed'), 'buyer_changed', 'normalize', 'service', now()),
                           (order_in('closed'), 'buyer_changed', 'normalize', 'service', now())"""
ASKED_STOP = """INSERT INTO stop (fulfillment_order_id, order_id, asked_by, author, code, goal)
                SELECT id, order_id, 'person', 'li', 'person', 'close' FROM fulfillment_order
                WHERE id = order_in('packed')"""
ENDED_STOP = """INSERT INTO stop (fulfillment_order_id, order_id, asked_by, author, code, goal, status, ended_at)
                SELECT id, order_id, 'person', 'li', 'person', 'close', 'stopped', now() FROM fulfillment_order
                WHERE id = order_in('closed')"""

PLANTED = {
    "nothing due": ("open_order_moves", ["DELETE FROM work WHERE step = 'route'"]),
    "nothing due for what is ours": (
        "open_order_moves",
        ["DELETE FROM work WHERE step = 'review'", "UPDATE orders SET fulfilled_by = 'unknown'"],
    ),
    "approved, though it is not ours": (
        "open_order_moves",
        ["DELETE FROM work WHERE step = 'route'", "UPDATE orders SET fulfilled_by = 'platform'"],
    ),
    "released and forgotten": ("open_order_moves", ["UPDATE hold SET released_at = now(), released_by = 'me'"]),
    "no package": (
        "open_order_moves",
        [
            "DELETE FROM shipment WHERE package_id = package_in('allocated')",
            "DELETE FROM package_line WHERE package_id = package_in('allocated')",
            "UPDATE fulfillment_line SET packed = 0 WHERE fulfillment_order_id = order_in('allocated')",
            "DELETE FROM package WHERE fulfillment_order_id = order_in('allocated')",
        ],
    ),
    "a package that was cancelled": (
        "open_order_moves",
        [
            "DELETE FROM shipment WHERE package_id = package_in('allocated')",
            "UPDATE fulfillment_line SET packed = 0 WHERE fulfillment_order_id = order_in('allocated')",
            "UPDATE package SET cancelled_at = now() WHERE id = package_in('allocated')",
        ],
    ),
    "a package nobody labels": (
        "open_order_moves",
        ["UPDATE shipment SET status = 'intended', waybill = NULL WHERE package_id = package_in('packed')"],
    ),
    "late in silence": (
        "clock_is_heard",
        ["UPDATE orders SET ship_by = now() - interval '1 hour' WHERE id = order_in('paid')"],
    ),
    "a hold of nobody": ("hold_has_owner", ["UPDATE hold SET owner = ''"]),
    "an end without its time": (
        "final_has_time",
        [
            "ALTER TABLE fulfillment_order DROP CONSTRAINT final_state_has_its_time",
            "UPDATE fulfillment_order SET finished_at = NULL WHERE state = 'completed'",
        ],
    ),
    "a move outside the table": (
        "history_is_legal",
        ["UPDATE event SET from_state = 'packed', to_state = 'paid' WHERE kind = 'route_moved'"],
    ),
    "a move by the wrong hand": ("history_is_legal", ["UPDATE event SET cause = 'courier' WHERE kind = 'route_moved'"]),
    "two live shipments": (
        "one_live_shipment",
        [
            "DROP INDEX shipment_one_live_a_package",
            """INSERT INTO shipment (package_id, generation, reference, courier, status)
                VALUES (package_in('packed'), 2, 'second', 'sf', 'intended')""",
        ],
    ),
    "a call that nobody asks about": (
        "intent_is_resolved",
        [
            PACKAGE_OF_HELD,
            """INSERT INTO shipment (package_id, generation, reference, courier, status, call_deadline)
               VALUES (package_in('on_hold'), 1, 'unheard', 'sf', 'intended', now())""",
        ],
    ),
    "a document that nobody asks about": (
        "document_is_resolved",
        [
            """INSERT INTO placement (fulfillment_order_id, location, generation, reference, status, call_deadline)
               VALUES (order_in('packed'), 'east', 1, 'unheard', 'intended', now())""",
        ],
    ),
    "two live documents": (
        "one_live_document",
        [
            "DROP INDEX placement_one_live",
            """INSERT INTO placement (fulfillment_order_id, location, generation, reference, status)
               SELECT order_in('packed'), 'east', n, 'R' || n, 'intended' FROM generate_series(1, 2) AS n""",
        ],
    ),
    "a waybill that nobody wants": (
        "unwanted_is_shown",
        [
            "UPDATE package SET fulfillment_order_id = order_in('closed') WHERE id = package_in('packed')",
            OTHERWISE_HELD,
        ],
    ),
    "an open stop that nobody carries on": ("stop_goes_on", [ASKED_STOP]),
    "held as stopping without a stop": (
        "stopping_is_stopping",
        ["UPDATE hold SET code = 'stopping' WHERE fulfillment_order_id = order_in('on_hold')"],
    ),
    "stopped, and its waybill lives": (
        "nothing_leaves_after_stopped",
        [
            "UPDATE package SET fulfillment_order_id = order_in('closed') WHERE id = package_in('packed')",
            OTHERWISE_HELD,
            """UPDATE hold SET code = 'unwanted_waybill' WHERE fulfillment_order_id = order_in('closed')""",
            ENDED_STOP,
        ],
    ),
    "gone without a waybill": (
        "shipped_has_waybill",
        [
            "DELETE FROM writeback WHERE package_id = package_in('in_transit')",
            "UPDATE package SET handed_over_at = NULL WHERE id = package_in('in_transit')",
            "UPDATE shipment SET status = 'voided', voided_at = now() WHERE package_id = package_in('in_transit')",
        ],
    ),
    "a counter that drifted": ("pool_counts", ["UPDATE stock_pool SET reserved = 3"]),
    "a location that drifted": ("location_counts", ["UPDATE stock_location SET allocated = 4"]),
    "oversold": (
        "never_oversold",
        ["ALTER TABLE stock_pool DROP CONSTRAINT pool_never_oversold", "UPDATE stock_pool SET on_hand = 4"],
    ),
    "a closed order that keeps stock": (
        "closed_frees_stock",
        ["UPDATE reservation SET fulfillment_order_id = order_in('closed') WHERE status = 'reserved'"],
    ),
    "planned and not counted": (
        "planned_counts",
        [
            "UPDATE fulfillment_line SET quantity = 1, packed = 0 WHERE fulfillment_order_id = order_in('paid')",
        ],
    ),
    "counted as planned by a closed order": (
        "planned_counts",
        ["UPDATE order_line SET planned = 2, cancelled = 0 WHERE order_id = order_in('closed')"],
    ),
    "packed and not counted": (
        "packed_counts",
        ["UPDATE fulfillment_line SET packed = 1 WHERE fulfillment_order_id = order_in('packed')"],
    ),
    "counted as packed in a package that was cancelled": (
        "packed_counts",
        [
            "UPDATE package SET cancelled_at = now() WHERE id = package_in('in_transit')",
            """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
                VALUES (order_in('in_transit'), 2, 'sf', 'sf/main', 'east')""",
            """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
                SELECT max(id), 1, 'R-more', 'sf', 'booked', 'SFmore', now() FROM package""",
        ],
    ),
    "more than was sold": (
        "never_beyond_sold",
        [
            "ALTER TABLE order_line DROP CONSTRAINT never_more_than_sold",
            "UPDATE order_line SET elsewhere = 1 WHERE order_id = order_in('paid')",
        ],
    ),
    "more in boxes than planned": (
        "never_beyond_sold",
        [
            "ALTER TABLE fulfillment_line DROP CONSTRAINT never_more_packed_than_planned",
            "UPDATE package_line SET quantity = 3 WHERE package_id = package_in('packed')",
            "UPDATE fulfillment_line SET packed = 3 WHERE fulfillment_order_id = order_in('packed')",
        ],
    ),
    "sold and planned by nobody": (
        "nothing_is_forgotten",
        ["UPDATE order_line SET quantity = 3 WHERE order_id = order_in('packed')"],
    ),
    "confirmed without a waybill": (
        "confirmed_is_booked",
        [
            """INSERT INTO writeback (package_id, order_id, status, shipped_at, confirmed_at)
                SELECT p.id, f.order_id, 'confirmed', now(), now()
                FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
                WHERE p.id = package_in('allocated')""",
            "UPDATE shipment SET status = 'intended', waybill = NULL WHERE package_id = package_in('allocated')",
            "INSERT INTO work (step, subject_id, lane) VALUES ('label', package_in('allocated'), 'bulk')",
        ],
    ),
    "handed over, and the platform never hears": (
        "platform_will_hear",
        ["DELETE FROM writeback WHERE package_id = package_in('delivered')"],
    ),
    "a write-back that nobody carries on": (
        "platform_will_hear",
        ["UPDATE writeback SET status = 'sending', confirmed_at = NULL WHERE package_id = package_in('delivered')"],
    ),
    "a notice that nobody carries on": ("buyer_will_hear", ["UPDATE notice SET status = 'pending', told_at = NULL"]),
    "a payload nobody reads": (
        "payload_is_read",
        [
            """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
               VALUES ('taobao', 's1', 'lost', '', 'pull', 'bulk', '')"""
        ],
    ),
    "work of nothing": ("work_has_subject", ["INSERT INTO work (step, subject_id, lane) VALUES ('label', 999, 'p0')"]),
}


def test_a_house_in_order_has_no_breach(house):
    assert house.breaches() == []


@pytest.mark.parametrize(("name", "harm"), PLANTED.values(), ids=PLANTED)
def test_a_planted_breach_is_reported_and_nothing_else(house, name, harm):
    for statement in harm:
        house.rows(statement)
    found = house.breaches()
    assert [breach.name for breach in found] == [name]
    assert found[0].examples
    assert found[0].sentence == SENTENCES[name]


ANSWERS = {
    "due": "INSERT INTO work (step, subject_id, lane) VALUES ('label', package_in('on_hold'), 'bulk')",
    "hold of its label": """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
                            VALUES (order_in('on_hold'), 'waybill_error', 'label', 'logistics', now())""",
    "dead letter": """INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts,
                                               crashes, owner, due_at)
                      VALUES ('label', package_in('on_hold'), 'bulk', '', 'x', 'f', '[{}]', 1, 0, 'me', now())""",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_call_that_may_have_happened_is_somebodys(house, answer):
    for statement in (*PLANTED["a call that nobody asks about"][1], answer):
        house.rows(statement)
    assert house.breaches() == []


def test_what_is_booked_under_a_hold_is_told_after_it(house):
    house.rows(PACKAGE_OF_HELD)
    house.rows(
        """INSERT INTO writeback (package_id, order_id, status, shipped_at)
           SELECT package_in('on_hold'), order_id, 'pending', now() FROM fulfillment_order WHERE state = 'on_hold'"""
    )
    assert house.breaches() == []
    house.rows("UPDATE fulfillment_order SET state = 'allocated', resume_state = NULL WHERE state = 'on_hold'")
    assert "platform_will_hear" in {breach.name for breach in house.breaches()}


@pytest.mark.parametrize("fulfilled_by", ["platform", "pickup", "nobody", "courier"])
def test_what_is_not_ours_waits_as_paid_and_is_planned_by_nobody(house, fulfilled_by):
    house.rows("DELETE FROM work WHERE subject_id = order_in('paid')")
    house.rows("DELETE FROM fulfillment_line WHERE fulfillment_order_id = order_in('paid')")
    house.rows("UPDATE order_line SET planned = 0 WHERE order_id = order_in('paid')")
    assert {breach.name for breach in house.breaches()} == {"open_order_moves", "nothing_is_forgotten"}
    for table, key in (("orders", "id"), ("order_line", "order_id")):
        house.rows(f"UPDATE {table} SET fulfilled_by = %s WHERE {key} = order_in('paid')", (fulfilled_by,))  # noqa: S608 - names of this test
    assert house.breaches() == []


def test_of_an_order_that_has_ended_nothing_is_asked_any_more(house):
    for state in ("completed", "closed"):
        house.rows("UPDATE order_line SET quantity = 3 WHERE order_id = order_in(%s)", (state,))
    assert house.breaches() == []


def test_every_invariant_has_a_breach_that_shows_it():
    assert {name for name, _ in PLANTED.values()} == set(SENTENCES)


def test_a_decision_of_a_person_settles_what_is_not_told(house):
    house.rows("UPDATE notice SET status = 'pending', told_at = NULL")
    house.rows("UPDATE writeback SET status = 'pending', confirmed_at = NULL")
    letter = """INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes,
                                         owner, due_at)
                SELECT %s, id, 'bulk', '', 'x', 'f', '[]', 1, 0, 'engineering', now() FROM {}"""
    house.rows(letter.format("package"), ("writeback",))
    house.rows(letter.format("notice"), ("notify",))
    assert house.breaches() == []


@pytest.mark.parametrize("who", ["platform", "pickup", "nobody", "courier"])
def test_what_others_fulfil_rests_until_its_platform_shows_its_end(house, who):
    house.rows("DELETE FROM work WHERE step = 'review'")
    assert [breach.name for breach in house.breaches()] == ["open_order_moves"]
    house.rows("UPDATE orders SET fulfilled_by = %s WHERE id = order_in('paid')", (who,))
    assert house.breaches() == []


def test_many_breaches_are_cut_short(house):
    house.rows("INSERT INTO work (step, subject_id, lane) SELECT 'label', 1000 + n, 'p0' FROM generate_series(1, 50) n")
    [breach] = house.breaches()
    assert breach.is_more
    assert len(breach.examples) == 20


def test_the_round_of_the_schedule_logs_each_breach_and_the_count(house):
    with structlog.testing.capture_logs() as lines:
        assert report_breaches(house.db) == 0
        house.rows("UPDATE stock_pool SET reserved = 3")
        assert report_breaches(house.db) == 1
    assert [line["event"] for line in lines] == ["invariants_checked", "invariant_breached", "invariants_checked"]
    assert lines[1]["invariant"] == "pool_counts"
    assert lines[1]["log_level"] == "error"
    assert [line["breached"] for line in lines if line["event"] == "invariants_checked"] == [0, 1]
