import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from adapters.ports import PlatformShipment
from domain.errors import Misconfigured, Refused, Transient, UnknownOutcome
from domain.holds import HoldCode
from domain.states import State
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from infra.tables.orders import lock_fulfillment
from infra.tables.writebacks import load_writebacks
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.verbs.letters import discard

LI = Author("li", "the buyer has called")


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


def die_while_telling(merchant, package_id):
    """The process of one package's telling is gone, and so is the work."""
    merchant.rows(
        "UPDATE writeback SET status = 'sending', call_deadline = now() + interval '1 minute' WHERE package_id = %s",
        package_id,
    )
    merchant.rows("DELETE FROM work WHERE step = 'writeback' AND subject_id = %s", package_id)


def test_a_package_waits_while_another_one_is_told(shipped):
    second_package(shipped)
    [(first,), (second,)] = shipped.rows("SELECT package_id FROM writeback ORDER BY package_id")
    die_while_telling(shipped, second)
    shipped.run("writeback")
    assert shipped.platform.told == []
    assert shipped.due("writeback") == [(first, 0)]


def test_a_package_waits_for_the_letter_of_another_one_until_that_is_discarded(shipped):
    second_package(shipped)
    [(first,), (second,)] = shipped.rows("SELECT package_id FROM writeback ORDER BY package_id")
    die_while_telling(shipped, second)
    letter_id = shipped.one(
        """INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code, fingerprint,
               causes, attempts, crashes, owner, due_at)
           SELECT 'writeback', %s, lane, '', order_id, id, 'worker_killed', 'f', '[]', 0, 2, 'x', now()
           FROM fulfillment_order RETURNING id""",
        second,
    )
    shipped.fall_due()
    shipped.run("writeback")
    assert (shipped.platform.told, shipped.due("writeback")) == ([], [(first, 0)])
    shipped.rows("UPDATE writeback SET call_deadline = now() + interval '1 minute' WHERE package_id = %s", second)
    discard(shipped.db, letter_id, LI)
    shipped.rows("UPDATE work SET due_at = now() - interval '1 second'")
    shipped.run("writeback")
    assert shipped.platform.told == [], "its call may still run"
    shipped.fall_due()
    shipped.run("writeback")
    assert (shipped.platform.told, shipped.due("writeback")) == (["SF0001"], [])


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


def stop(merchant, code=HoldCode.MANUAL):
    hold(merchant.db, merchant.one("SELECT id FROM orders"), code, LI)


def release_hold(merchant, code=HoldCode.MANUAL):
    return release(merchant.db, merchant.one("SELECT id FROM orders"), code, LI)


def breaches(merchant):
    with merchant.db.connection() as connection:
        return find_breaches(connection)


@pytest.fixture(params=["label", "packed"])
def due(request, make_merchant, trade):
    """An order whose write-back is due, while its package is still in the house."""
    merchant = make_merchant(ship_on=request.param)
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    if request.param == "packed":
        merchant.scan("accepted", "packed")
    return merchant


def test_a_held_order_is_not_told_until_its_release(due):
    assert len(due.due("writeback")) == 1
    stop(due)
    due.run("writeback")
    assert (due.platform.told, due.due("writeback")) == ([], [])
    assert (status(due), breaches(due)) == ("pending", [])
    assert due.rows("SELECT facts FROM event WHERE kind = 'writeback_done'") == [({"left_alone": "on_hold"},)]
    release_hold(due)
    due.run("writeback")
    assert (due.platform.told, status(due)) == (["SF0001"], "confirmed")


def test_control_without_a_look_at_the_state_the_held_order_is_told(due, monkeypatch):
    monkeypatch.setattr("actors.writeback.lock_fulfillment", lambda tx, ids: [])
    stop(due)
    due.run("writeback")
    assert due.platform.told == ["SF0001"]


def test_a_package_that_has_left_is_told_whatever_holds_its_order(due):
    stop(due)
    due.rows("UPDATE package SET handed_over_at = now()")
    due.run("writeback")
    assert (due.platform.told, status(due)) == (["SF0001"], "confirmed")


@pytest.mark.parametrize("reached", [True, False])
def test_an_attempt_that_may_have_told_is_asked_about_and_not_repeated_during_a_hold(due, reached):
    due.platform.errors = {"after_tell" if reached else "tell": [UnknownOutcome("timeout")]}
    due.run("writeback")
    stop(due)
    due.fall_due()
    due.run("writeback")
    assert due.platform.asked["tell"] == 1, "asked, and not told once more"
    assert (status(due), due.due("writeback")) == ("confirmed" if reached else "pending", [])
    release_hold(due)
    due.run("writeback")
    assert (due.platform.told, status(due), breaches(due)) == (["SF0001"], "confirmed", [])


def test_a_refusal_that_is_released_during_another_hold_is_told_after_that_one(due):
    due.platform.errors = {"tell": [Refused("closed")]}
    due.run("writeback")
    stop(due)
    release_hold(due, HoldCode.WRITEBACK_REFUSED)
    due.run("writeback")
    assert (due.platform.told, due.due("writeback"), status(due)) == ([], [], "pending")
    release_hold(due)
    due.run("writeback")
    assert (due.platform.told, status(due)) == (["SF0001"], "confirmed")


def release_beside(due, monkeypatch):
    """The step reads the order as held; before it has settled that, a person releases the hold."""
    stop(due)
    read, released = threading.Event(), threading.Event()

    def load(tx, ids):
        rows = load_writebacks(tx, ids)
        assert [row.state for row in rows] == [State.ON_HOLD]
        read.set()
        assert released.wait(20)
        return rows

    monkeypatch.setattr("actors.writeback.load_writebacks", load)
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(due.run, "writeback")
        assert read.wait(20)
        release_hold(due)
        released.set()
        step.result(20)


def test_a_release_beside_the_step_is_not_lost(due, monkeypatch):
    release_beside(due, monkeypatch)
    assert (due.platform.told, status(due)) == (["SF0001"], "confirmed")


def test_control_without_the_lock_the_release_beside_the_step_is_lost(due, monkeypatch):
    def stale(tx, ids):
        return [msgspec.structs.replace(one, state=State.ON_HOLD) for one in lock_fulfillment(tx, ids)]

    monkeypatch.setattr("actors.writeback.lock_fulfillment", stale)
    release_beside(due, monkeypatch)
    assert (due.platform.told, due.due("writeback"), status(due)) == ([], [], "pending")
