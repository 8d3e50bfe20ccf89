from datetime import UTC, datetime

import msgspec
import pytest

from actors.orders.take_over import Adoption
from domain.errors import Conflict
from infra.engine.accounts import ensure_accounts
from infra.engine.author import Author
from infra.monitoring.alarms import raise_alarms
from infra.monitoring.invariants import find_breaches
from infra.tables.take_over import KeptOutFilter
from ops.verbs.adopt import adopt_order, foresee_adopt
from ops.views.kept_out import kept_out_orders
from ops.views.looking import looking

# Half a day before, and half a day after, the usual trade is paid (2026-11-22 09:01 in China).
LATER, EARLIER = datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)
LI = Author("li", "the old system is switched off")


@pytest.fixture
def serve(merchant):
    """Serve the shop as other settings say, as after a restart."""

    def apply(**how):
        [shop] = merchant.settings.shops
        known = msgspec.structs.replace(merchant.settings, shops=(msgspec.structs.replace(shop, **how),))
        with merchant.db.transaction() as tx:
            ensure_accounts(tx, known)

    return apply


@pytest.fixture
def kept(merchant, serve):
    """A merchant with stock who takes over after the usual trade is paid."""
    merchant.stock("east", **{"TEE-1": 100})
    serve(take_over_from=LATER)
    return merchant


def ids(merchant):
    return [row[0] for row in merchant.rows("SELECT id FROM orders ORDER BY id")]


def adopt(merchant):
    """Adopt all orders; what became of each, which a look had foreseen."""
    with looking(merchant.db) as tx:
        foreseen = foresee_adopt(tx, ids(merchant))
    became = []
    for id_ in ids(merchant):
        try:
            became.append(adopt_order(merchant.db, id_, LI).outcome)
        except Conflict as error:
            became.append(Adoption(error.code))
    assert foreseen == dict(zip(ids(merchant), became, strict=True))
    return became


def nothing_happened(merchant):
    assert merchant.courier.bookings == []
    assert merchant.platform.told == []
    assert merchant.notifier.told == []
    assert merchant.platform.revealed_for == []
    assert merchant.rows("SELECT 1 FROM work WHERE step NOT IN ('pull', 'pull_cases', 'scan', 'warehouse')") == []
    assert merchant.rows("SELECT 1 FROM reservation UNION ALL SELECT 1 FROM hold") == []


def test_an_order_paid_before_the_take_over_is_stored_and_never_begun(kept, trade):
    kept.deliver(trade(tid="1001"))
    kept.flow()
    assert kept.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "not_taken_over")]
    nothing_happened(kept)
    assert kept.counters() == (100, 0, 0)
    with kept.db.connection() as connection:
        assert list(find_breaches(connection)) == []


def test_the_control_ships_it(merchant, trade):
    merchant.stock("east", **{"TEE-1": 100})
    merchant.deliver(trade(tid="1001"))
    merchant.flow()
    assert len(merchant.courier.bookings) == 1


def test_an_order_paid_at_the_instant_or_later_is_ours(kept, serve, trade):
    serve(take_over_from=EARLIER)
    kept.deliver(trade(tid="1001"))
    kept.flow()
    assert kept.states() == ["allocated"]


@pytest.mark.parametrize(
    "changes",
    [
        {"seller_memo": "hurry"},
        {"receiver_address": "学院路***"},
        {"status": "WAIT_BUYER_CONFIRM_GOODS"},
        {"pay_time": "2027-01-01 00:00:00"},
        {"status": "TRADE_FINISHED"},
    ],
)
def test_no_later_content_begins_it(kept, trade, changes):
    kept.deliver(trade(tid="1001"))
    kept.flow()
    kept.deliver(trade(tid="1001", modified="2026-11-23 10:00:00", **changes))
    kept.flow()
    assert kept.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "not_taken_over")]
    nothing_happened(kept)


def test_it_has_no_ship_by_clock(kept, trade):
    kept.deliver(trade(tid="1001"))
    kept.flow()
    kept.rows("UPDATE orders SET ship_by = now() - interval '1 hour'")
    raise_alarms(kept.db)
    assert kept.rows("SELECT 1 FROM clock_alarm") == []


@pytest.mark.parametrize(
    ("pay_time", "state"), [("2026-11-22 19:59:59", "closed"), ("2026-11-22 20:00:00", "allocated")]
)
def test_an_unpaid_order_is_decided_when_it_is_paid(kept, trade, unpaid, pay_time, state):
    kept.deliver(trade(tid="1001", **unpaid))
    kept.flow()
    assert kept.states() == ["pending_payment"]
    kept.deliver(trade(tid="1001", pay_time=pay_time, modified="2026-11-23 10:00:00"))
    kept.flow()
    assert kept.states() == [state]
    assert len(kept.courier.bookings) == int(state == "allocated")
    if state == "closed":
        assert kept.counters() == (100, 0, 0)
        assert adopt(kept) == [Adoption.ADOPTED]
        kept.flow()
        assert len(kept.courier.bookings) == 1


def test_a_person_adopts_it_and_it_goes_the_whole_way(kept, trade):
    kept.deliver(trade(tid="1001", pieces=2))
    kept.flow()
    adopted = adopt_order(kept.db, ids(kept)[0], LI)
    assert (adopted.outcome, adopted.was, adopted.state) == (Adoption.ADOPTED, "not_taken_over", "paid")
    assert adopt(kept) == [Adoption.NOT_KEPT_OUT]
    kept.flow()
    kept.scan("accepted", "packed", "handed_over")
    kept.flow()
    assert len(kept.courier.bookings) == len(kept.platform.told) == 1
    assert kept.rows("SELECT who, verb, object, reason FROM audit") == [
        ("li", "order_adopted", f"order/{ids(kept)[0]}", LI.reason)
    ]
    with kept.db.connection() as connection:
        assert list(find_breaches(connection)) == []


def test_what_the_platform_shows_as_shipped_or_over_is_not_adopted(kept, trade):
    kept.deliver(trade(tid="1001"), trade(tid="1002"), trade(tid="1003"))
    kept.flow()
    late = {"modified": "2026-11-23 10:00:00"}
    kept.deliver(
        trade(tid="1001", status="WAIT_BUYER_CONFIRM_GOODS", **late), trade(tid="1002", status="TRADE_CLOSED", **late)
    )
    kept.flow()
    assert adopt(kept) == [
        Adoption.SHIPPED_ELSEWHERE,
        Adoption.OVER,
        Adoption.ADOPTED,
    ]
    kept.flow()
    assert kept.states() == ["closed", "closed", "allocated"]


def test_what_was_shipped_since_its_last_content_is_held_before_its_label(kept, trade):
    kept.deliver(trade(tid="1001"))
    kept.flow()
    adopt(kept)
    kept.platform.trades["1001"] = trade(tid="1001", status="WAIT_BUYER_CONFIRM_GOODS", modified="2026-11-23 10:00:00")
    kept.flow()
    assert kept.courier.bookings == []
    assert kept.holds() == ["shipped_elsewhere"]


def test_an_order_with_an_erased_content_is_not_adopted(kept, trade):
    kept.deliver(trade(tid="1001"))
    kept.flow()
    kept.rows(
        """INSERT INTO tombstone (platform, shop, platform_order_id, order_id, cause, end_state)
        SELECT platform, shop, platform_order_id, id, 'erased', 'closed' FROM orders"""
    )
    assert adopt(kept) == [Adoption.FORGOTTEN]


def test_they_are_found_by_shop_and_time_of_payment(kept, trade):
    kept.deliver(trade(tid="1001"), trade(tid="1002", pay_time="2026-11-22 10:00:00"))
    kept.flow()

    def found(**how):
        return [one.platform_order_id for one in kept_out_orders(kept.db, KeptOutFilter(**how))]

    assert found() == found(account="taobao/s1") == found(account="s1") == ["1001", "1002"]
    assert found(account="s2") == []
    ten = datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert (found(before=ten), found(since=ten)) == (["1001"], ["1002"])
    kept.deliver(trade(tid="1001", status="WAIT_BUYER_CONFIRM_GOODS", modified="2026-11-23 10:00:00"))
    kept.flow()
    assert (found(), found(is_open=False)) == (["1002"], ["1001", "1002"])


def test_an_instant_that_the_settings_no_longer_name_is_kept(kept, serve, trade):
    serve()
    kept.deliver(trade(tid="1001"))
    kept.flow()
    assert kept.states() == ["closed"]


def test_orders_that_were_begun_before_the_instant_was_named_go_on(kept, serve, trade):
    kept.rows("UPDATE shop SET take_over_from = NULL")
    kept.deliver(trade(tid="1001"))
    kept.flow(until="review")
    serve(take_over_from=LATER)
    kept.flow()
    assert kept.states() == ["allocated"]
