"""An order that must not ship before a day waits for it without a label, a hold or a lost attempt."""

import io
import random
from datetime import timedelta

import pytest
from rich.console import Console

from actors.orders.unread_days import UnreadDays
from adapters.china_time import CST
from domain.holds import HoldCode
from infra.engine.author import Author
from ops.faces.terminal.order import print_order
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.views.order import view_order

PIECES = {"TEE-1": 10}
WORK = "SELECT due_at, attempts, causes FROM work WHERE step = 'label'"


@pytest.fixture
def waits(make_merchant):
    """A merchant whose presale orders wait for their day."""
    merchant = make_merchant(presale_waits=True)
    merchant.stock(**PIECES)
    return merchant


@pytest.fixture
def day(database):
    """The beginning, in China, of a day that lies so many days ahead."""
    with database.connection() as connection:
        (now,) = connection.execute("SELECT now()").fetchone()

    def day(ahead):
        return (now.astimezone(CST) + timedelta(days=ahead)).replace(hour=0, minute=0, second=0, microsecond=0)

    return day


@pytest.fixture
def presale(trade, day):
    """A trade whose goods are there from a day on; the hours of its `modified` tell newer contents from older ones."""

    def presale(ahead, hour=9):
        return trade(tid="1001", est_con_time=f"1_{day(ahead):%Y-%m-%d}", modified=f"2026-11-22 {hour:02}:10:00")

    return presale


def bookings(merchant):
    return len(merchant.courier.bookings)


def of_earlier_version(merchant):
    """What a worker that knows nothing of the day stores: no day, and no content that it was read from."""
    merchant.rows("UPDATE orders SET ship_from = NULL, ship_from_of = NULL")


def test_the_day_of_an_order_that_an_earlier_version_stored_is_read_before_its_label(waits, presale, day):
    waits.deliver(presale(10))
    waits.flow("route")
    of_earlier_version(waits)
    waits.run("label")
    assert bookings(waits) == 0
    duty = UnreadDays(waits.db, waits.bells, ("taobao/s1",))
    assert (duty.tend(), duty.tend()) == (1, 0)
    waits.run("normalize")
    assert waits.one("SELECT ship_from FROM orders") == day(10)
    waits.fall_due()
    waits.run("label")
    assert (bookings(waits), waits.rows(WORK)) == (0, [(day(10), 0, [])])
    assert (duty.tend(), waits.holds(), waits.letters()) == (0, [], [])


def test_an_order_without_such_a_day_is_labelled_once_that_is_read(waits, trade):
    waits.deliver(trade(tid="1001"))
    waits.flow("route")
    of_earlier_version(waits)
    waits.run("label")
    assert bookings(waits) == 0
    UnreadDays(waits.db, waits.bells, ("taobao/s1",)).tend()
    waits.run("normalize")
    waits.fall_due()
    waits.run("label")
    assert bookings(waits) == 1


def test_a_shop_that_waits_for_no_day_labels_it_at_once(make_merchant, presale):
    merchant = make_merchant()
    merchant.stock(**PIECES)
    merchant.deliver(presale(10))
    merchant.flow("route")
    of_earlier_version(merchant)
    merchant.run("label")
    assert bookings(merchant) == 1
    assert UnreadDays(merchant.db, merchant.bells, ()).tend() == 0


def test_before_its_day_it_is_due_work_without_label_or_hold(waits, presale, day):
    waits.deliver(presale(10))
    waits.flow()
    assert waits.rows(WORK) == [(day(10), 0, [])]
    assert (waits.states(), waits.holds(), bookings(waits)) == (["allocated"], [], 0)
    assert waits.rows("SELECT 1 FROM shipment") == []
    waits.fall_due()
    waits.run("label")
    assert waits.rows(WORK) == [(day(10), 0, [])], "looked at too early it waits on"


@pytest.mark.parametrize(("away", "booked"), [("1 hour", 0), ("1 second", 0), ("-1 second", 1)])
def test_the_hour_before_it_waits_and_the_second_after_it_goes(waits, presale, away, booked):
    waits.deliver(presale(10))
    waits.flow("route")
    waits.rows("UPDATE orders SET ship_from = now() + %s::interval", away)
    waits.run("label")
    assert bookings(waits) == booked
    assert waits.rows("SELECT w.due_at = o.ship_from FROM work AS w, orders AS o WHERE w.step = 'label'") == (
        [] if booked else [(True,)]
    )


def test_control_a_shop_that_does_not_wait_ships_it_at_once(merchant, presale):
    merchant.stock(**PIECES)
    merchant.deliver(presale(10))
    merchant.flow()
    assert bookings(merchant) == 1
    assert merchant.rows("SELECT ship_from FROM orders") == [(None,)]


def test_an_order_without_a_day_goes_at_once(waits, trade):
    waits.deliver(trade())
    waits.flow()
    assert bookings(waits) == 1


@pytest.mark.parametrize("ahead", [4, 20])
def test_a_newer_content_moves_the_day_and_what_waits_for_it(waits, presale, day, ahead):
    waits.deliver(presale(10))
    waits.flow()
    waits.deliver(presale(ahead, hour=10))
    waits.run("normalize")
    assert waits.rows(WORK) == [(day(ahead), 0, [])]
    assert (waits.states(), waits.holds()) == (["allocated"], [])


@pytest.mark.parametrize("seed", range(3))
def test_however_often_the_day_moves_the_last_one_counts(waits, presale, day, seed):
    randomness = random.Random(seed)  # noqa: S311 - a test that can be repeated
    waits.deliver(presale(10))
    waits.flow()
    for hour in range(10, 18):
        last = randomness.randint(2, 30)
        waits.deliver(presale(last, hour=hour))
        waits.run("normalize")
        if randomness.random() < 0.3:
            waits.fall_due()
            waits.run("label")
        assert waits.rows(WORK) == [(day(last), 0, [])]
    assert (waits.states(), waits.holds(), bookings(waits)) == (["allocated"], [], 0)


def test_after_a_hold_it_waits_on(waits, presale, day):
    waits.deliver(presale(10))
    waits.flow()
    order_id, author = waits.one("SELECT id FROM orders"), Author("li", "asks the buyer")
    hold(waits.db, order_id, HoldCode.MANUAL, author)
    waits.fall_due()
    waits.run("label")
    release(waits.db, order_id, HoldCode.MANUAL, author)
    waits.run("label")
    assert (waits.rows(WORK), bookings(waits), waits.states()) == ([(day(10), 0, [])], 0, ["allocated"])


def test_a_day_that_is_taken_back_lets_it_go(waits, presale, trade):
    waits.deliver(presale(10))
    waits.flow()
    waits.deliver(trade(tid="1001", modified="2026-11-22 10:10:00"))
    waits.run("normalize")
    waits.run("label")
    assert bookings(waits) == 1


def test_a_day_that_is_named_after_the_route_is_waited_for(waits, presale, trade, day):
    waits.deliver(trade(tid="1001"))
    waits.flow("route")
    waits.deliver(presale(3, hour=10))
    waits.run("normalize")
    waits.run("label")
    assert (waits.rows(WORK), bookings(waits)) == ([(day(3), 0, [])], 0)


def test_a_label_that_waits_for_something_else_keeps_its_time(waits, presale, day):
    waits.deliver(presale(10))
    waits.flow()
    waits.rows("UPDATE work SET due_at = %s WHERE step = 'label'", day(1))
    waits.deliver(presale(4, hour=10))
    waits.run("normalize")
    assert waits.rows(WORK) == [(day(1), 0, [])]


def test_the_order_says_until_when_it_waits(waits, presale, day):
    waits.deliver(presale(10))
    waits.flow()
    view = view_order(waits.db, waits.one("SELECT id FROM orders"))
    assert view.ship_from == day(10)
    shown = io.StringIO()
    print_order(view, Console(file=shown, width=200))
    assert f"waits until {day(10):%Y-%m-%d %H:%M:%S}" in shown.getvalue()
