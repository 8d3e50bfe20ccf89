"""Every part of the payable sum has its place, and every line its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.normalize import inspect

COD = {"type": "cod", "cod_status": "NEW_CREATED", "pay_time": None}


def yuan(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def service(**changed):
    row = {"oid": 90, "item_oid": 11, "service_id": 1, "num": 1, "title": "送货上门并安装"}
    return {**row, **dict.fromkeys(("price", "total_fee", "payment"), "150.00"), **changed}


def shares(order):
    return [line.paid.minor for line in order.lines]


def totals(order):
    sums = order.totals
    return {
        name: getattr(sums, name).minor
        for name in ("goods", "discount", "freight", "tax", "services", "fees", "payable", "paid")
        if getattr(sums, name).minor
    }


def test_a_plain_trade(read):
    order = read()
    assert totals(order) == {"goods": 8000, "freight": 800, "payable": 8800, "paid": 8800}
    assert shares(order) == [6000, 2000]
    assert inspect(order) == ()


@pytest.mark.parametrize(
    ("fees", "buyers"),
    [
        ({"buyer_cod_fee": "5.00", "cod_fee": "5.00"}, 500),
        ({"buyer_cod_fee": "5.00", "cod_fee": "8.00", "seller_cod_fee": "3.00"}, 500),
        ({"buyer_cod_fee": "0.00", "cod_fee": "3.00", "seller_cod_fee": "3.00"}, 0),
        ({"cod_fee": "8.00", "seller_cod_fee": "3.00"}, 500),
        ({"cod_fee": "3.00", "seller_cod_fee": "3.00"}, 0),
        ({}, 0),
    ],
)
def test_the_buyers_fee_of_cash_on_delivery(read, fees, buyers):
    order = read(payment=yuan(8800 + buyers), **COD, **fees)
    assert (order.totals.fees.minor, order.totals.goods.minor, order.totals.paid.minor) == (buyers, 8000, 0)
    assert inspect(order) == ()


def test_a_fee_whose_payer_is_not_named_is_seen(read):
    assert inspect(read(payment="93.00", cod_fee="5.00", **COD)) != ()


def test_a_prepaid_trade_has_no_such_fee(read):
    assert read(buyer_cod_fee="5.00").totals.fees.minor == 0


def test_cash_on_delivery_is_owed_whenever_it_was_booked(read):
    order = read(**{**COD, "pay_time": "2026-11-22 09:05:00"})
    assert (order.totals.paid.minor, order.totals.payable.minor) == (0, 8800)
    assert read(status="TRADE_FINISHED", **COD).totals.paid.minor == 0


def test_a_service_is_a_line_for_nobody_with_its_share(read):
    order = read(payment="238.00", service_orders={"service_order": [service()]})
    line = order.lines[2]
    assert (line.line_id, line.title, line.quantity, line.paid.minor) == ("service:90", "送货上门并安装", 1, 15000)
    assert (line.fulfilled_by, line.sku) == ("nobody", "")
    assert totals(order) == {"goods": 8000, "freight": 800, "services": 15000, "payable": 23800, "paid": 23800}
    assert inspect(order) == ()
    assert order.fulfilled_by == "merchant"


@pytest.mark.parametrize("wrapped", [lambda rows: {"service_order": rows}, lambda rows: rows])
def test_services_keep_their_ids_in_whatever_order_they_come(read, wrapped):
    rows = [service(), service(oid=91, payment="0.00")]
    one = read(payment="238.00", service_orders=wrapped(rows))
    other = read(payment="238.00", service_orders=wrapped(rows[::-1]))
    assert {line.line_id: line for line in one.lines} == {line.line_id: line for line in other.lines}


def test_a_service_that_is_a_sub_order_too_is_one_line(read):
    order = read(service_orders=[service(oid=12, payment="20.00", total_fee="20.00")])
    assert [(line.line_id, line.fulfilled_by) for line in order.lines] == [("11", "merchant"), ("12", "nobody")]
    assert order.totals.services.minor == 0
    assert inspect(order) == ()


@pytest.mark.parametrize(
    ("refund", "flags", "payment"),
    [
        ({"refund_status": "NO_REFUND", "refund_id": "7"}, (False, False, False), "238.00"),
        ({"refund_status": "WAIT_SELLER_AGREE", "refund_id": "7"}, (True, False, False), "238.00"),
        ({"refund_status": "SUCCESS", "refund_id": "7"}, (False, True, False), "238.00"),
        ({"refund_status": "SUCCESS", "refund_id": "7"}, (False, True, False), "88.00"),
        ({"refund_id": "7"}, (False, False, True), "238.00"),
        ({"refund_id": 0}, (False, False, False), "238.00"),
        ({}, (False, False, False), "238.00"),
    ],
)
def test_a_service_with_a_refund(read, refund, flags, payment):
    order = read(payment=payment, service_orders=[service(**refund)])
    line = order.lines[2]
    assert (line.refund_open, line.refunded, line.refund_unknown) == flags
    assert inspect(order) == ()


@pytest.mark.parametrize("total", ["150.00", None])
def test_a_service_without_a_payment_has_its_total(read, total):
    row = service(payment=None, total_fee=total or "150.00", num=None, price=None)
    assert inspect(read(payment="238.00", service_orders=[row])) == ()


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ({"divide_order_fee": None, "part_mjz_discount": "20.00"}, 4000),
        ({"divide_order_fee": "", "part_mjz_discount": "20.00", "payment": "99.00"}, 4000),
        ({"divide_order_fee": None, "part_mjz_discount": None}, 6000),
        ({"divide_order_fee": None, "part_mjz_discount": "20.00", "total_fee": None}, 4000),
        ({"divide_order_fee": None, "part_mjz_discount": "70.00"}, 0),
        ({"divide_order_fee": "40.00", "part_mjz_discount": "5.00"}, 4000),
    ],
)
def test_without_a_share_a_line_has_its_cost_less_its_part_of_the_promotions(read, line, share):
    assert read([line, {}]).lines[0].paid.minor == share


@pytest.mark.parametrize("extras", [{}, {"order_tax_fee": "3.00"}, {"service_orders": [service()]}])
def test_the_payment_of_an_only_line_carries_all_that_is_beside_the_goods(read, extras):
    payable = 6800 + (300 if "order_tax_fee" in extras else 0) + (15000 if "service_orders" in extras else 0)
    line = {"divide_order_fee": None, "total_fee": None, "payment": yuan(payable)}
    order = read([line], payment=yuan(payable), total_fee="60.00", **extras)
    assert order.lines[0].paid.minor == 6000
    assert inspect(order) == ()


def test_tax_has_its_place_whether_the_shares_hold_it_or_not(read):
    beside = read(payment="91.00", order_tax_fee="3.00")
    assert totals(beside) == {"goods": 8000, "freight": 800, "tax": 300, "payable": 9100, "paid": 9100}
    inside = read([{"divide_order_fee": "63.00"}, {}], payment="91.00", order_tax_fee="3.00")
    assert "tax" not in totals(inside)
    assert inspect(beside) == inspect(inside) == ()
    assert inspect(read(payment="92.00", order_tax_fee="3.00")) != ()


def test_a_closed_line_may_have_left_the_sum(read):
    closed = {"status": "TRADE_CLOSED_BY_TAOBAO"}
    for payment in ("88.00", "68.00", "80.00"):
        order = read([{}, closed], payment=payment)
        assert (order.lines[1].refunded, inspect(order)) == (True, ())
    assert inspect(read([{}, closed], payment="67.00")) != ()
    assert inspect(read([{}, {}], payment="68.00")) != (), "of a line that stands nothing may be missing"


MINOR = st.integers(0, 50_000)


BILLS = st.fixed_dictionaries(
    {
        "costs": st.tuples(MINOR, MINOR),
        "promotions": st.tuples(MINOR, MINOR),
        **dict.fromkeys(("freight", "fee", "service", "tax"), MINOR),
        "divides": st.booleans(),
    }
)


@given(BILLS)
def test_a_trade_that_adds_up_is_never_held_for_its_sums(read, bill):
    """And off by two it always is."""
    paid = [max(cost - promo, 0) for cost, promo in zip(bill["costs"], bill["promotions"], strict=True)]
    lines = [
        {
            "total_fee": yuan(cost),
            "part_mjz_discount": yuan(promo),
            "divide_order_fee": yuan(share) if bill["divides"] else None,
        }
        for cost, promo, share in zip(bill["costs"], bill["promotions"], paid, strict=True)
    ]
    payable = sum(paid) + sum(bill[name] for name in ("freight", "fee", "service", "tax"))
    named = {
        "total_fee": yuan(sum(bill["costs"])),
        "post_fee": yuan(bill["freight"]),
        "buyer_cod_fee": yuan(bill["fee"]),
        "order_tax_fee": yuan(bill["tax"]),
        "service_orders": [service(payment=yuan(bill["service"]))],
    }
    order = read(lines, payment=yuan(payable), **named, **COD)
    assert inspect(order) == ()
    sums = order.totals
    beside = sums.freight + sums.tax + sums.services + sums.fees
    assert sums.goods - sums.discount + beside == sums.payable
    assert inspect(read(lines, payment=yuan(payable + 2), **named, **COD)) != ()
