"""Answers in which one part is odd: it costs its own order, and nothing beside it."""

import json
from datetime import UTC, datetime

import pytest

from adapters.platforms.taobao.answers import read_decrypted, read_page, read_status
from adapters.platforms.taobao.trade import raw_order, read_facts, read_order
from domain.errors import FulfilmentError, Malformed, Poison
from domain.order import LaneFacts

END = datetime(2026, 11, 22, 2, tzinfo=UTC)
GOOD = [
    {"tid": 2_900_000_000_000_000_000 + n, "modified": "2026-11-22 09:00:00", "status": "TRADE_FINISHED"}
    for n in range(60)
]
TRADE = {
    "tid": 1,
    "type": "fixed",
    "shipping_type": "express",
    "status": "WAIT_SELLER_SEND_GOODS",
    "created": "2026-11-22 09:00:00",
    "modified": "2026-11-22 09:10:00",
    "pay_time": "2026-11-22 09:01:00",
    "payment": "10.00",
    "total_fee": "10.00",
    "orders": {
        "order": [
            {"oid": 1, "outer_iid": "A", "num": 1, "price": "10.00", "payment": "10.00", "refund_status": "NO_REFUND"}
        ]
    },
}
PLACE = '"here"'


def listing(row: str) -> bytes:
    """Sixty good rows, and one in their middle that is written as given."""
    rows = [*map(json.dumps, GOOD[:30]), row, *map(json.dumps, GOOD[30:])]
    page = json.dumps({"trades_sold_increment_get_response": {"trades": {"trade": ["here"]}, "total_results": 61}})
    return page.replace(PLACE, ",".join(rows)).encode("utf-8", "surrogatepass")


def trade(**changed) -> bytes:
    return json.dumps({"trade": {**TRADE, **changed}}).encode()


@pytest.mark.parametrize(
    "row",
    [
        '{"tid":1e99999999999999999999}',
        '{"tid":NaN}',
        '{"tid":%s}' % ("9" * 5_000),
        '{"tid":[1]}',
        '{"tid":"x"}',
        '{"tid":"%s"}' % ("1" * 3_000),
        '{"modified":"2026-11-22 09:00:00"}',
        '{"tid":%s}' % ("[" * 2_000 + "]" * 2_000),
        '{"tid":"1\\ud83d"}',
        '{"tid":"\udcff"}',
        "7",
        "null",
        "[]",
    ],
)
def test_a_row_whose_order_cannot_be_read_costs_no_other_row(row):
    page = read_page(listing(row), END, use_has_next=False)
    assert len(page.rows) == len(GOOD)
    assert [(one.position, one.code in {"field_invalid", "field_missing"}) for one in page.rejected] == [(30, True)]
    assert (page.total, page.has_next) == (61, False)


@pytest.mark.parametrize("field", ["modified", "status", "unread"])
@pytest.mark.parametrize(
    "value", ['"0001-01-01 00:00:00"', "1e99999999999999999999", "NaN", "[]", '"%s"' % ("x" * 9_000)]
)
def test_a_row_is_listed_whatever_stands_beside_its_order_s_id(field, value):
    page = read_page(listing(f'{{"tid":7,"{field}":{value}}}'), END, use_has_next=False)
    assert (len(page.rows), page.rejected) == (len(GOOD) + 1, ())
    assert (page.rows[30].platform_order_id, page.rows[30].changed_at) == ("7", END)


def test_one_receiver_that_cannot_be_read_is_its_own_answer():
    rows = [
        {"tid": "1", "matched": True, "name": ["x"]},
        {"tid": ["2"]},
        7,
        {"tid": "3", "matched": True, "name": "a", "mobile": "1", "address_detail": "d"},
    ]
    found = read_decrypted(json.dumps({"receiver_list": rows}).encode(), dict.fromkeys("1234", "t"))
    assert [type(found[tid]).__name__ for tid in "1234"] == ["Malformed", "Malformed", "Address", "Malformed"]
    assert found["2"].code == found["4"].code == "receiver_not_answered"


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00", "0000-00-00 00:00:00", "9999-12-31 23:59:59"])
def test_a_payment_time_that_stands_for_none_is_none(text):
    assert read_order(trade(pay_time=text), "s").paid_at is None
    with pytest.raises(Poison) as caught:
        read_order(trade(created=text), "s")
    assert caught.value.facts == {"field": "trade.created"}


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-11-24 24:00前发货", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("2026年11月24日24:00:00", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("2026-11-25 00:00", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("2026-11-24 24:01", None),
        ("0001-01-01 00:00:00", None),
        ("9999-12-31 24:00", None),
        ("2026-02-30", None),
    ],
)
def test_a_promise_until_the_end_of_a_day_is_the_beginning_of_the_next(text, due):
    assert read_order(trade(estimate_con_time=text), "s").ship_by == due


def test_a_span_that_ends_after_2100_is_no_promise():
    assert read_order(trade(pay_time="2099-01-01 00:00:00", estimate_con_time="付款后9999天"), "s").ship_by is None


@pytest.mark.parametrize(
    "attr",
    [
        '{"live":1e99999999999999999999}',
        '{"live":%s}' % ("9" * 6_000),
        "[" * 994 + "]" * 994,
        '{"live":' + '{"a":' * 60 + "1" + "}" * 61,
        '{"live":[[1]],"vip":{"a":1}}',
        '{"live":"\\ud83d"}',
        "x" * 5_000,
    ],
)
def test_tags_of_any_kind_are_no_reason_to_stop_an_order(attr):
    assert read_facts(trade(trade_attr=attr)) == LaneFacts()
    assert read_order(trade(trade_attr=attr), "s").lines


@pytest.mark.parametrize("value", ["1e99999999999999999999", "-0e999999999", "9" * 6_000, "[" * 60 + "]" * 60])
def test_a_field_that_nobody_reads_stops_nothing_and_is_part_of_the_version(value):
    plain, odd = trade(), trade(point_fee="here").replace(PLACE.encode(), value.encode())
    assert read_order(odd, "s") == read_order(plain, "s")
    assert raw_order(odd).version != raw_order(plain).version
    assert raw_order(odd).version == raw_order(odd).version


def test_an_unknown_status_is_shown_only_where_it_is_a_code():
    def shown(status: str) -> object:
        with pytest.raises(Poison) as caught:
            read_order(trade(status=status), "s")
        return caught.value.facts["status"]

    assert shown("TRADE_OF_TOMORROW") == "TRADE_OF_TOMORROW"
    assert {shown(text) for text in ("13812345678", "Lin Xiaoce", "A" * 90, "TEL_13812345678")} == {""}


def test_more_lines_than_an_order_may_have_are_refused():
    line = TRADE["orders"]["order"][0]
    lines = [{**line, "oid": n + 1} for n in range(1_001)]
    assert len(read_order(trade(orders={"order": lines[:1_000]}), "s").lines) == 1_000
    with pytest.raises(Poison):
        read_order(trade(orders={"order": lines}), "s")
    with pytest.raises(Poison):
        read_order(trade(orders={"order": [{**line, "outer_iid": "S" * 8_192}]}), "s")


def test_the_largest_order_fits_the_columns_of_its_sums():
    line = {**TRADE["orders"]["order"][0], "num": 1_000_000, "price": "999999999999.99", "payment": "999999999999.99"}
    order = read_order(trade(orders={"order": [{**line, "oid": n + 1} for n in range(1_000)]}), "s")
    assert sum(one.paid.minor for one in order.lines) < 2**63
    assert sum(one.quantity for one in order.lines) < 2**31


@pytest.mark.parametrize(
    "part",
    [{"orders": {"order": [7]}}, {"status": ["x"]}, {"orders": {"order": [{"oid": "1" * 500, "invoice_no": "W"}]}}],
)
def test_a_status_that_cannot_be_read_is_an_error_of_the_tree(part):
    with pytest.raises(FulfilmentError) as caught:
        read_status(trade(**part))
    assert isinstance(caught.value, Malformed | Poison)
