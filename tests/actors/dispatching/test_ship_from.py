"""A warehouse hears of no order before the day from which the order ships."""

from datetime import timedelta

import pytest

from adapters.china_time import CST

WORK = "SELECT due_at, attempts FROM work WHERE step = 'dispatch'"


@pytest.fixture
def booking(make_merchant, take_orders):
    """A merchant whose presale orders wait, and whose warehouses book the waybill: no label comes before."""
    merchant = take_orders(make_merchant(presale_waits=True), books_waybill=True)
    merchant.stock(**{"TEE-1": 10})
    return merchant


@pytest.fixture
def day(database):
    """The beginning, in China, of a day that lies so many days ahead."""
    with database.connection() as connection:
        (now,) = connection.execute("SELECT now()").fetchone()
    start = now.astimezone(CST).replace(hour=0, minute=0, second=0, microsecond=0)
    return lambda ahead: start + timedelta(days=ahead)


def presale(trade, day, hour=9):
    return trade(tid="1001", est_con_time=f"1_{day:%Y-%m-%d}", modified=f"2026-11-22 {hour:02}:10:00")


def placed(merchant):
    return merchant.one("SELECT count(*) FROM placement WHERE status = 'placed'")


def test_before_its_day_no_warehouse_hears_of_it(booking, trade, day):
    booking.deliver(presale(trade, day(10)))
    booking.flow("route")
    booking.run("dispatch")
    assert (booking.rows(WORK), placed(booking), booking.holds()) == ([(day(10), 0)], 0, [])
    booking.deliver(presale(trade, day(4), hour=10))
    booking.run("normalize")
    assert booking.rows(WORK) == [(day(4), 0)]


@pytest.mark.parametrize(("away", "count"), [("1 hour", 0), ("1 second", 0), ("-1 second", 1)])
def test_the_hour_before_it_waits_and_the_second_after_it_is_placed(booking, trade, day, away, count):
    booking.deliver(presale(trade, day(10)))
    booking.flow("route")
    booking.rows("UPDATE orders SET ship_from = now() + %s::interval", away)
    booking.run("dispatch")
    assert placed(booking) == count
