"""A person has a waybill cancelled that nobody wants, or says that it is cancelled already."""

import pytest

from domain.errors import Conflict
from ops.verbs.bulk_acts import confirm, draft, work_off
from ops.verbs.choose import packages_named
from ops.verbs.many import VERBS
from ops.verbs.stop_orders import confirm_here, stop
from ops.verbs.void_packages import foresee_void, preview_void, void
from tests.actors.changing.conftest import LI


def package_of(house):
    return house.merchant.one("SELECT id FROM package")


@pytest.fixture
def refused(at_step):
    """A stopped order whose courier has refused to cancel the waybill."""
    house = at_step("label")

    async def refuse(reference, waybill):
        raise Conflict("not_today")

    house.merchant.courier.cancel = refuse
    stop(house.db, house.order, LI)
    house.stop_runs()
    assert house.merchant.rows("SELECT rung FROM stop") == [("void_by_hand",)]
    assert house.waybills() == ["booked"]
    del house.merchant.courier.cancel
    return house


def test_a_waybill_that_the_order_ships_with_is_not_cancelled(at_step):
    house = at_step("label")
    with pytest.raises(Conflict, match="waybill_wanted"):
        void(house.db, package_of(house), LI)
    assert house.waybills() == ["booked"]


def test_a_courier_that_has_refused_is_asked_again(refused):
    void(refused.db, package_of(refused), LI)
    refused.stop_runs()
    assert (refused.waybills(), refused.merchant.states()) == (["voided"], ["closed"])
    assert refused.merchant.holds() == []


def test_what_is_cancelled_by_hand_ends_the_stop(refused):
    void(refused.db, package_of(refused), LI, is_settled=True)
    assert (refused.waybills(), refused.merchant.holds()) == (["voided"], ["stopping"])
    refused.stop_runs()
    assert refused.merchant.states() == ["closed"]
    assert [one.alive for one in refused.merchant.courier.waybills] == [True]
    assert refused.audited()[-1][1] == "waybill_voided"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE package SET handed_over_at = now()", "package_left"),
        ("UPDATE shipment SET status = 'voided', voided_at = now()", "waybill_void"),
        ("UPDATE package SET account = 'warehouse/east'", "waybill_of_warehouse"),
        ("DELETE FROM shipment", "not_labelled"),
    ],
)
def test_what_is_not_cancelled_says_why(refused, change, code):
    refused.merchant.rows(change)
    with pytest.raises(Conflict, match=code):
        void(refused.db, package_of(refused), LI)
    with refused.db.transaction() as tx:
        assert foresee_void(tx, [package_of(refused)], "void_asked") == {package_of(refused): code}


def test_many_are_cancelled_by_their_numbers(refused):
    number = refused.merchant.one("SELECT waybill FROM shipment")
    items = packages_named(refused.db, [(1, number), (2, "SF-nobody")])
    bulk = draft(refused.db, VERBS["package.void"], {"is_settled": False}, items, chosen={}, author=LI)
    assert bulk.foreseen == {"void_asked": 1, "package_unknown": 1}
    confirm(refused.db, bulk.id, bulk.token, LI)
    work_off(refused.db, bulk.id)
    refused.stop_runs()
    assert refused.waybills() == ["voided"]


def test_a_preview_changes_nothing(refused):
    assert preview_void(refused.db, package_of(refused)).waybill
    refused.stop_runs()
    assert refused.waybills() == ["booked"]


def test_a_waybill_of_a_box_that_a_warehouse_may_still_ship_is_not_cancelled_before_its_stop(at_step):
    house = at_step("label")
    house.merchant.scan("accepted")
    stop(house.db, house.order, LI)
    house.stop_runs()
    with pytest.raises(Conflict, match="package_at_warehouse"):
        void(house.db, package_of(house), LI)
    with house.db.transaction() as tx:
        assert list(foresee_void(tx, [package_of(house)], "void_asked").values()) == ["package_at_warehouse"]
    confirm_here(house.db, house.order, LI)
    void(house.db, package_of(house), LI)
    house.stop_runs()
    assert (house.waybills(), house.merchant.states()) == (["voided"], ["closed"])
