"""An order that was held, or died, before its account turned out to be the cause goes on by itself."""

import pytest

from domain.errors import Misconfigured
from domain.gates import FaultKind, FaultRecord, mark
from infra.sweeper.reinstate import reinstate
from infra.tables.gates import give_back, record_fault

COURIER, SHOP = "sf/main", "taobao/s1"


def accusing(account):
    error = Misconfigured("http_403")
    mark(error, account, FaultKind.CREDENTIALS, "R1", FaultRecord(is_alone=False, subjects=1))
    return error


def spend(merchant, step, errors, call, account):
    """Run a step until its subject has spent all its attempts on accusations."""
    with merchant.db.transaction() as tx:
        record_fault(tx, account, FaultKind.CREDENTIALS, "R1", "http_403")
    for _ in range(8):
        errors[call] = [accusing(account)]
        merchant.fall_due()
        merchant.run(step)
    errors.clear()


def prove(merchant, account):
    with merchant.db.transaction() as tx:
        give_back(tx, account, FaultKind.CREDENTIALS)


def put_back(merchant):
    with merchant.db.transaction() as tx:
        return reinstate(tx)


@pytest.fixture
def held(merchant, trade):
    """One order that the label step holds for the courier's 403."""
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("route")
    spend(merchant, "label", merchant.courier.errors, "create", COURIER)
    assert merchant.holds() == ["waybill_error"]
    assert merchant.due("label") == []
    return merchant


def test_a_hold_of_an_accuser_is_released_once_the_account_is_proven_to_be_the_cause(held):
    prove(held, COURIER)
    [bell] = put_back(held)
    assert (bell.step, bell.account) == ("label", COURIER)
    assert (held.holds(), held.states()) == ([], ["allocated"])
    [(_, attempts)] = held.due("label")
    assert attempts == 0
    held.run("label")
    assert held.one("SELECT status FROM shipment") == "booked"
    assert held.rows("SELECT who, verb FROM audit") == [("engine", "hold_released")]
    assert put_back(held) == set()


def test_control_without_the_proof_it_waits_for_a_person(held):
    assert put_back(held) == set()
    assert held.holds() == ["waybill_error"]


def test_a_hold_for_another_reason_stays(held):
    held.rows("""UPDATE hold SET facts = '{"code": "receiver_incomplete"}'""")
    prove(held, COURIER)
    assert put_back(held) == set()
    assert held.holds() == ["waybill_error"]


def test_an_order_that_something_else_holds_too_stays_held(held):
    held.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
           SELECT id, 'refund_requested', 'label', 'service', now() FROM fulfillment_order"""
    )
    prove(held, COURIER)
    assert put_back(held) == set()
    assert (held.holds(), held.states()) == (["refund_requested"], ["on_hold"])


def test_a_dead_letter_of_an_accuser_is_replayed(merchant, trade):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    merchant.scan("accepted", "packed", "handed_over")
    spend(merchant, "writeback", merchant.platform.errors, "tell", SHOP)
    assert merchant.letters() == [("writeback", "http_403")]

    prove(merchant, SHOP)
    assert {bell.step for bell in put_back(merchant)} == {"writeback"}

    merchant.fall_due()
    merchant.run("writeback")
    assert merchant.one("SELECT status FROM writeback") == "confirmed"
