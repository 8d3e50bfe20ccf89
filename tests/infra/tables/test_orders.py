"""What goes into the rows comes out of them, and what is locked stays so."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.money import Money
from domain.order import (
    Address,
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
from domain.states import State
from infra.tables.holds import open_holds
from infra.tables.orders import (
    ORDERS,
    existing,
    line_rows,
    load_orders,
    lock_fulfillment,
    lock_fulfillment_of_orders,
    order_row,
)
from infra.tables.rows import rows_json

AT = datetime(2026, 6, 18, 20, 0, tzinfo=UTC)


def yuan(minor):
    return Money(minor, "CNY")


ORDER = Order(
    key=OrderKey("taobao", "s1", "T1"),
    state=PlatformState.TO_SHIP,
    order_type=OrderType.PRESALE,
    source=OrderSource.LIVE,
    member_level=MemberLevel.PLUS,
    buyer_id="买家",
    receiver=Address(
        "林**", "1**", "浙江省", "杭州市", "西湖区", "三墩镇", "文三路***", "310000", Pii.MASKED, "oaid-1"
    ),
    lines=(
        OrderLine("l1", "p1", "ps1", "A", "毛衣 🧶", 2, yuan(5000), yuan(9000), refund_open=True, refund_unknown=True),
        OrderLine("l2", "p2", "", "", "赠品", 1, yuan(0), yuan(0), is_gift=True, refunded=True),
    ),
    totals=Totals(yuan(10000), yuan(1000), yuan(600), yuan(0), yuan(10000), yuan(100), yuan(300), yuan(100)),
    created_at=AT,
    updated_at=AT,
    paid_at=None,
    ship_by=AT,
    balance_open=True,
    platform_hold=True,
    buyer_memo="'; DROP TABLE orders; --",
    seller_memo="备注",
    seller_flag=3,
)


@pytest.fixture
def admit(database):
    """Store an order with its fulfillment order; (order id, fulfillment order id)."""

    def admit(order=ORDER):
        key = order.key
        with database.transaction() as tx:
            raw_id = tx.execute(
                """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
                   VALUES (%s, %s, %s, gen_random_uuid()::text::bytea, 'pull', 'bulk', '') RETURNING id""",
                [key.platform, key.shop, key.platform_order_id],
            ).fetchone()[0]
            entered = {"state": "paid", "resume_state": None, "lane": "p1", "closed_reason": None}
            row = {**order_row(order), **entered, "raw_payload_id": raw_id, "received_at": AT.isoformat()}
            lines = [{"raw_payload_id": raw_id, **line} for line in line_rows(order)]
            found = tx.execute(ORDERS["admit"], {"orders": rows_json([row]), "lines": rows_json(lines)}).fetchall()
            return [(order_id, id_) for order_id, id_, _ in found]

    return admit


def test_an_order_comes_back_as_it_went_in(database, admit):
    [(order_id, _)] = admit()
    with database.transaction() as tx:
        assert load_orders(tx, [order_id, 404]) == {order_id: ORDER}


def test_an_order_is_admitted_once(admit):
    assert len(admit()) == 1
    assert admit() == []


def test_an_order_without_lines_comes_back_without_lines(database, admit):
    bare = replace(ORDER, lines=())
    [(order_id, _)] = admit(bare)
    with database.transaction() as tx:
        assert load_orders(tx, [order_id]) == {order_id: bare}


def test_an_order_id_is_unique_only_inside_its_shop(database, admit):
    keys = [OrderKey("taobao", "s1", "T1"), OrderKey("taobao", "s2", "T1"), OrderKey("douyin", "s1", "T1")]
    ids = [admit(replace(ORDER, key=key))[0][0] for key in keys]
    with database.transaction() as tx:
        found = existing(tx, [*keys, OrderKey("taobao", "s3", "T1")])
    assert found == {key: (id_, AT) for key, id_ in zip(keys, ids, strict=True)}


def test_fulfillment_orders_are_locked_in_their_order(database, admit):
    rows = [admit(replace(ORDER, key=OrderKey("taobao", "s1", str(n))))[0] for n in range(3)]
    with database.transaction() as tx:
        locked = lock_fulfillment(tx, [id_ for _, id_ in reversed(rows)])
        assert [one.id for one in locked] == [id_ for _, id_ in rows]
        assert (locked[0].state, locked[0].lane, locked[0].resume_state) == (State.PAID, Lane.P1, None)
        with database.connection() as other:
            free = other.execute("SELECT id FROM fulfillment_order FOR UPDATE SKIP LOCKED").fetchall()
    assert free == []


def test_holds_and_resume_states_are_found_by_their_orders(database, admit):
    [(order_id, id_)] = admit()
    with database.transaction() as tx:
        tx.execute("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'approved'")
        tx.execute(
            """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, released_at, released_by)
               VALUES (%s, 'platform_hold', 'review', 'service', now(), NULL, NULL),
                      (%s, 'buyer_changed', 'normalize', 'service', now(), now(), 'person')""",
            [id_, id_],
        )
        [locked] = lock_fulfillment_of_orders(tx, [order_id])[order_id]
        assert (locked.id, locked.state, locked.resume_state) == (id_, State.ON_HOLD, State.APPROVED)
        assert open_holds(tx, [id_, 404]) == {id_: [("platform_hold", "review")]}
