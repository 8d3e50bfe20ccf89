"""Warehouses and the courier do what a test says, when it says so."""

import json

import msgspec
import pytest

from sandbox.parcels import EVENTS, Parcels
from sandbox.spec import CourierDelays, Floor, WarehouseDelays
from sandbox.waybills import Booked, Waybill

PLACE = "shanghai"
DOCUMENT = {
    "reference": "W7B73O67I4YV6HOQ4RJX-W1-1",
    "shop": "taobao/shop-1",
    "lines": [{"line": "11", "sku": "SKU-1", "quantity": 2}],
}


@pytest.fixture
def floor(make_world, clean_spec, now):
    """The floor of a warehouse that books and never goes on by itself, with one document; and what its feed tells."""
    spec = msgspec.structs.replace(
        clean_spec,
        floors={PLACE: Floor(learns_from="orders", books_waybill=True)},
        warehouse=WarehouseDelays(accept_s=1e9),
    )
    world = make_world(spec)
    book, works = world.warehouses.books[PLACE], world.warehouses.works[PLACE]
    _, _, document = book.place(json.dumps(DOCUMENT).encode(), works.floor, now)
    works.begin(document, now)

    def told():
        world.advance(now)
        return [scan.type for scan in world.warehouses.scans[PLACE]]

    return world, works, document, told


def test_work_is_carried_on_one_act_after_the_other_until_none_is_left(floor, now):
    world, works, document, told = floor
    assert told() == []
    assert works.carry_on(document, now)
    assert (document.state, told()) == ("accepted", ["accepted", "printed"])
    assert works.carry_on(document, now)
    assert works.carry_on(document, now)
    assert document.state == "handed_over"
    assert not works.carry_on(document, now)
    [waybill] = world.waybills.by_number.values()
    assert waybill.collected_at == now, "the courier's routes begin at the hand-over"
    assert len(world.courier.parcels.routes(waybill, now + 60)) == len(["50", "30", "204", "80", "8000"])


def test_a_dropped_document_is_stopped_and_told_of(floor, now):
    _, works, document, told = floor
    works.drop(document, now)
    assert (document.state, told()) == ("stopped", ["stopped"])
    assert works.carry_on(document, now)
    assert (document.state, told()) == ("stopped", ["stopped"]), "nobody works on it any more"


def test_a_parcel_by_hand_has_no_way_but_what_was_told(now):
    parcels = Parcels(CourierDelays(), by_hand=True)
    waybill = Waybill("SF1", Booked("R", PLACE, "", "", "", ()), now, is_collected=True, collected_at=now)
    assert parcels.routes(waybill, now + 60) == []
    for what in EVENTS:
        parcels.tell("SF1", what, now)
    shown = parcels.routes(waybill, now)
    assert [one["opCode"] for one in shown] == [EVENTS[what].code for what in EVENTS]
    parcels.is_nasty = True
    assert len(parcels.routes(waybill, now)) > 2 * len(EVENTS), "each twice, and one that nobody knows"
