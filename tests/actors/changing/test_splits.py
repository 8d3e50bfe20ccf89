"""A person divides an order into parts, and joins them again; the sums stay."""

import pytest

from domain.errors import Conflict, Refused
from domain.holds import HoldCode
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.verbs.split_orders import foresee_unsplit, preview_split, preview_unsplit, split, unsplit
from ops.verbs.stop_orders import reroute
from tests.actors.changing.conftest import LI


def planned(house):
    """Pieces and state of each part."""
    return house.merchant.rows(
        "SELECT f.number, f.state, (SELECT sum(quantity) FROM fulfillment_line WHERE fulfillment_order_id = f.id)"
        " FROM fulfillment_order AS f ORDER BY f.number"
    )


@pytest.mark.parametrize("step", ["normalize", "reserve", "review"])
def test_a_line_goes_its_own_way_with_its_stock(at_step, step):
    house = at_step(step, lines=2)
    done = split(house.db, house.order, ["MUG-1"], LI)
    assert (done.part, list(done.pieces.values()), done.state) == (2, [1], "paid")
    house.merchant.flow()
    assert [(number, pieces) for number, _, pieces in planned(house)] == [(1, 1), (2, 1)]
    assert house.waybills() == ["booked", "booked"]
    assert (house.merchant.counters(), house.merchant.counters("MUG-1")) == ((10, 0, 1), (10, 0, 1))
    assert house.breaches() == []


def test_a_part_of_a_held_order_is_held_too(at_step):
    house = at_step("reserve", lines=2)
    hold(house.db, house.order, HoldCode.MANUAL, LI)
    done = split(house.db, house.order, ["MUG-1"], LI)
    assert (done.state, house.merchant.states()) == ("on_hold", ["on_hold", "on_hold"])
    release(house.db, house.order, HoldCode.MANUAL, LI)
    house.merchant.flow()
    assert house.waybills() == ["booked", "booked"]


@pytest.mark.parametrize("step", ["normalize", "reserve", "review"])
def test_parts_that_are_joined_travel_together(at_step, step):
    house = at_step(step, lines=2)
    split(house.db, house.order, ["MUG-1"], LI)
    done = unsplit(house.db, house.order, LI)
    assert (done.part, done.state) == (1, "paid")
    assert planned(house)[1][1:] == ("closed", 0)
    house.merchant.flow()
    assert (house.merchant.states(), house.waybills()) == (["allocated", "closed"], ["booked"])
    assert (house.merchant.counters(), house.merchant.counters("MUG-1")) == ((10, 0, 1), (10, 0, 1))
    assert [verb for _, verb, _, _ in house.audited()] == ["order_split", "order_joined"]
    assert house.breaches() == []


def test_joined_parts_keep_what_they_were_promised(at_step):
    house = at_step("reserve", lines=2)
    split(house.db, house.order, ["MUG-1"], LI)
    unsplit(house.db, house.order, LI)
    assert (house.merchant.counters(), house.merchant.counters("MUG-1")) == ((10, 1, 0), (10, 1, 0))


def test_what_is_routed_is_taken_back_first(at_step):
    house = at_step("label", lines=2)
    with pytest.raises(Conflict, match="order_routed"):
        split(house.db, house.order, ["MUG-1"], LI)
    hold(house.db, house.order, HoldCode.MANUAL, LI)
    reroute(house.db, house.order, LI)
    house.stop_runs()
    assert house.waybills() == ["voided"]
    split(house.db, house.order, ["MUG-1"], LI)
    assert house.merchant.states() == ["on_hold", "on_hold"]
    assert house.breaches() == []


def test_what_cannot_be_divided_says_why(at_step):
    house = at_step("review", lines=2)
    with pytest.raises(Conflict, match="nothing_left_behind"):
        split(house.db, house.order, ["TEE-1", "MUG-1"], LI)
    with pytest.raises(Refused, match="line_unknown"):
        split(house.db, house.order, ["CUP-9"], LI)
    with pytest.raises(Conflict, match="not_split"):
        unsplit(house.db, house.order, LI)
    assert len(house.parts()) == 1


def test_previews_change_nothing(at_step):
    house = at_step("review", lines=2)
    assert preview_split(house.db, house.order, ["MUG-1"]).part == 2
    with house.db.transaction() as tx:
        assert foresee_unsplit(tx, [house.order], "joined") == {house.order: "not_split"}
    assert len(house.parts()) == 1
    split(house.db, house.order, ["MUG-1"], LI)
    assert preview_unsplit(house.db, house.order).part == 1
    assert len(house.parts()) == 2
