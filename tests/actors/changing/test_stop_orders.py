"""A person stops, closes, relabels and reroutes orders: what is asked, what follows, and what is refused instead."""

import pytest

from actors.documents.own import OwnDocuments
from adapters.warehouses.own import OwnWarehouse
from domain.errors import Conflict, FulfilmentError, Refused
from ops.verbs.stop_orders import (
    RELABEL,
    STOP,
    close,
    confirm_here,
    foresee_stop,
    preview,
    relabel,
    reroute,
    stop,
    take_back,
)
from tests.actors.changing.conftest import LI
from workers.order_takers import note_order_takers_of


@pytest.mark.parametrize("step", ["normalize", "reserve", "review", "route"])
def test_what_nobody_outside_has_is_closed_with_its_stock_back(at_step, step):
    house = at_step(step)
    asked = stop(house.db, house.order, LI)
    assert asked.acts == ("close",)
    assert house.merchant.states() == ["on_hold"]
    house.stop_runs()
    assert house.merchant.states() == ["closed"]
    assert (house.merchant.counters(), house.merchant.holds()) == ((10, 0, 0), [])
    assert house.stops() == [("person", "close", "stopped")]
    assert house.breaches() == []


def test_a_labelled_order_ends_with_its_waybill_void(at_step):
    house = at_step("label")
    asked = stop(house.db, house.order, LI)
    assert (asked.acts, asked.states) == (("void", "close"), ("allocated",))
    house.stop_runs()
    assert (house.merchant.states(), house.waybills()) == (["closed"], ["voided"])
    assert house.audited()[0] == ("li", "order_stopped", f"order/{house.order}", LI.reason)


def test_an_order_that_is_being_stopped_is_not_stopped_again(at_step):
    house = at_step("label")
    stop(house.db, house.order, LI)
    for again in (stop, close, relabel, reroute):
        with pytest.raises(Conflict, match="stop_open"):
            again(house.db, house.order, LI)


def test_one_line_is_stopped_and_the_other_goes_on(at_step):
    house = at_step("review", lines=2)
    stop(house.db, house.order, LI, ["MUG-1"])
    house.stop_runs()
    house.merchant.flow()
    states = house.merchant.rows(
        "SELECT f.state, l.line_id FROM fulfillment_order AS f"
        " JOIN fulfillment_line AS l ON l.fulfillment_order_id = f.id WHERE l.quantity > 0 ORDER BY f.state"
    )
    assert [state for state, _ in states] == ["allocated", "closed"]
    assert house.merchant.counters("MUG-1") == (10, 0, 0)
    assert house.breaches() == []


def test_a_line_that_the_order_has_not_is_named(at_step):
    house = at_step("review")
    with pytest.raises(Refused, match="line_unknown") as caught:
        stop(house.db, house.order, LI, ["CUP-9"])
    assert caught.value.facts == {"line": "CUP-9", "known": "TEE-1"}
    assert house.stops() == []


def test_an_order_that_nobody_outside_has_is_closed(at_step):
    house = at_step("route")
    close(house.db, house.order, LI)
    house.stop_runs()
    assert (house.merchant.states(), house.merchant.counters()) == (["closed"], (10, 0, 0))
    assert [verb for _, verb, _, _ in house.audited()] == ["order_closed"]


def test_a_close_never_leaves_a_living_waybill(at_step):
    house = at_step("label")
    with pytest.raises(Conflict, match="order_bound"):
        close(house.db, house.order, LI)
    assert (house.merchant.states(), house.waybills(), house.stops()) == (["allocated"], ["booked"], [])


def test_an_order_in_after_sale_is_closed_at_once(at_step):
    house = at_step("label")
    house.merchant.rows("UPDATE fulfillment_order SET state = 'after_sale', reservation = 'consumed'")
    house.merchant.rows("UPDATE package SET handed_over_at = now()")
    close(house.db, house.order, LI)
    closed = house.merchant.rows("SELECT state, closed_reason FROM fulfillment_order")
    assert closed == [("closed", "closed_by_person")]


def test_a_relabelled_order_gets_another_waybill(at_step):
    house = at_step("label")
    relabel(house.db, house.order, LI)
    house.stop_runs()
    house.merchant.flow()
    assert (house.merchant.states(), house.waybills()) == (["allocated"], ["voided", "booked"])
    assert house.stops() == [("relabel", "rebuild", "stopped")]
    assert house.breaches() == []


def test_a_rerouted_order_leaves_its_location(at_step):
    house = at_step("label")
    house.merchant.stock("west", **{"TEE-1": 10})
    [(_, was)] = house.parts()
    reroute(house.db, house.order, LI)
    house.stop_runs()
    house.merchant.flow()
    [(state, now)] = house.parts()
    assert (state, {was, now}) == ("allocated", {"east", "west"})
    assert house.waybills() == ["voided", "booked"]
    assert house.breaches() == []


def test_what_is_not_there_to_be_replaced_is_said(at_step):
    house = at_step("review")
    with pytest.raises(Conflict, match="nothing_to_relabel"):
        relabel(house.db, house.order, LI)
    with pytest.raises(Conflict, match="nothing_to_reroute"):
        reroute(house.db, house.order, LI)


def test_a_stop_that_is_taken_back_lets_the_order_go_on(at_step):
    house = at_step("route")
    stop(house.db, house.order, LI)
    taken = take_back(house.db, house.order, LI)
    assert (taken.acts, house.merchant.states(), house.merchant.holds()) == ((), ["allocated"], [])
    house.merchant.flow()
    assert house.waybills() == ["booked"]
    assert [verb for _, verb, _, _ in house.audited()] == ["order_stopped", "stop_withdrawn"]


def test_there_is_nothing_to_take_back_without_a_stop(at_step):
    house = at_step("route")
    for do in (take_back, confirm_here):
        with pytest.raises(Conflict, match="stop_not_open"):
            do(house.db, house.order, LI)


def test_goods_that_were_found_in_the_house_end_the_stop(at_step):
    house = at_step("label")
    # At a warehouse that cannot be asked, the goods have been accepted.
    house.merchant.scan("accepted")
    assert house.merchant.states() == ["in_warehouse"]
    stop(house.db, house.order, LI)
    house.stop_runs()
    assert house.merchant.rows("SELECT rung FROM stop") == [("confirm",)]
    assert (house.merchant.states(), house.waybills()) == (["on_hold"], ["booked"])
    confirm_here(house.db, house.order, LI)
    house.stop_runs()
    assert (house.merchant.states(), house.waybills()) == (["closed"], ["voided"])
    assert house.merchant.rows("SELECT confirmed_by FROM stop") == [("li",)]


@pytest.mark.parametrize("verb", [stop, relabel])
def test_goods_that_were_found_go_on_with_no_document_that_they_had(at_step, monkeypatch, verb):
    house = at_step("route")
    east, location = house.merchant.tools.warehouses, house.merchant.tools.directory.locations["east"]
    east["east"] = OwnWarehouse(OwnDocuments(house.db))
    monkeypatch.setattr(type(location), "is_own", property(lambda _self: True))
    note_order_takers_of(house.merchant.tools)
    house.merchant.flow("label")
    house.merchant.run("dispatch")
    assert house.documents() == ["placed"]
    verb(house.db, house.order, LI)
    house.stop_runs()
    confirm_here(house.db, house.order, LI)
    assert house.documents() == ["stopped"]
    house.stop_runs()
    house.merchant.flow("label")
    house.merchant.run("dispatch")
    anew = {stop: (["stopped"], ["voided"]), relabel: (["stopped", "placed"], ["voided", "booked"])}
    assert ((house.documents(), house.waybills()), house.breaches()) == (anew[verb], [])


@pytest.mark.parametrize("verb", [STOP, RELABEL])
def test_a_preview_changes_nothing(at_step, verb):
    house = at_step("label")
    shown = preview(house.db, verb, house.order, {})
    assert shown.acts[0] == "void"
    assert (house.merchant.states(), house.stops(), house.audited()) == (["allocated"], [], [])


def test_what_a_preview_of_many_shows_is_what_is_done(at_step):
    house = at_step("review")
    with house.db.transaction() as tx:
        foreseen = [
            foresee_stop(tx, STOP, [house.order], {}, "stop_asked"),
            foresee_stop(tx, STOP, [house.order], {"lines": ["CUP-9"]}, "stop_asked"),
            foresee_stop(tx, RELABEL, [house.order], {}, "relabel_asked"),
        ]
    assert [each[house.order] for each in foreseen] == ["stop_asked", "line_unknown", "nothing_to_relabel"]
    stop(house.db, house.order, LI)
    with pytest.raises(FulfilmentError):
        relabel(house.db, house.order, LI)
