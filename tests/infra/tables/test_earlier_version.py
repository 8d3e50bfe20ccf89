"""What a worker of the version before lines writes is completed by triggers, for as long as one may run.

Its statements stand here as they were: they must go on working beside ours.
"""

import json
from datetime import UTC, datetime

import pytest

from infra.tables.invariants import INVARIANT
from infra.tables.migrate import FOLDER

_ADMIT = """
WITH incoming AS (
    SELECT * FROM json_to_recordset(%(orders)s::json) AS r(
        platform text, shop text, platform_order_id text, raw_payload_id bigint, platform_state text,
        order_type text, source text, member_level text, currency text, goods_minor bigint,
        discount_minor bigint, freight_minor bigint, tax_minor bigint, payable_minor bigint, paid_minor bigint,
        balance_open boolean, platform_hold boolean, placed_at timestamptz, changed_at timestamptz,
        paid_at timestamptz, ship_by timestamptz, buyer_id text, buyer_memo text, seller_memo text,
        seller_flag smallint, received_at timestamptz, name text, phone text, province text, city text,
        district text, town text, detail text, zip_code text, pii text, merge_token text,
        state text, resume_state text, lane text, lane_by text, closed_reason text)
), admitted AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
        seller_flag, received_at)
    SELECT platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
        seller_flag, received_at
    FROM incoming AS i
    WHERE NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.shop = i.shop
                      AND t.platform_order_id = i.platform_order_id AND t.platform = i.platform)
    ORDER BY shop, platform_order_id, platform
    ON CONFLICT (shop, platform_order_id, platform) DO NOTHING
    RETURNING id, raw_payload_id
), received AS (
    INSERT INTO receiver (order_id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token)
    SELECT a.id, name, phone, province, city, district, town, detail, zip_code, pii, merge_token
    FROM admitted AS a JOIN incoming USING (raw_payload_id)
), lined AS (
    INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
        paid_minor, is_gift, refund_open, refunded, refund_unknown)
    SELECT a.id, l.line_id, l.product_id, l.platform_sku, l.sku, l.title, l.quantity, l.unit_price_minor,
        l.paid_minor, l.is_gift, l.refund_open, l.refunded, l.refund_unknown
    FROM admitted AS a
    JOIN json_to_recordset(%(lines)s::json) AS l(
        raw_payload_id bigint, line_id text, product_id text, platform_sku text, sku text, title text,
        quantity integer, unit_price_minor bigint, paid_minor bigint, is_gift boolean, refund_open boolean,
        refunded boolean, refund_unknown boolean) USING (raw_payload_id)
)
INSERT INTO fulfillment_order (order_id, state, resume_state, lane, lane_by, closed_reason, finished_at)
SELECT a.id, i.state, i.resume_state, i.lane, i.lane_by, i.closed_reason, CASE WHEN i.state = 'closed' THEN now() END
FROM admitted AS a JOIN incoming AS i USING (raw_payload_id)
RETURNING order_id, id, (SELECT raw_payload_id FROM admitted WHERE admitted.id = order_id)
"""
_DROP_LINES = "DELETE FROM order_line WHERE order_id = ANY(%(ids)s)"
_ADD_LINES = """
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor,
    paid_minor, is_gift, refund_open, refunded, refund_unknown)
SELECT l.id, l.line_id, l.product_id, l.platform_sku, l.sku, l.title, l.quantity, l.unit_price_minor,
    l.paid_minor, l.is_gift, l.refund_open, l.refunded, l.refund_unknown
FROM json_to_recordset(%(lines)s::json) AS l(
    id bigint, line_id text, product_id text, platform_sku text, sku text, title text, quantity integer,
    unit_price_minor bigint, paid_minor bigint, is_gift boolean, refund_open boolean, refunded boolean,
    refund_unknown boolean)
"""
_CREATE_PACKAGES = """
INSERT INTO package (fulfillment_order_id, number, courier, account, location, service, weight_g)
SELECT r.fulfillment_order_id, 1, r.courier, r.account, r.location, r.service, r.weight_g
FROM json_to_recordset(%(rows)s::json)
     AS r(fulfillment_order_id bigint, courier text, account text, location text, service text, weight_g integer)
ORDER BY r.fulfillment_order_id
RETURNING id, fulfillment_order_id
"""
_AT = datetime(2026, 11, 22, tzinfo=UTC).isoformat()
_TEXTS = ("buyer_id", "buyer_memo", "seller_memo", "name", "phone", "province", "city", "district", "town", "detail")
_SUMS = ("planned_counts", "packed_counts", "never_beyond_sold", "nothing_is_forgotten")
BEFORE_REVIEW = [("pending_payment", None), ("paid", None), ("on_hold", "paid")]
AFTER_REVIEW = [("approved", None), ("allocated", None), ("on_hold", "approved"), ("packed", None)]


def line(line_id, pieces, **fields):
    return {
        "line_id": line_id,
        "product_id": "p",
        "platform_sku": "",
        "sku": line_id.upper(),
        "title": "",
        "quantity": pieces,
        "unit_price_minor": 0,
        "paid_minor": 0,
        "is_gift": False,
        "refund_open": False,
        "refunded": False,
        "refund_unknown": False,
    } | fields


class Earlier:
    """A worker of the earlier version, as far as it writes lines and packages."""

    def __init__(self, database):
        self.database = database
        self.order = self.part = 0

    def rows(self, query, values=None):
        with self.database.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def admit(self, *lines, state="paid", resume_state=None):
        [[raw_id]] = self.rows(
            """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
               VALUES ('taobao', 's1', 'T1', '', 'pull', 'bulk', '') RETURNING id"""
        )
        row = {
            **dict.fromkeys(_TEXTS, ""),
            **{f"{name}_minor": 0 for name in ("goods", "discount", "freight", "tax", "payable", "paid")},
            "platform": "taobao",
            "shop": "s1",
            "platform_order_id": "T1",
            "raw_payload_id": raw_id,
            "platform_state": "to_ship",
            "order_type": "normal",
            "source": "shelf",
            "member_level": "none",
            "currency": "CNY",
            "balance_open": False,
            "platform_hold": False,
            "placed_at": _AT,
            "changed_at": _AT,
            "seller_flag": 0,
            "received_at": _AT,
            "zip_code": "",
            "pii": "plain",
            "merge_token": "",
            "state": state,
            "resume_state": resume_state,
            "lane": "bulk",
            "closed_reason": "completed_elsewhere" if state == "closed" else None,
        }
        given = [{"raw_payload_id": raw_id, **one} for one in lines]
        [(self.order, self.part, _)] = self.rows(_ADMIT, {"orders": json.dumps([row]), "lines": json.dumps(given)})

    def amend(self, *lines):
        given = [{"id": self.order, **one} for one in lines]
        with self.database.transaction() as tx:
            tx.execute(_DROP_LINES, {"ids": [self.order]})
            tx.execute(_ADD_LINES, {"lines": json.dumps(given)})

    def pack(self):
        row = {"courier": "sf", "account": "sf/main", "location": "east", "service": "", "weight_g": 1}
        rows = json.dumps([{"fulfillment_order_id": self.part, **row}])
        [(package, _)] = self.rows(_CREATE_PACKAGES, {"rows": rows})
        return package

    def move(self, state, resume_state=None):
        self.rows("UPDATE fulfillment_order SET state = %s, resume_state = %s", [state, resume_state])

    def lines(self):
        """By line: quantity, planned, cancelled, elsewhere."""
        rows = self.rows("SELECT line_id, quantity, planned, cancelled, elsewhere FROM order_line ORDER BY line_id")
        return {line_id: tuple(sums) for line_id, *sums in rows}

    def planned(self):
        """By line: quantity, packed."""
        rows = self.rows("SELECT line_id, quantity, packed FROM fulfillment_line ORDER BY line_id")
        return {line_id: tuple(sums) for line_id, *sums in rows}

    def breaches(self):
        named = {"final_states": ["completed", "closed"], "limit": 9}
        return [name for name in _SUMS if self.rows(INVARIANT[name], named)]


@pytest.fixture
def earlier(database):
    return Earlier(database)


@pytest.mark.parametrize(("state", "resume"), BEFORE_REVIEW)
def test_what_it_admits_is_planned(earlier, state, resume):
    earlier.admit(line("a", 5), line("b", 2), line("c", 1, refunded=True), state=state, resume_state=resume)
    assert earlier.lines() == {"a": (5, 5, 0, 0), "b": (2, 2, 0, 0), "c": (1, 0, 1, 0)}
    assert earlier.planned() == {"a": (5, 0), "b": (2, 0)}
    assert earlier.breaches() == []


def test_of_what_it_admits_as_closed_nothing_is_planned(earlier):
    earlier.admit(line("a", 5), state="closed")
    assert (earlier.planned(), earlier.lines()["a"][1]) == ({}, 0)
    assert earlier.breaches() == []


def test_what_was_admitted_and_closed_before_stored_orders_got_their_lines_stays_as_it_is(earlier):
    earlier.admit(line("a", 5))
    earlier.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'refunded', finished_at = now()")
    earlier.rows((FOLDER / "0013_pre_lines_of_stored.sql").read_text())
    assert earlier.lines() == {"a": (5, 0, 5, 0)}
    assert earlier.breaches() == []


@pytest.mark.parametrize(("state", "resume"), BEFORE_REVIEW)
@pytest.mark.parametrize(
    ("newer", "sums", "plan"),
    [
        ([line("a", 5), line("b", 2)], {"a": (5, 5, 0, 0), "b": (2, 2, 0, 0)}, {"a": (5, 0), "b": (2, 0)}),
        ([line("a", 3), line("b", 4)], {"a": (3, 3, 0, 0), "b": (4, 4, 0, 0)}, {"a": (3, 0), "b": (4, 0)}),
        (
            [line("a", 5, refunded=True), line("b", 2)],
            {"a": (5, 0, 5, 0), "b": (2, 2, 0, 0)},
            {"a": (0, 0), "b": (2, 0)},
        ),
        (
            [line("a", 5), line("b", 2), line("c", 1)],
            {"a": (5, 5, 0, 0), "b": (2, 2, 0, 0), "c": (1, 1, 0, 0)},
            {"a": (5, 0), "b": (2, 0), "c": (1, 0)},
        ),
    ],
)
def test_what_it_updates_before_the_review_is_planned_anew(earlier, state, resume, newer, sums, plan):  # noqa: PLR0917 - a table of three
    earlier.admit(line("a", 5), line("b", 2), state=state, resume_state=resume)
    for _ in range(2):
        earlier.amend(*newer)
        assert (earlier.lines(), earlier.planned(), earlier.breaches()) == (sums, plan, [])


def test_a_refund_that_it_takes_back_is_planned_again(earlier):
    earlier.admit(line("a", 5), line("b", 2))
    earlier.amend(line("a", 5, refunded=True), line("b", 2))
    earlier.amend(line("a", 5), line("b", 2))
    assert earlier.lines() == {"a": (5, 5, 0, 0), "b": (2, 2, 0, 0)}
    assert (earlier.planned(), earlier.breaches()) == ({"a": (5, 0), "b": (2, 0)}, [])


def test_a_line_that_it_leaves_out_stays_and_is_missing(earlier):
    earlier.admit(line("a", 5), line("b", 2))
    earlier.amend(line("a", 5))
    assert earlier.rows("SELECT line_id, is_missing FROM order_line ORDER BY line_id") == [("a", False), ("b", True)]
    assert (earlier.lines()["b"], earlier.breaches()) == ((2, 2, 0, 0), [])
    earlier.amend(line("a", 5), line("b", 2))
    assert earlier.rows("SELECT bool_or(is_missing) FROM order_line") == [(False,)]


@pytest.mark.parametrize(("state", "resume"), AFTER_REVIEW)
@pytest.mark.parametrize("newer", [[line("a", 3)], [line("a", 5, refunded=True)], [line("a", 5, refund_open=True)]])
def test_what_it_updates_after_the_review_keeps_its_plan_for_the_hold(earlier, state, resume, newer):
    earlier.admit(line("a", 5))
    earlier.move(state, resume)
    earlier.amend(*newer)
    assert (earlier.lines(), earlier.planned(), earlier.breaches()) == ({"a": (5, 5, 0, 0)}, {"a": (5, 0)}, [])
    [fields] = earlier.rows("SELECT refund_open, refunded, is_missing FROM order_line")
    assert fields == (newer[0]["refund_open"], newer[0]["refunded"], False)


def test_its_package_holds_all_that_is_planned(earlier):
    earlier.admit(line("a", 5), line("b", 2), line("c", 1, refunded=True))
    earlier.move("allocated")
    package = earlier.pack()
    assert earlier.rows("SELECT package_id, line_id, quantity FROM package_line ORDER BY line_id") == [
        (package, "a", 5),
        (package, "b", 2),
    ]
    assert (earlier.planned(), earlier.breaches()) == ({"a": (5, 5), "b": (2, 2)}, [])


def test_what_it_updates_in_a_package_stays_packed(earlier):
    earlier.admit(line("a", 5))
    earlier.move("paid")
    earlier.pack()
    earlier.amend(line("a", 3))
    assert (earlier.lines(), earlier.planned(), earlier.breaches()) == ({"a": (5, 5, 0, 0)}, {"a": (5, 5)}, [])


@pytest.mark.parametrize("packs", [False, True])
def test_what_it_closes_is_cancelled(earlier, packs):
    earlier.admit(line("a", 5), line("b", 2))
    earlier.move("allocated")
    if packs:
        earlier.pack()
    earlier.amend(line("a", 5, refunded=True), line("b", 2, refunded=True))
    earlier.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now()")
    assert earlier.lines() == {"a": (5, 0, 5, 0), "b": (2, 0, 2, 0)}
    assert earlier.rows("SELECT count(*) FROM package WHERE cancelled_at IS NULL") == [(0,)]
    assert earlier.breaches() == []


_TRIGGERS = [
    ("earlier_version_plans", "order_line"),
    ("earlier_version_updates", "order_line"),
    ("earlier_version_packs", "package"),
]


def write_all(earlier):
    earlier.admit(line("a", 5), line("b", 2))
    earlier.amend(line("a", 3), line("b", 2), line("c", 1))
    earlier.move("allocated")
    earlier.pack()
    return earlier.rows("SELECT count(*) FROM package_line") == [(3,)] and not earlier.breaches()


def test_all_that_it_writes_is_completed(earlier):
    assert write_all(earlier)


@pytest.mark.parametrize(("trigger", "table"), _TRIGGERS)
def test_control_without_one_of_the_triggers_it_is_not(earlier, trigger, table):
    earlier.rows(f"DROP TRIGGER {trigger} ON {table}")
    try:
        is_complete = write_all(earlier)
    except Exception:  # noqa: BLE001 - the statement of the earlier version no longer works at all
        is_complete = False
    assert not is_complete


def test_a_line_of_somebody_else_is_not_planned_by_it(earlier):
    earlier.admit(line("a", 5), line("b", 2))
    earlier.rows("DELETE FROM fulfillment_line WHERE line_id = 'b'")
    earlier.rows("UPDATE order_line SET fulfilled_by = 'platform', planned = 0 WHERE line_id = 'b'")
    earlier.amend(line("a", 5), line("b", 2))
    assert (earlier.lines()["b"], earlier.planned()) == ((2, 0, 0, 0), {"a": (5, 0)})


def test_what_it_adds_to_a_closed_order_is_cancelled(earlier):
    earlier.admit(line("a", 5))
    earlier.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now()")
    earlier.amend(line("a", 7), line("b", 2))
    assert earlier.lines() == {"a": (7, 0, 7, 0), "b": (2, 0, 2, 0)}


def test_a_package_with_a_waybill_outlives_what_it_closes(earlier):
    earlier.admit(line("a", 5))
    earlier.move("allocated")
    earlier.rows(
        """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
           VALUES (%s, 1, 'R1', 'sf', 'booked', 'SF1', now())""",
        [earlier.pack()],
    )
    earlier.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'test', finished_at = now()")
    assert (earlier.lines(), earlier.planned(), earlier.breaches()) == ({"a": (5, 0, 5, 0)}, {"a": (5, 5)}, [])
