import pytest

from sandbox.signatures import sf_digest

CREATE, SEARCH, UPDATE = "EXP_RECE_CREATE_ORDER", "EXP_RECE_SEARCH_ORDER_RESP", "EXP_RECE_UPDATE_ORDER"


@pytest.fixture
def book(sf, booking):
    def create(world, reference="REF-1-1") -> str:
        _, result = sf(world, CREATE, booking(world, reference))
        assert result["errorCode"] == "S0000"
        return result["msgData"]["waybillNoInfoList"][0]["waybillNo"]

    return create


def test_a_booking_gets_a_number_and_a_route_label(world, sf, booking):
    envelope, result = sf(world, CREATE, booking(world))
    assert envelope["apiResultCode"] == "A1000"
    content = result["msgData"]
    assert content["orderId"] == "REF-1-1"
    number = content["waybillNoInfoList"][0]["waybillNo"]
    assert number.startswith("SF")
    assert len(number) == 15
    assert content["routeLabelInfo"][0]["routeLabelData"]["destRouteLabel"]
    booked = world.waybills.by_number[number].booking
    assert (booked.location, booked.receiver_mobile, booked.cargo) == ("shanghai", "13900000002", (("保温杯", 2),))


def test_the_label_comes_only_when_asked_for(world, sf, booking):
    _, result = sf(world, CREATE, booking(world, isReturnRoutelabel=0))
    assert result["msgData"]["routeLabelInfo"] is None


def test_one_reference_is_booked_once_even_after_a_cancel(world, sf, booking, book):
    book(world)
    assert sf(world, CREATE, booking(world))[1]["errorCode"] == "8016"
    assert sf(world, UPDATE, {"orderId": "REF-1-1", "dealType": 2})[1]["msgData"]["resStatus"] == 2
    assert sf(world, CREATE, booking(world))[1]["errorCode"] == "8016"
    assert len(world.waybills.by_number) == 1


def test_look_up_shows_alive_and_cancelled(world, sf, book):
    number = book(world)
    asked = {"orderId": "REF-1-1", "searchType": "1"}
    living = sf(world, SEARCH, asked)[1]["msgData"]
    assert living["waybillNoInfoList"] == [{"waybillType": 1, "waybillNo": number}]
    assert living["returnExtraInfoList"] == [{"attrName": "orderStatus", "attrVal": "normal"}]
    sf(world, UPDATE, {"orderId": "REF-1-1", "dealType": 2})
    dead = sf(world, SEARCH, asked)[1]["msgData"]
    assert dead["returnExtraInfoList"] == [{"attrName": "orderStatus", "attrVal": "cancelled"}]


def test_unknown_references(world, sf):
    assert sf(world, SEARCH, {"orderId": "NONE"})[1]["errorCode"] == "8018"
    assert sf(world, UPDATE, {"orderId": "NONE", "dealType": 2})[1]["errorCode"] == "8024"


def test_cancelling_twice_and_with_a_foreign_number(world, sf, book):
    book(world)
    foreign = [{"waybillNo": "SF0000000000000"}]
    wrong = {"orderId": "REF-1-1", "dealType": 2, "waybillNoInfoList": foreign}
    assert sf(world, UPDATE, wrong)[1]["errorCode"] == "8017"
    right = {"orderId": "REF-1-1", "dealType": 2}
    assert sf(world, UPDATE, right)[1]["success"] is True
    assert sf(world, UPDATE, right)[1]["errorCode"] == "8037"


def test_what_was_collected_cannot_be_cancelled(world, sf, book, now):
    book(world)
    world.advance(now + 10)
    assert sf(world, UPDATE, {"orderId": "REF-1-1", "dealType": 2})[1]["errorCode"] == "8252"


@pytest.mark.parametrize("name", ["language", "orderId", "cargoDetails", "contactInfoList", "monthlyCard"])
def test_required_fields(world, sf, booking, name):
    _, result = sf(world, CREATE, booking(world, **{name: None}))
    assert result["errorCode"] == "S0002"
    assert name in result["errorMsg"]


@pytest.fixture
def spoiled(booking):
    """A booking with one contact changed."""

    def make(world, side, change):
        asked = booking(world)
        asked["contactInfoList"][side] |= change
        return asked

    return make


@pytest.mark.parametrize(
    ("contact", "code"),
    [
        ((0, {"address": ""}), "1010"),
        ((0, {"contact": ""}), "1011"),
        ((0, {"mobile": ""}), "1012"),
        ((1, {"address": "望*街道**号"}), "1014"),
        ((1, {"contact": "李*"}), "1015"),
        ((1, {"mobile": "139****0002"}), "1016"),
        ((1, {"country": ""}), "S0002"),
    ],
)
def test_contacts_must_be_whole_and_in_the_clear(world, sf, spoiled, contact, code):
    assert sf(world, CREATE, spoiled(world, *contact))[1]["errorCode"] == code
    assert not world.waybills.by_number


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cargoDetails": [{"name": ""}]}, "1023"),
        ({"monthlyCard": "123"}, "6126"),
        ({"monthlyCard": "7559999999"}, "8114"),
        ({"expressTypeId": None}, "8057"),
        ({"cargoDetails": "tea"}, "S0007"),
        ({"contactInfoList": [1]}, "S0007"),
    ],
)
def test_refused_bookings(world, sf, booking, change, code):
    assert sf(world, CREATE, booking(world, **change))[1]["errorCode"] == code


def test_a_body_that_is_no_json_object(world, sf):
    assert sf(world, CREATE, "not json")[1]["errorCode"] == "S0001"
    assert sf(world, CREATE, [1])[1]["errorCode"] == "S0001"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"msgDigest": "AAAAAAAAAAAAAAAAAAAAAA=="}, "A1006"),
        ({"msgData": '{"orderId":"X"}'}, "A1006"),
        ({"requestID": ""}, "A1001"),
        ({"partnerID": "STRANGER"}, "A1004"),
        ({"serviceCode": "EXP_RECE_FLY"}, "A1004"),
    ],
)
def test_gateway_errors(world, sf, booking, params, code):
    envelope, result = sf(world, CREATE, booking(world), **params)
    assert (envelope["apiResultCode"], result) == (code, None)
    assert not world.waybills.by_number


def test_an_old_timestamp(world, sf_form, booking, now):
    form = sf_form(CREATE, booking(world), now=now - 3600)
    assert b"A1002" in world.courier.answer(form, now)


def test_one_request_id_counts_once(world, sf, booking):
    sf(world, CREATE, booking(world), requestID="same")
    envelope, _ = sf(world, CREATE, booking(world, "REF-2-1"), requestID="same")
    assert envelope["apiResultCode"] == "A1007"


def test_milliseconds_are_a_timestamp_too(world, sf_form, secrets, now):
    form = sf_form(SEARCH, {"orderId": "NONE"})
    stamp = str(int(now * 1000))
    digest = sf_digest(form["msgData"], stamp, secrets.sf_check_word)
    assert b"8018" in world.courier.answer(form | {"timestamp": stamp, "msgDigest": digest}, now)
