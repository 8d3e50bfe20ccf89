"""With a guard of stops off, the harm that it keeps away is there."""

from dataclasses import replace

from actors import stop, void
from domain.dispatch import PlacementStatus
from domain.stops import next_rung
from infra.tables.shipments import load_unwanted


def climb(stops):
    for _ in range(3):
        stops.climb()
        stops.fall_due()


def test_control_without_the_word_of_the_warehouse_a_parcel_leaves_after_it_was_told_as_stopped(
    placed, stops, monkeypatch
):
    def believe(facts):
        return next_rung(replace(facts, document=PlacementStatus.STOPPED))

    monkeypatch.setattr(stop, "next_rung", believe)
    stops.ask()
    climb(stops)
    assert (stops.ends(), stops.documents()) == (["stopped"], [(1, "placed")])
    assert "nothing_leaves_after_stopped" in str(stops.breaches())
    placed.scan("packed", "handed_over")
    assert stops.cases() == ["moved_though_stopped"]


def test_control_without_the_void_a_waybill_lives_that_nobody_wants(labelled, stops, monkeypatch):
    def believe(facts):
        return next_rung(replace(facts, parcels=()))

    monkeypatch.setattr(stop, "next_rung", believe)
    stops.ask()
    climb(stops)
    assert (stops.ends(), stops.living()) == (["stopped"], ["SF0001"])
    assert "nothing_leaves_after_stopped" in str(stops.breaches())


def test_control_without_the_scan_money_is_promised_back_for_goods_that_travel(placed, stops, monkeypatch):
    placed.scan("packed", "handed_over")

    def believe(facts):
        here = tuple(replace(one, has_left=False) for one in facts.parcels)
        return next_rung(replace(facts, at="allocated", document=PlacementStatus.STOPPED, parcels=here))

    def believe_too(tx, ids):
        return [replace(one, has_left=False) for one in load_unwanted(tx, ids)]

    monkeypatch.setattr(stop, "next_rung", believe)
    monkeypatch.setattr(void, "load_unwanted", believe_too)
    stops.ask()
    climb(stops)
    assert (stops.ends(), placed.states()) == (["stopped"], ["in_transit"]), "told as stopped, and it travels"


def test_the_void_has_a_guard_of_its_own(placed, stops, monkeypatch):
    placed.scan("packed", "handed_over")

    def believe(facts):
        here = tuple(replace(one, has_left=False) for one in facts.parcels)
        return next_rung(replace(facts, at="allocated", document=PlacementStatus.STOPPED, parcels=here))

    monkeypatch.setattr(stop, "next_rung", believe)
    stops.ask()
    climb(stops)
    assert (stops.ends(), placed.courier.asked["cancel"], stops.living()) == (["too_late"], 0, ["SF0001"])
