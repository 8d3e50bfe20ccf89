"""The sandbox's courier shows what becomes of parcels: in time, and as nastily as it is asked to."""

from collections import Counter

import pytest

from sandbox.parcels import Intercepts, Parcels
from sandbox.spec import CourierDelays
from sandbox.warehouse import AnswerLostError

CREATE, ROUTES = "EXP_RECE_CREATE_ORDER", "EXP_RECE_SEARCH_ROUTES"
INTERCEPT = "EXP_RECE_WANTED_INTERCEPT"


@pytest.fixture
def parcel(world, sf, booking):
    """The number of a parcel, and a question about numbers; `end`: of a phone, the receiver's by default."""
    _, created = sf(world, CREATE, booking(world))
    number = created["msgData"]["waybillNoInfoList"][0]["waybillNo"]

    def ask(*numbers, end="0002"):
        asked = {"language": "0", "trackingType": "1", "trackingNumber": list(numbers or (number,)), "methodType": "1"}
        return sf(world, ROUTES, {**asked, "checkPhoneNo": end})

    return number, ask


def codes(answer):
    [entry] = answer[1]["msgData"]["routeResps"]
    return [route["opCode"] for route in entry["routes"]]


def test_there_are_no_routes_before_the_hand_over_and_all_at_the_end(world, parcel, now):
    _, ask = parcel
    assert codes(ask()) == []
    world.advance(now)
    assert codes(ask()) == []
    number, _ = parcel
    world.waybills.by_number[number].collected_at = now - 1.0
    assert codes(ask()) == ["50", "30", "204"]
    world.waybills.by_number[number].collected_at = now - 10.0
    assert codes(ask()) == ["50", "30", "204", "80", "8000"]


def test_the_warehouse_hands_over_to_the_courier(world, parcel, now):
    number, _ = parcel
    world.advance(now + 10)
    assert world.waybills.by_number[number].collected_at == pytest.approx(now + 0.6)


def test_ten_numbers_at_most_and_one_at_least(parcel):
    _, ask = parcel
    assert ask(*[f"SF{number}" for number in range(11)])[1]["errorCode"] == "8003"
    assert ask(*[f"SF{number}" for number in range(10)])[1]["errorCode"] == "S0000"


def test_another_phone_shows_nothing_but_a_reason(parcel):
    _, ask = parcel
    [entry] = ask(end="9999")[1]["msgData"]["routeResps"]
    assert (entry["routes"], entry["reasonCode"]) == ([], "1")


def test_a_partner_without_permission_is_refused_for_routes_alone(world, sf, booking, parcel):
    _, ask = parcel
    world.courier.can_track = False
    assert ask()[0]["apiResultCode"] == "A1004"
    assert sf(world, CREATE, booking(world, reference="REF-2-1"))[0]["apiResultCode"] == "A1000"


@pytest.mark.parametrize(
    ("fate", "last"), [("locker", ["80"]), ("returned", ["99", "80"]), ("delivered", ["80", "8000"])]
)
def test_a_fate_is_how_the_way_ends(world, parcel, now, fate, last):
    number, ask = parcel
    world.courier.parcels.fates[number] = fate
    world.waybills.by_number[number].collected_at = now - 10.0
    assert codes(ask())[3:] == last


def test_a_nasty_courier_repeats_and_mixes_what_it_shows_and_shows_it_late(world, parcel, now):
    number, ask = parcel
    world.waybills.by_number[number].collected_at = now - 10.0
    plain = codes(ask())
    world.courier.parcels.is_nasty = True
    mixed = codes(ask())
    assert mixed != [*plain, *plain, "999"]
    assert Counter(mixed) == Counter([*plain, *plain, "999"])
    world.courier.parcels.shows_late_s = 60.0
    assert codes(ask()) == []


def test_nobody_collects_a_parcel_that_goes_nowhere(world, parcel, now):
    number, ask = parcel
    world.courier.parcels.fates[number] = "nowhere"
    world.waybills.by_number[number].collected_at = now - 10.0
    assert codes(ask()) == []


def test_delays_are_those_of_the_spec(world):
    assert world.courier.parcels.delays == CourierDelays() == Parcels(CourierDelays()).delays


def intercept(world, sf, number, now, **changes):
    """Ask the courier to bring a parcel back; the business code of its answer."""
    place = {"province": "上海市", "city": "上海市", "county": "青浦区", "address": "华徐公路1号"}
    asked = {"waybillNo": number, "serviceCode": "2", "role": "1", "payMode": "4", "monthlyCardNo": "7551234567"}
    return sf(world, INTERCEPT, {**asked, "newDestAddress": place, **changes}, now=now)[1]["errorCode"]


@pytest.fixture
def moving(world, parcel, now):
    """A parcel that was collected a moment ago, and a question about its codes so many seconds later."""
    number, _ = parcel
    world.waybills.by_number[number].collected_at = now
    return number, lambda later: [
        route["opCode"] for route in world.courier.parcels.routes(world.waybills.by_number[number], now + later)
    ]


def test_an_interception_is_taken_between_collection_and_delivery_and_brings_the_parcel_back(world, sf, moving, now):
    number, codes_at = moving
    assert intercept(world, sf, number, now + 0.2) == "20101"
    assert intercept(world, sf, number, now + 0.7) == "S0000"
    assert intercept(world, sf, number, now + 0.8) == "20103", "one a parcel"
    assert codes_at(0.9) == ["50", "30"], "taken is not turned"
    assert codes_at(1.05) == ["50", "30", "99"]
    assert codes_at(9.0) == ["50", "30", "99", "80"], "its sender signs for it"


def test_what_was_signed_for_is_not_intercepted(world, sf, moving, now):
    number, codes_at = moving
    assert intercept(world, sf, number, now + 1.3) == "20102"
    assert codes_at(2.0) == ["50", "30", "204", "80", "8000"]


def test_an_interception_that_was_taken_may_fail_and_is_asked_for_again(world, sf, moving, now):
    number, codes_at = moving
    world.courier.parcels.intercepts = Intercepts.FAILS
    assert intercept(world, sf, number, now + 0.7) == "S0000"
    assert codes_at(9.0) == ["50", "30", "204", "80", "8000"]
    assert intercept(world, sf, number, now + 0.8) == "S0000"


def test_of_a_parcel_whose_interception_was_taken_nothing_more_may_be_heard(world, sf, moving, now):
    number, codes_at = moving
    world.courier.parcels.intercepts = Intercepts.SILENT
    assert intercept(world, sf, number, now + 0.7) == "S0000"
    assert codes_at(9.0) == ["50", "30"]
    assert intercept(world, sf, number, now + 0.8) == "20103"


def test_an_interception_wants_a_known_number_an_address_and_the_card(world, sf, moving, now):
    number, _ = moving
    assert intercept(world, sf, "SF0000000000000", now + 0.7) == "8018"
    assert intercept(world, sf, number, now + 0.7, newDestAddress=None) == "S0002"
    assert intercept(world, sf, number, now + 0.7, monthlyCardNo=None) == "8114"
    assert world.courier.parcels.taken == {}


def test_answers_about_interceptions_are_lost_or_the_calls_are(world, sf, moving, now, do):
    number, _ = moving
    do(world, do="set_courier", drop_calls=1)
    with pytest.raises(AnswerLostError):
        intercept(world, sf, number, now + 0.7)
    assert world.courier.parcels.taken == {}
    do(world, do="set_courier", lose_answers=1)
    with pytest.raises(AnswerLostError):
        intercept(world, sf, number, now + 0.7)
    assert set(world.courier.parcels.taken) == {number}


def test_what_comes_back_is_counted_at_its_warehouse_once(world, sf, moving, now):
    number, _ = moving
    intercept(world, sf, number, now + 0.7)
    world.advance(now + 1.5)
    assert [scan.type for scan in world.warehouses.scans["shanghai"] if scan.type == "returned"] == []
    for later in (2.0, 3.0):
        world.advance(now + later)
    [back] = [scan for scan in world.warehouses.scans["shanghai"] if scan.type == "returned"]
    assert (back.reference, back.waybill) == ("REF-1-1", number)
    assert back.more["returned"] == [{"sku": "保温杯", "sellable": 2, "damaged": 0}]


def test_a_careless_courier_voids_what_it_has_collected_and_carries_it(world, sf, moving, now, do):
    number, codes_at = moving
    world.waybills.by_number[number].is_collected = True
    do(world, do="set_courier", voids_collected=True)
    asked = {"orderId": "REF-1-1", "dealType": 2}
    assert sf(world, "EXP_RECE_UPDATE_ORDER", asked)[1]["errorCode"] == "S0000"
    assert codes_at(9.0)[-1] == "8000"
