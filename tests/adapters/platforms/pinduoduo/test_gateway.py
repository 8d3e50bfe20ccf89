"""Options of a shop, and calls that no recording shows."""

import json

import pytest

from adapters import registry
from adapters.platforms.pinduoduo import describe
from adapters.ports import Handover, Purpose, Window
from domain.errors import Misconfigured, Refused
from infra.config.secret import Secret
from infra.config.settings import Shop
from tests.adapters.conftest import NOW

CREDENTIALS = {name: Secret(f"{name}-1") for name in ("client_id", "client_secret", "access_token")}


@pytest.fixture
async def connect(serve, open_door, clock):
    """`connect(*answers, **options)`: a shop, and the forms that it sends."""

    async def open_shop(*answers, **options):
        left = list(answers)

        async def handle(wire):
            while True:
                await wire.receive()
                await wire.answer(json.dumps(left.pop(0)).encode())

        server = await serve(handle)
        shop = Shop(name="one", platform="pdd", endpoint=f"{server.url}/api", credentials=CREDENTIALS, options=options)
        return registry.platform("pdd").connect(shop, await open_door(server.host), clock), server

    return open_shop


@pytest.mark.parametrize(
    "options",
    [
        {"lag_s": "179"},
        {"lag_s": "1201"},
        {"lag_s": "soon"},
        {"case_statuses": "2,34"},
        {"decrypt": "everything"},
        {"waybill_type": "3"},
        {"refund_address_id": "here"},
    ],
)
async def test_an_option_that_means_nothing_is_found_when_connecting(connect, options):
    with pytest.raises(Misconfigured) as caught:
        await connect(**options)
    assert (caught.value.code, caught.value.facts) == ("option_invalid", {"account": "pdd/one"})


async def test_what_a_shop_can_do(connect):
    shop, _ = await connect()
    assert (shop.divides_lines, shop.after_sale.answers_stops) == (False, True)
    assert shop.window_max_s < describe.LISTING_MAX_S - describe.LISTING_LAG_S
    assert (await connect(stop_answers="off"))[0].after_sale.answers_stops is False
    assert (await connect(lag_s="600"))[0].window_max_s < describe.LISTING_MAX_S - 600


async def test_courier_codes(connect):
    shop, _ = await connect(**{"courier.best": "3", "courier.odd": "SF"})
    assert [shop.courier_code(name) for name in ("sf", "zto", "jd", "best")] == ["44", "115", "120", "3"]
    for unknown in ("pigeon", "odd"):
        with pytest.raises(Misconfigured) as caught:
            shop.courier_code(unknown)
        assert caught.value.code == "courier_unmapped"


async def test_every_known_state_of_a_case_is_asked_for(connect):
    none = {"refund_increment_get_response": {"refund_list": [], "total_count": 0}}
    shop, server = await connect(*([none] * 25))
    window = Window(NOW.replace(minute=0), NOW.replace(minute=10))
    async for _ in shop.after_sale.cases(Window(window.start.replace(hour=1), window.end.replace(hour=1))):
        pass
    asked = [request.body.decode() for request in server.received]
    found = {
        part.partition("=")[2] for body in asked for part in body.split("&") if part.startswith("after_sales_status")
    }
    assert found == set(describe.CASE_STATES)


async def test_a_case_without_its_order_is_refused_before_any_call(connect):
    shop, server = await connect()
    with pytest.raises(Refused) as caught:
        await shop.after_sale.case("7000000001")
    assert (caught.value.code, server.received) == ("case_without_order", [])


async def test_nothing_is_decrypted_unless_the_shop_allows_it(connect):
    shop, server = await connect()
    (refused,) = (await shop.reveal({"261122-1": "oaid-1"}, Purpose.LABEL)).values()
    assert (refused.code, server.received) == ("decryption_off", [])


async def test_an_address_for_returns_is_sent_where_it_is_set(connect):
    shop, server = await connect({"logistics_online_send_response": {"is_success": True}}, refund_address_id="77")
    handover = Handover("261122-1", "sf", "SF1", {"1": 1}, outside=frozenset(), shipped_at=NOW)
    await shop.write_back(handover)
    assert b"refund_address_id=77" in server.received[0].body
