"""The sandbox's courier shows what becomes of parcels: in time, and as nastily as it is asked to."""

from collections import Counter

import pytest

from sandbox.parcels import Parcels
from sandbox.spec import CourierDelays

CREATE, ROUTES = "EXP_RECE_CREATE_ORDER", "EXP_RECE_SEARCH_ROUTES"


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
