import pytest

from adapters.ports import PlatformShipment
from domain.errors import Misconfigured, Refused, Transient, UnknownOutcome


class Killed(BaseException):
    """The end of the process, between two instructions."""


@pytest.fixture
def shipped(make_merchant, trade):
    """One booked order whose platform wants to hear at label time."""
    merchant = make_merchant(ship_on="label")
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    return merchant


def status(merchant):
    return merchant.one("SELECT status FROM writeback")


def test_the_platform_hears_and_is_read_back(shipped):
    shipped.run("writeback")
    assert shipped.platform.told == ["SF0001"]
    assert status(shipped) == "confirmed"
    assert shipped.states() == ["allocated"], "a write-back never moves the order"
    assert shipped.rows("SELECT facts->>'told_now' FROM event WHERE kind = 'writeback_done'") == [("true",)]


def test_already_shipped_with_our_number_is_a_success(shipped):
    shipped.platform.shipments["1001"] = [PlatformShipment("SF", "SF0001", ())]
    shipped.run("writeback")
    assert status(shipped) == "confirmed"
    assert shipped.platform.told == []


def test_already_shipped_with_another_number_is_for_a_person(shipped):
    shipped.platform.shipments["1001"] = [PlatformShipment("SF", "OTHER", ())]
    shipped.run("writeback")
    assert shipped.holds() == ["shipped_elsewhere"]
    assert status(shipped) == "refused"
    assert shipped.due("writeback") == []


def test_what_is_not_read_back_is_tried_again(shipped):
    shipped.platform.forgets = True
    shipped.run("writeback")
    assert status(shipped) == "pending"
    assert [attempts for _, attempts in shipped.due("writeback")] == [1]
    shipped.platform.forgets = False
    shipped.fall_due()
    shipped.run("writeback")
    assert status(shipped) == "confirmed"
    assert shipped.platform.told == ["SF0001"], "asked first: it had been told"


def test_a_read_back_that_fails_is_no_reason_to_tell_twice(shipped):
    shipped.platform.errors = {"status": [Transient("down")]}
    shipped.run("writeback")
    assert status(shipped) == "pending"
    shipped.fall_due()
    shipped.run("writeback")
    assert (status(shipped), shipped.platform.told) == ("confirmed", ["SF0001"])
    assert shipped.platform.asked["tell"] == 1


def test_a_call_that_surely_had_no_effect_is_repeated_without_a_question(shipped):
    shipped.platform.errors = {"tell": [Transient("reset")]}
    before = shipped.platform.asked["status"]
    shipped.run("writeback")
    shipped.fall_due()
    shipped.run("writeback")
    assert status(shipped) == "confirmed"
    assert shipped.platform.asked["status"] - before == 1, "the read-back alone"


def test_after_a_crash_the_platform_is_asked_first_and_not_before_the_deadline(shipped):
    shipped.platform.errors = {"after_tell": [Killed()]}
    with pytest.raises(Killed):
        shipped.run("writeback")
    shipped.rows("UPDATE work SET lease_token = NULL, lease_until = NULL, is_suspect = true")
    assert status(shipped) == "sending"
    asked = dict(shipped.platform.asked)
    shipped.run("writeback")
    assert dict(shipped.platform.asked) == asked, "the earlier call may still run"
    shipped.fall_due()
    shipped.run("writeback")
    assert (status(shipped), shipped.platform.told) == ("confirmed", ["SF0001"])
    assert shipped.platform.asked["tell"] == 1


@pytest.mark.parametrize(
    ("error", "hold", "left", "attempts"),
    [
        (Refused("closed"), ["writeback_refused"], "refused", []),
        (Misconfigured("session"), [], "pending", [0]),
        (UnknownOutcome("reset"), [], "pending", [1]),
        (ZeroDivisionError(), [], "pending", [1]),
    ],
)
def test_the_error_tree_decides(shipped, error, hold, left, attempts):
    shipped.platform.errors = {"tell": [error]}
    shipped.run("writeback")
    assert (shipped.holds(), status(shipped)) == (hold, left)
    assert shipped.states() == ["allocated"], "a write-back never moves the order"
    assert [spent for _, spent in shipped.due("writeback")] == attempts


def second_package(merchant):
    """A second package of the same order, booked and waiting for its write-back."""
    [(order_id, fulfillment_order_id)] = merchant.rows("SELECT order_id, id FROM fulfillment_order")
    package_id = merchant.one(
        """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
           VALUES (%s, 2, 'sf', 'sf/main', 'east') RETURNING id""",
        fulfillment_order_id,
    )
    merchant.rows(
        """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
           VALUES (%s, 1, 'SECOND-2-1', 'sf', 'booked', 'SF0002', now())""",
        package_id,
    )
    # With one more piece of the order's line.
    merchant.rows("UPDATE order_line SET quantity = quantity + 1, planned = planned + 1")
    merchant.rows("UPDATE fulfillment_line SET quantity = quantity + 1, packed = packed + 1")
    merchant.rows(
        """INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
           SELECT %s, fulfillment_order_id, order_id, line_id, 1 FROM fulfillment_line""",
        package_id,
    )
    merchant.rows(
        "INSERT INTO writeback (package_id, order_id, shipped_at) VALUES (%s, %s, now())", package_id, order_id
    )
    merchant.rows(
        "INSERT INTO work (step, subject_id, lane, account) SELECT 'writeback', %s, lane, account FROM work LIMIT 1",
        package_id,
    )
    merchant.rows("UPDATE work SET lane = 'bulk', account = 'taobao/s1' WHERE step = 'writeback'")


def test_packages_of_one_order_are_told_one_after_the_other(shipped):
    second_package(shipped)
    shipped.run("writeback")
    assert shipped.platform.told == ["SF0001"]
    assert len(shipped.due("writeback")) == 1
    shipped.fall_due()
    shipped.run("writeback")
    assert shipped.platform.told == ["SF0001", "SF0002"]
    assert shipped.rows("SELECT DISTINCT status FROM writeback") == [("confirmed",)]


def test_a_package_waits_while_another_one_is_told(shipped):
    second_package(shipped)
    first = shipped.one("SELECT min(package_id) FROM writeback")
    shipped.rows("UPDATE writeback SET status = 'sending' WHERE package_id <> %s", first)
    shipped.rows("DELETE FROM work WHERE step = 'writeback' AND subject_id <> %s", first)
    shipped.run("writeback")
    assert shipped.platform.told == []
    assert shipped.due("writeback") == [(first, 0)]


def test_a_confirmed_write_back_is_left_alone(shipped):
    shipped.run("writeback")
    package = shipped.one("SELECT id FROM package")
    again = "INSERT INTO work (step, subject_id, lane, account) VALUES ('writeback', %s, 'bulk', 'taobao/s1')"
    shipped.rows(again, package)
    shipped.run("writeback")
    assert shipped.platform.asked["tell"] == 1
    assert shipped.due("writeback") == []


def test_a_refused_write_back_does_not_stop_a_package_that_is_still_here(shipped):
    shipped.rows("UPDATE fulfillment_order SET state = 'packed'")
    shipped.platform.errors = {"tell": [Refused("closed")]}
    shipped.run("writeback")
    assert (shipped.states(), shipped.holds()) == (["packed"], ["writeback_refused"])
