"""A parcel that its courier does not scan in time is a case: once, and only while the courier answers."""

from datetime import timedelta

import pytest

from adapters.ports import TrackEvent
from domain.clocks import CLOCKS, ClockName
from domain.order import Lane
from domain.tracking import ParcelKind
from infra.queue.keys import BellKey
from infra.sweeper.parcel_clocks import open_parcel_cases
from infra.tables.cases import close_case
from ops.views.clocks import running_clocks

K = ParcelKind
FIRST_SCAN, NO_MOVEMENT = CLOCKS[ClockName.FIRST_SCAN].hours, CLOCKS[ClockName.NO_MOVEMENT].hours
DELIVERY = CLOCKS[ClockName.DELIVERY].hours
TRACKING = "sf/main/tracking"


@pytest.fixture
def told(make_merchant, trade):
    """A merchant whose courier is asked about parcels, with two that left and that the platform was told of."""
    merchant = make_merchant()
    merchant.courier.can_track = True
    merchant.stock(**{"TEE-1": 100})
    merchant.deliver(trade(tid="1001"), trade(tid="1002"))
    merchant.flow("label")
    merchant.scan("handed_over")
    merchant.run("writeback")
    assert merchant.rows("SELECT DISTINCT status FROM writeback") == [("confirmed",)]
    return merchant


@pytest.fixture
def ago(told):
    """The moment so many hours before the database's time."""
    now = told.one("SELECT now()")
    return lambda hours, seconds=0: now - timedelta(hours=hours, seconds=seconds)


def ask(merchant, *events, waybill="SF0001"):
    """The courier shows these events of one parcel, and is asked now about both."""
    merchant.courier.ways[waybill] = events
    merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'track'")
    merchant.runners["track"].run(BellKey("track", Lane.BULK, TRACKING))


def shipped(merchant, at):
    """The ship time that the platform was told of both parcels, and their hand-over."""
    merchant.rows("UPDATE writeback SET shipped_at = %s", at)
    merchant.rows("UPDATE package SET handed_over_at = %s", at)


def cases(merchant, states="open"):
    return merchant.rows(
        f"""SELECT c.kind, s.waybill FROM order_case AS c JOIN shipment AS s ON s.package_id = c.package_id
            WHERE (c.closed_at IS NULL) = {states == "open"} ORDER BY s.waybill"""  # noqa: S608 - a literal
    )


def event(kind, at):
    return TrackEvent(f"{kind}", kind, at)


@pytest.mark.parametrize(("seconds", "late"), [(-30, 0), (30, 2)])
def test_a_parcel_that_is_not_collected_in_time_is_a_case_once(told, ago, seconds, late):
    shipped(told, ago(FIRST_SCAN, seconds))
    ask(told)
    assert open_parcel_cases(told.db, stretch=1) == late
    assert cases(told) == [("not_collected", "SF0001"), ("not_collected", "SF0002")][:late]
    assert open_parcel_cases(told.db) == 0


def test_a_courier_that_was_not_asked_since_opens_none(told, ago):
    shipped(told, ago(FIRST_SCAN + 1))
    assert open_parcel_cases(told.db) == 0
    ask(told)
    told.rows("UPDATE package SET tracked_at = %s", ago(2))
    assert open_parcel_cases(told.db) == 0, "the answer is older than the end of the clock"
    told.rows("UPDATE package SET tracked_at = now()")
    assert open_parcel_cases(told.db) == 2


def test_what_no_platform_was_told_of_has_no_clock(told, ago):
    shipped(told, ago(FIRST_SCAN + 1))
    ask(told)
    told.rows("UPDATE writeback SET status = 'sending', confirmed_at = NULL WHERE package_id = 1")
    assert open_parcel_cases(told.db) == 1


def test_a_parcel_that_is_collected_late_closes_its_case(told, ago):
    shipped(told, ago(FIRST_SCAN + 1))
    ask(told)
    open_parcel_cases(told.db)
    ask(told, event(K.COLLECTED, ago(0, 60)))
    open_parcel_cases(told.db)
    assert cases(told) == [("not_collected", "SF0002")]
    assert cases(told, "closed") == [("not_collected", "SF0001")]
    assert told.one("SELECT closed_by FROM order_case WHERE closed_at IS NOT NULL") == "engine"


@pytest.mark.parametrize(
    ("last", "hours", "is_case"),
    [
        (K.DEPARTED, NO_MOVEMENT, True),
        (K.OUT_FOR_DELIVERY, NO_MOVEMENT, True),
        (K.DEPARTED, NO_MOVEMENT - 1, False),
        (K.AT_LOCKER, NO_MOVEMENT, False),
        (K.RETURNING, NO_MOVEMENT, False),
        (K.DELIVERED, NO_MOVEMENT, False),
    ],
)
def test_a_parcel_that_stands_still_is_a_case_unless_it_may_rest(told, ago, last, hours, is_case):
    shipped(told, ago(100))
    ask(told, event(K.COLLECTED, ago(99)), event(last, ago(hours, 30)))
    ask(told, event(K.COLLECTED, ago(99)), waybill="SF0002")
    told.rows("DELETE FROM order_case")
    open_parcel_cases(told.db)
    found = [("not_moving", "SF0001")] if is_case else []
    assert cases(told) == [*found, ("not_moving", "SF0002")]


@pytest.mark.parametrize(
    ("last", "hours", "is_case"),
    [
        (K.DEPARTED, DELIVERY, True),
        (K.AT_LOCKER, DELIVERY, True),
        (K.DEPARTED, DELIVERY - 1, False),
        (K.RETURNING, DELIVERY, False),
        (K.LOST, DELIVERY, False),
        (K.DELIVERED, DELIVERY, False),
    ],
)
def test_a_parcel_that_nobody_signs_for_for_days_is_a_case(told, ago, last, hours, is_case):
    shipped(told, ago(hours + 2))
    ask(told, event(K.COLLECTED, ago(hours, 30)), event(last, ago(1)))
    open_parcel_cases(told.db)
    assert (("not_delivered", "SF0001") in cases(told)) is is_case


def test_a_signing_closes_the_cases_about_its_delay(told, ago):
    shipped(told, ago(DELIVERY + 2))
    ask(told, event(K.COLLECTED, ago(DELIVERY + 1)))
    open_parcel_cases(told.db)
    of_first = [kind for kind, waybill in cases(told) if waybill == "SF0001"]
    assert sorted(of_first) == ["not_delivered", "not_moving"]
    ask(told, event(K.COLLECTED, ago(DELIVERY + 1)), event(K.DELIVERED, ago(1)))
    open_parcel_cases(told.db)
    assert [kind for kind, waybill in cases(told) if waybill == "SF0001"] == []
    assert told.rows("SELECT DISTINCT reason FROM order_case WHERE closed_at IS NOT NULL") == [
        ("the parcel was signed for",)
    ]


def test_a_case_that_a_person_closed_is_not_opened_again(told, ago):
    shipped(told, ago(FIRST_SCAN + 1))
    ask(told)
    open_parcel_cases(told.db)
    for (case_id,) in told.rows("SELECT case_id FROM order_case"):
        with told.db.transaction() as tx:
            assert close_case(tx, "taobao/s1", case_id, "li", "the courier comes tomorrow")
    assert open_parcel_cases(told.db) == 0
    assert cases(told) == []


def test_the_clocks_of_parcels_are_listed(told, ago):
    shipped(told, ago(10))
    ask(told, event(K.COLLECTED, ago(9)), event(K.DEPARTED, ago(8)))
    names = (ClockName.FIRST_SCAN, ClockName.NO_MOVEMENT)
    listed = running_clocks(told.db, names, limit=9)
    assert [(one.clock, one.waybill, one.until) for one in listed] == [
        (ClockName.FIRST_SCAN, "SF0002", ago(10 - FIRST_SCAN)),
        (ClockName.NO_MOVEMENT, "SF0001", ago(8 - NO_MOVEMENT)),
    ]
    assert running_clocks(told.db, names, within_h=9, limit=9) == []
    assert [one.waybill for one in running_clocks(told.db, names, within_h=11, limit=9)] == ["SF0002"]
    ask(told, event(K.COLLECTED, ago(9)), event(K.AT_LOCKER, ago(7)))
    assert running_clocks(told.db, [ClockName.NO_MOVEMENT], limit=9) == []
    [one] = running_clocks(told.db, [ClockName.DELIVERY], limit=9)
    assert (one.waybill, one.until, one.owner) == ("SF0001", ago(9 - DELIVERY), "service")
    ask(told, event(K.COLLECTED, ago(9)), event(K.AT_LOCKER, ago(7)), event(K.RETURNING, ago(6)))
    assert running_clocks(told.db, [ClockName.DELIVERY], limit=9) == []
