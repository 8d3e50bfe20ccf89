"""When a trade must have left: every field and every way of writing it."""

from datetime import UTC, datetime, timedelta

import pytest

PAID = datetime(2026, 11, 22, 1, 1, tzinfo=UTC)
CREATED = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 26, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("promise", "expected"),
    [
        ("2026-11-26 24:00:00", MIDNIGHT),
        ("2026-11-26 24:00", MIDNIGHT),
        ("2026-11-27 00:00:00", MIDNIGHT),
        ("2026年11月26日24点前发货", MIDNIGHT),
        ("2026年11月26日 24:00前发货", MIDNIGHT),
        ("2026/11/26 24：00", MIDNIGHT),
        ("2026-11-26T24:00:00", MIDNIGHT),
        ("2026-12-31 24:00:00", datetime(2026, 12, 31, 16, 0, tzinfo=UTC)),
        ("2026年11月26日18点30分", datetime(2026, 11, 26, 10, 30, tzinfo=UTC)),
        ("2026-11-26 24:00:01", None),
        ("2026-11-26 25:00:00", None),
        ("2026-02-30", None),
        ("1970-01-01 08:00:00", None),
        ("1_2026-11-26", datetime(2026, 11, 26, 15, 59, 59, tzinfo=UTC)),
        ("2_15", PAID + timedelta(days=15)),
        ("付款后24小时内发货", PAID + timedelta(hours=24)),
        ("48小时内发货", PAID + timedelta(hours=48)),
        ("承诺3天内发货", PAID + timedelta(days=3)),
        ("支付后 2 天", PAID + timedelta(days=2)),
        ("付款后三天内发货", PAID + timedelta(days=3)),
        ("付款后十天内", PAID + timedelta(days=10)),
        ("付款后十五天内", PAID + timedelta(days=15)),
        ("二十四小时内发货", PAID + timedelta(hours=24)),
        ("付款后三十天内", PAID + timedelta(days=30)),
        ("付款后十十天内", None),
        ("7-15天内发货", PAID + timedelta(days=15)),
        ("2026.11.26 24:00", MIDNIGHT),
        ("11月26日24点前发货", MIDNIGHT),
        ("1月5日前发货", datetime(2027, 1, 5, 15, 59, 59, tzinfo=UTC)),
        ("11月20日前发货", datetime(2026, 11, 20, 15, 59, 59, tzinfo=UTC)),
        ("13月40日前发货", None),
        ("3天内送达", None),
        ("尽快发货", None),
    ],
)
@pytest.mark.parametrize("name", ["send_time", "delivery_time", "est_con_time", "estimate_con_time"])
def test_a_promise_of_the_trade(read, name, promise, expected):
    assert read(**{name: promise}).ship_by == expected


NEXT_DAY = datetime(2026, 11, 25, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("promise", "expected"),
    [
        ("1_2026-11-26", NEXT_DAY),
        ("1_2026-11-26 18:30:00", NEXT_DAY),
        ("1_2026-11-26 24:00:00", NEXT_DAY),
        ("2_4", NEXT_DAY),
        ("1_2026-02-30", None),
        ("1_soon", None),
        # Promises of the latest time say nothing of the earliest.
        ("2026-11-26", None),
        ("付款后三天内发货", None),
        ("48小时内发货", None),
    ],
)
@pytest.mark.parametrize("name", ["send_time", "est_con_time", "estimate_con_time"])
def test_a_presale_names_the_day_from_which_it_ships(read, name, promise, expected):
    order = read(**{name: promise})
    assert order.ship_from == expected
    assert order.ship_from is None or order.ship_from < order.ship_by


def test_of_several_presales_of_one_order_the_last_day_counts(read):
    order = read([{"estimate_con_time": "1_2026-11-24"}, {"estimate_con_time": "1_2026-11-26"}, {}])
    assert order.ship_from == NEXT_DAY
    gone = {"estimate_con_time": "1_2026-11-26", "refund_status": "SUCCESS"}
    assert read([{}, gone]).ship_from is None


@pytest.mark.parametrize("name", ["delivery_time", "estimate_con_time"])
def test_a_promise_of_a_line(read, name):
    assert read([{}, {name: "2026-11-26 24:00:00"}]).ship_by == MIDNIGHT


def test_the_earliest_of_all_counts(read):
    lines = [{"estimate_con_time": "2026-11-28"}, {"delivery_time": "2026-11-26 24:00:00"}]
    assert read(lines, send_time="2026-12-10 23:59:59").ship_by == MIDNIGHT
    assert read(lines, send_time="2026-11-23 10:00:00").ship_by == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"refund_status": "SUCCESS"},
        {"status": "TRADE_CLOSED_BY_TAOBAO"},
        {"is_sh_ship": True},
        {"is_service_order": True},
        {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "SF1"},
    ],
)
def test_only_of_lines_that_we_still_owe(read, change):
    early = {"estimate_con_time": "2026-11-23 10:00:00"}
    late = {"estimate_con_time": "2026-11-26 24:00:00"}
    assert read([early, late]).ship_by == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert read([{**early, **change}, late]).ship_by == MIDNIGHT


def test_an_order_that_has_left_whole_keeps_its_promise(read):
    """By whom is not known here: if it was us, the clock is ours."""
    left = {"status": "WAIT_BUYER_CONFIRM_GOODS", "estimate_con_time": "2026-11-26 24:00:00"}
    assert read([left], status="WAIT_BUYER_CONFIRM_GOODS").ship_by == MIDNIGHT


def test_what_is_not_ours_has_no_promise_to_keep(read):
    assert read(is_sh_ship=True, send_time="2026-11-26 24:00:00").ship_by is None


def test_days_of_cash_on_delivery_count_from_its_creation(read):
    cod = {"type": "cod", "cod_status": "NEW_CREATED"}
    assert read(send_time="48小时内发货", **cod).ship_by == CREATED + timedelta(hours=48)
    assert read(send_time="48小时内发货", pay_time=None).ship_by is None
    assert read(send_time="11月26日前发货", pay_time=None).ship_by is None
