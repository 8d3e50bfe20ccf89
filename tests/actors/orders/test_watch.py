"""A shop that is only watched: everything is decided, and no call is made."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from actors.orders.take_over import Adoption, TakeOverDuty
from adapters import ports
from adapters.documents import Document
from adapters.ports import Booking, Notice, Purpose
from adapters.watching import WatchedPlatform, WatchingCourier, WatchingNotifier, WatchingWarehouse
from domain.errors import UnknownOutcome
from domain.order import Address
from domain.take_over import Mode, ShopWatchedError
from infra.engine.author import Author
from infra.engine.watch import NOBODY
from infra.tables.take_over import KeptOutFilter, count_kept_out
from infra.tables.watch import decision_of
from ops.faces.terminal.kept_out import print_kept_out
from ops.faces.terminal.order import print_order
from ops.verbs.adopt import adopt_order
from ops.views.kept_out import kept_out_orders
from ops.views.order import view_order
from tests.actors.conftest import CHANNEL, COURIER, SHOP
from tests.actors.processes import process_with
from workers.guards import watching


@pytest.fixture
def watched(merchant):
    """The merchant's process once its shop is watched, with stock."""
    merchant.stock("east", **{"TEE-1": 3})
    return process_with(merchant, Mode.WATCH)


def decisions(merchant):
    return merchant.rows("SELECT outcome, holds, packages FROM watch_decision ORDER BY order_id")


def did_nothing(merchant):
    assert merchant.courier.bookings == []
    assert merchant.platform.told == []
    assert merchant.platform.revealed_for == []
    assert merchant.notifier.told == []


def test_an_order_is_decided_and_nothing_is_done(watched, trade):
    watched.deliver(trade(tid="1001"))
    watched.flow()
    did_nothing(watched)
    assert watched.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "watched")]
    [(outcome, holds, [package])] = decisions(watched)
    assert (outcome, holds) == ("ship", [])
    assert (package["location"], package["courier"], list(package["pieces"].values())) == ("east", "sf", [1])
    assert watched.counters() == (3, 0, 0)


def test_watched_orders_count_against_each_other_and_never_against_a_real_one(watched, trade):
    for tid in range(1001, 1005):
        watched.deliver(trade(tid=str(tid)))
        watched.flow()
    assert [outcome for outcome, _, _ in decisions(watched)] == ["ship"] * 3 + ["hold"]
    assert decisions(watched)[3][1][0]["code"] == "stock_short_paid"
    assert watched.counters() == (3, 0, 0)
    live = process_with(watched, Mode.LIVE, take_over_from=None)
    live.rows("UPDATE shop SET watched_since = NULL, live_since = NULL")
    live.deliver(*(trade(tid=str(tid)) for tid in range(2001, 2004)))
    live.flow()
    assert live.states()[4:] == ["allocated"] * 3


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"status": "WAIT_BUYER_PAY", "pay_time": None}, "wait"),
        ({"status": "WAIT_BUYER_CONFIRM_GOODS", "modified": "2099-01-01 00:00:00"}, "nothing"),
        ({"refund": "WAIT_SELLER_AGREE"}, "hold"),
        ({"sku": "UNKNOWN"}, "hold"),
        ({"pieces": 4}, "hold"),
    ],
)
def test_the_decision_says_what_it_would_be(watched, trade, changes, outcome):
    watched.deliver(trade(tid="1001", **changes))
    watched.flow()
    assert [found for found, _, _ in decisions(watched)] == [outcome]
    did_nothing(watched)


def test_a_newer_content_is_decided_anew_and_gives_the_pieces_back(watched, trade):
    watched.deliver(trade(tid="1001", pieces=3))
    watched.flow()
    late = {"modified": "2026-11-23 10:00:00"}
    watched.deliver(trade(tid="1001", pieces=3, status="WAIT_BUYER_CONFIRM_GOODS", **late), trade(tid="1002", pieces=3))
    watched.flow()
    assert [found for found, _, _ in decisions(watched)] == ["nothing", "ship"]
    with watched.db.connection() as connection:
        [count] = count_kept_out(connection)
        assert (count.account, count.reason, count.orders, count.would_ship) == (SHOP, "watched", 1, 1)
        assert decision_of(connection, 1_000_000) is None


def in_flight(merchant, trade, until):
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001"))
    merchant.flow(until=until)


@pytest.mark.parametrize("until", ["normalize", "reserve", "review", "route"])
def test_an_order_under_way_is_held_before_its_label(merchant, trade, until):
    in_flight(merchant, trade, until)
    watched = process_with(merchant, Mode.WATCH)
    watched.flow()
    did_nothing(watched)
    assert (watched.states(), watched.holds()) == (["on_hold"], ["shop_watched"])
    live = process_with(watched, Mode.LIVE)
    live.flow()
    assert live.courier.bookings == []


def test_without_the_engines_stop_its_label_is_refused_by_the_port(merchant, trade):
    in_flight(merchant, trade, "route")
    watched = process_with(merchant, Mode.WATCH)
    unguarded(watched)
    watched.flow()
    did_nothing(watched)
    assert watched.due("label") == [(1, 0)]
    assert watched.letters() == []


def unguarded(merchant):
    """Take the engine's stop away."""
    for name in ("label", "writeback", "notify"):
        merchant.runners[name] = replace(merchant.runners[name], watch=NOBODY)


def test_the_control_without_both_books_it(merchant, trade):
    in_flight(merchant, trade, "route")
    watched = process_with(merchant, Mode.WATCH)
    unguarded(watched)
    watched.runners["label"] = merchant.runners["label"]
    watched.flow()
    assert len(watched.courier.bookings) == 1


def test_a_label_whose_outcome_is_unknown_is_asked_about_and_not_booked_again(merchant, trade):
    in_flight(merchant, trade, "route")
    merchant.courier.errors["create"] = [UnknownOutcome("timeout")]
    merchant.run("label")
    merchant.courier.errors.clear()
    watched = process_with(merchant, Mode.WATCH)
    watched.fall_due()
    watched.run("label")
    assert watched.courier.asked["find"] == 1
    assert watched.courier.bookings == []
    watched.fall_due()
    watched.run("label")
    assert watched.holds() == ["shop_watched"]


def test_a_label_that_was_booked_is_found_and_told_after_the_watch(merchant, trade):
    in_flight(merchant, trade, "route")
    merchant.courier.errors["after_create"] = [UnknownOutcome("timeout")]
    merchant.run("label")
    watched = process_with(merchant, Mode.WATCH)
    watched.fall_due()
    watched.run("label")
    assert watched.rows("SELECT status FROM shipment") == [("booked",)]
    watched.scan("accepted", "packed", "handed_over")
    for _ in range(2):
        watched.fall_due()
        watched.flow()
    assert (watched.platform.told, watched.notifier.told) == ([], [])
    assert len(watched.due("writeback")) == 1
    live = process_with(watched, Mode.LIVE)
    live.fall_due()
    live.flow()
    assert (len(live.courier.bookings), len(live.platform.told), len(live.notifier.told)) == (1, 1, 1)


def test_a_write_back_whose_outcome_is_unknown_is_asked_about(merchant, trade):
    in_flight(merchant, trade, "label")
    merchant.scan("accepted", "packed", "handed_over")
    merchant.platform.errors["after_tell"] = [UnknownOutcome("timeout")]
    merchant.run("writeback")
    watched = process_with(merchant, Mode.WATCH)
    watched.fall_due()
    watched.run("writeback")
    assert watched.rows("SELECT status FROM writeback") == [("confirmed",)]
    assert len(watched.platform.told) == 1


def test_a_write_back_that_the_platform_never_heard_rests_after_one_question(merchant, trade):
    in_flight(merchant, trade, "label")
    merchant.scan("accepted", "packed", "handed_over")
    merchant.platform.errors["tell"] = [UnknownOutcome("timeout")]
    merchant.run("writeback")
    watched = process_with(merchant, Mode.WATCH)
    asked = watched.platform.asked["status"]
    for _ in range(3):
        watched.fall_due()
        watched.run("writeback")
    assert watched.platform.asked["status"] - asked == 1
    assert [spent for _, spent in watched.due("writeback")] == [1], "the attempt before the watch"
    assert watched.rows("SELECT extract(epoch FROM due_at - now())::int > 50 FROM work WHERE step = 'writeback'") == [
        (True,)
    ]
    live = process_with(watched, Mode.LIVE)
    live.fall_due()
    live.run("writeback")
    assert live.rows("SELECT status FROM writeback") == [("confirmed",)]


def test_an_unpaid_order_that_is_paid_during_the_watch_gives_its_stock_back(merchant, trade, unpaid):
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001", **unpaid))
    merchant.flow()
    assert merchant.counters() == (100, 1, 0)
    watched = process_with(merchant, Mode.WATCH)
    watched.deliver(trade(tid="1001", modified="2026-11-23 10:00:00"))
    watched.flow()
    assert watched.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "watched")]
    assert watched.counters() == (100, 0, 0)


class Port:
    is_idempotent = can_find = needs_mobile = True
    find_lag_s = window_max_s = 0.0
    can_track, track_max = True, 10
    divides_lines = False

    def __init__(self):
        self.called = []

    def __getattr__(self, name):
        async def answer(*_):
            self.called.append(name)

        return answer


async def test_the_ports_pass_on_what_reads_and_refuse_the_rest():
    port = Port()
    platform = WatchedPlatform(SHOP, port)
    await platform.fetch("1")
    await platform.status("1")
    for refused in (platform.reveal({}, Purpose.LABEL), platform.write_back(None)):
        with pytest.raises(ShopWatchedError):
            await refused
    assert port.called == ["fetch", "status"]


@pytest.mark.parametrize(("shop", "is_refused"), [(SHOP, True), ("", True), ("taobao/other", False)])
async def test_couriers_channels_and_warehouses_serve_the_other_shops(shop, is_refused):
    port = Port()
    nobody = Address("", "", "", "", "", "", "")
    booking = Booking("r", nobody, nobody, (), 0, shop=shop)
    platform, _, name = shop.partition("/")
    notice = Notice("e", "shipped", None, {"platform": platform, "shop": name})
    for call in (
        WatchingCourier(port, frozenset({SHOP})).create(booking),
        WatchingNotifier(port, frozenset({SHOP})).notify(notice),
        WatchingWarehouse(port, frozenset({SHOP})).place(Document(reference="r", shop=shop, lines=())),
    ):
        if is_refused:
            with pytest.raises(ShopWatchedError):
                await call
        else:
            await call
    assert port.called == ([] if is_refused else ["create", "notify", "place"])


async def test_a_warehouse_is_read_and_may_stop_what_it_was_told_before():
    port = Port()
    warehouse = WatchingWarehouse(port, frozenset({SHOP}))
    calls = (warehouse.stop("r", ""), warehouse.find("r"), warehouse.events(""), warehouse.stock())
    for call in calls:
        await call
    assert port.called == ["stop", "find", "events", "stock"]


@pytest.mark.parametrize(("port", "watched"), [(ports.Platform, WatchedPlatform), (ports.Warehouse, WatchingWarehouse)])
def test_every_call_of_a_port_is_either_read_or_refused(port, watched):
    calls = {name for name in vars(port) if not name.startswith("_")}
    assert calls <= vars(watched).keys()


def test_a_process_without_watched_shops_is_left_as_it_is(merchant):
    assert watching(merchant.tools) is merchant.tools
    assert {COURIER, CHANNEL} <= {*merchant.tools.couriers, *merchant.tools.notifiers}


# The usual trade is paid at 2026-11-22 01:01 UTC.
PAID = datetime(2026, 11, 22, 1, 1, tzinfo=UTC)


def switched(watched, began, **how):
    """The same shop live again, after a watch that began at `began`."""
    watched.rows("UPDATE shop SET watched_since = %s", began)
    live = process_with(watched, Mode.LIVE, **how)
    duty = TakeOverDuty(live.db)
    return live, duty


@pytest.mark.parametrize(
    ("began", "take_over_from", "is_ours"),
    [
        # The instant lies in the watch: it says when the other system stopped.
        (PAID - timedelta(days=2), PAID, True),
        (PAID - timedelta(days=2), PAID + timedelta(seconds=1), False),
        # It lies before the watch, or there is none: the other system went on until the switch.
        (PAID - timedelta(days=2), PAID - timedelta(days=3), False),
        (PAID - timedelta(days=2), None, False),
    ],
)
def test_on_the_switch_to_live_the_instant_decides_or_else_a_person(watched, trade, began, take_over_from, is_ours):
    watched.deliver(trade(tid="1001"))
    watched.flow()
    # Stored during the watch, and read after it.
    watched.deliver(trade(tid="1002"))
    live, duty = switched(watched, began, take_over_from=take_over_from)
    assert duty.tend() == int(is_ours)
    live.flow()
    assert len(live.courier.bookings) == 2 * int(is_ours)
    assert live.states() == (["allocated"] * 2 if is_ours else ["closed"] * 2)
    assert duty.tend() == 0
    if not is_ours:
        for (order_id,) in live.rows("SELECT id FROM orders"):
            assert adopt_order(live.db, order_id, Author("li", "ours")).outcome is Adoption.ADOPTED
        live.flow()
        assert len(live.courier.bookings) == 2


def test_what_others_shipped_during_the_watch_is_never_begun(watched, trade):
    watched.deliver(trade(tid="1001"), trade(tid="1002"))
    watched.flow()
    sent = {"status": "WAIT_BUYER_CONFIRM_GOODS", "modified": "2026-11-23 10:00:00"}
    watched.deliver(trade(tid="1001", **sent))
    watched.flow()
    live, duty = switched(watched, PAID - timedelta(days=2), take_over_from=PAID)
    # The second was shipped too, and nobody has read it yet: the last check before the label sees it.
    live.platform.trades["1002"] = trade(tid="1002", **sent)
    assert duty.tend() == 1
    live.flow()
    assert live.courier.bookings == []
    assert live.holds() == ["shipped_elsewhere"]


def test_an_unpaid_order_of_the_watch_that_is_paid_after_it_is_ours(watched, trade, unpaid):
    watched.deliver(trade(tid="1001", **unpaid))
    watched.flow()
    live, duty = switched(watched, PAID - timedelta(days=2))
    live.deliver(trade(tid="1001", pay_time="2099-01-01 00:00:00", modified="2099-01-01 00:00:00"))
    live.flow()
    assert duty.tend() == 1
    live.flow()
    assert len(live.courier.bookings) == 1


def test_a_watching_process_beside_a_live_one_holds_nothing_of_it(watched, trade):
    live = process_with(watched, Mode.LIVE, take_over_from=PAID)
    live.rows("UPDATE shop SET watched_since = %s", PAID - timedelta(days=2))
    live.deliver(trade(tid="1001"))
    live.flow(until="route")
    watched.run("label")
    assert (watched.courier.bookings, watched.holds(), watched.states()) == ([], [], ["allocated"])
    live.fall_due()
    live.flow()
    assert len(live.courier.bookings) == 1


def printed(show, *what):
    console = Console(record=True, width=200, file=io.StringIO())
    show(*what, console)
    return console.export_text()


def test_a_person_sees_what_would_have_been_done(watched, trade):
    watched.deliver(trade(tid="1001"), trade(tid="1002", pieces=9))
    watched.flow()
    first, second = (row[0] for row in watched.rows("SELECT id FROM orders ORDER BY platform_order_id"))
    shown = printed(print_order, view_order(watched.db, first))
    assert "its shop is only watched" in shown
    assert "ship from east by sf" in shown
    assert "no clock: another system ships it" in shown
    assert "hold: stock_short_paid" in printed(print_order, view_order(watched.db, second))
    listed = printed(print_kept_out, kept_out_orders(watched.db, KeptOutFilter()), 1)
    assert "2 kept out: 2 its shop is only watched" in listed
    assert "and 1 more" in listed
