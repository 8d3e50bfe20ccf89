"""A case is one row for its shop and id; what happens again opens no second."""

import pytest

from domain.cases import CASES, CaseKind, case_id_of
from infra.tables.cases import NewCase, close_case, count_open_cases, open_cases

SHOP = "taobao/s1"


@pytest.fixture
def order_id(database):
    with database.connection() as connection:
        return connection.execute(
            """WITH raw AS (
                   INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
                   VALUES ('taobao', 's1', '1', '', 'pull', 'p1', '') RETURNING id)
               INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type,
                   source, member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor,
                   paid_minor, balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo,
                   seller_flag, received_at)
               SELECT 'taobao', 's1', '1', id, 'to_ship', 'normal', '', '', 'CNY', 0, 0, 0, 0, 0, 0, false, false,
                   now(), now(), '', '', '', 0, now() FROM raw RETURNING id"""
        ).fetchone()[0]


def lost(order_id, shop=SHOP):
    return NewCase(
        shop=shop,
        case_id=case_id_of(CaseKind.LOST, "R-1-1"),
        kind=CaseKind.LOST,
        order_id=order_id,
        facts={"code": "6"},
    )


def test_a_repeated_event_opens_no_second_case(database, order_id):
    with database.transaction() as tx:
        assert open_cases(tx, [lost(order_id)]) == {"lost-R-1-1"}
        assert open_cases(tx, [lost(order_id), lost(order_id, "taobao/s2")]) == {"lost-R-1-1"}
        assert count_open_cases(tx, [order_id]) == {order_id: 2}
        row = tx.execute(
            "SELECT owner, extract(epoch FROM due_at - opened_at)::int, facts FROM order_case WHERE shop = %s", [SHOP]
        ).fetchone()
        rule = CASES[CaseKind.LOST]
        assert row == (rule.owner, rule.due_h * 3600, {"code": "6"})


def test_a_closed_case_stays_closed(database, order_id):
    with database.transaction() as tx:
        open_cases(tx, [lost(order_id)])
        assert close_case(tx, SHOP, "lost-R-1-1", "li", "found again")
        assert not close_case(tx, SHOP, "lost-R-1-1", "li", "twice")
        assert open_cases(tx, [lost(order_id)]) == set()
        assert count_open_cases(tx, [order_id]) == {}
        assert tx.execute("SELECT closed_by, reason FROM order_case").fetchall() == [("li", "found again")]
