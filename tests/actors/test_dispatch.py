"""Handing documents to a warehouse: once each, whatever the answers do."""

from dataclasses import replace

import pytest

from adapters.documents import Capabilities, DocumentRefusedError, EventLine, Progress, RefusalCode
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from infra.monitoring.invariants import find_breaches
from workers.order_takers import note_order_takers_of

TAKES = Capabilities()


class Killed(BaseException):
    """Stands for kill -9: nothing of this process runs on."""


@pytest.fixture
def told(merchant):
    """The merchant, whose warehouses in the east and the west take orders."""
    for warehouse in merchant.tools.warehouses.values():
        warehouse.capabilities = TAKES
    note_order_takers_of(merchant.tools)
    return merchant


@pytest.fixture
def labelled(told, trade):
    """One order with a label, not handed over yet."""
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001", pieces=2))
    told.flow("label")
    return told


def placements(merchant):
    return merchant.rows(
        "SELECT location, generation, status, code, call_deadline IS NOT NULL FROM placement ORDER BY id"
    )


def crash(merchant):
    with pytest.raises(Killed):
        merchant.run("dispatch")
    merchant.rows("DELETE FROM flight")
    merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")


def fall_due(merchant):
    merchant.fall_due()
    merchant.rows("UPDATE placement SET call_deadline = now() - interval '1 second' WHERE call_deadline IS NOT NULL")


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def test_label_leads_to_dispatch_and_the_warehouse_gets_one_document(labelled):
    assert labelled.due("dispatch") == [(1, 0)]
    labelled.run("dispatch")
    [[document]] = labelled.warehouse.documents.values()
    [package] = document.packages
    assert [(line.sku, line.quantity) for line in document.lines] == [("TEE-1", 2)]
    assert (package.courier, package.waybill) == ("sf", "SF0001")
    assert (document.shop, document.receiver, document.merge_token) == ("taobao/s1", None, "oaid-1")
    assert placements(labelled) == [("east", 1, "placed", "", False)]
    assert labelled.states() == ["allocated"]
    assert labelled.due("dispatch") == []
    assert breaches(labelled) == []


def test_where_no_orders_are_taken_nothing_is_dispatched(merchant, trade):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    assert merchant.due("dispatch") == []
    assert placements(merchant) == []
    assert merchant.warehouse.asked == {}
