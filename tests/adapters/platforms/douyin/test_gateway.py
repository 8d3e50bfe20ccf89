import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from adapters import registry
from adapters.platforms.douyin import describe
from adapters.ports import NARROWER, Handover, Purpose, Window
from domain.errors import Malformed, Misconfigured, Refused, Throttled
from domain.order import Address
from infra.config.secret import Secret
from infra.config.settings import Shop

SECRET = "app-secret"
# Where the clock of these tests stands.
NOW = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)
START = int(NOW.timestamp()) - 7200


@pytest.fixture
async def shop(serve, open_door, clock):
    """`await shop(answer, **options)`: a connected shop and its server; `answer(method, params)` gives the data."""

    async def connect(answer, **options):
        async def handle(wire):
            while True:
                received = await wire.receive()
                query = dict(parse_qsl(urlsplit(received.target).query))
                data = answer(query["method"], json.loads(received.body))
                tree = data if "code" in data else {"code": 10000, "data": data}
                await wire.answer(json.dumps(tree).encode())

        server = await serve(handle)
        named = {"app_key": "1", "app_secret": SECRET, "access_token": "t"}
        account = Shop(
            name="one",
            platform="douyin",
            endpoint=server.url,
            credentials={name: Secret(value) for name, value in named.items()},
            options=options,
        )
        return registry.platform("douyin").connect(account, await open_door(server.host), clock), server

    return connect


def handover(**changed) -> Handover:
    given = {
        "platform_order_id": "10",
        "courier": "sf",
        "waybill": "SF1",
        "lines": {"10": 1},
        "outside": frozenset(),
        "shipped_at": NOW,
    }
    return Handover(**{**given, **changed})


def bodies(server):
    return [json.loads(received.body) for received in server.received]


async def test_part_of_an_order_names_lines_and_pieces_under_one_request_id(shop):
    platform, server = await shop(lambda _method, _params: {"pack_list": [{"logistics_code": "SF1"}]})
    part = handover(lines={"11": 2, "10": 1}, outside=frozenset({"11"}))

    await platform.write_back(part)
    await platform.write_back(part)
    await platform.write_back(handover(lines={"11": 1, "10": 1}, outside=frozenset({"11"})))

    first, again, other = bodies(server)
    assert [urlsplit(one.target).path for one in server.received] == ["/order/logisticsAddMultiPack"] * 3
    assert first["pack_list"] == [
        {
            "company_code": "shunfeng",
            "logistics_code": "SF1",
            "shipped_order_info": [
                {"shipped_order_id": "10", "shipped_num": 1},
                {"shipped_order_id": "11", "shipped_num": 2},
            ],
        }
    ]
    assert first == again
    assert first["request_id"] != other["request_id"]
    assert first.keys() == {"order_id", "pack_list", "request_id"}


async def test_an_answer_about_another_parcel_is_malformed(shop):
    platform, _ = await shop(lambda _method, _params: {"pack_list": [{"logistics_code": "SF2"}]})
    with pytest.raises(Malformed):
        await platform.write_back(handover(outside=frozenset({"11"})))


async def test_the_shop_s_addresses_and_codes_are_sent_where_they_are_set(shop):
    options = {"address_id": "7", "after_sale_address_id": "8", "courier.sf": "shunfengtongcheng"}
    platform, server = await shop(lambda _method, _params: {}, **options)
    await platform.write_back(handover())
    assert bodies(server) == [
        {
            "order_id": "10",
            "address_id": 7,
            "after_sale_address_id": 8,
            "company_code": "shunfengtongcheng",
            "logistics_code": "SF1",
        }
    ]


async def test_couriers_have_the_platform_s_codes(shop):
    platform, _ = await shop(lambda _method, _params: {})
    assert {name: platform.courier_code(name) for name in describe.COURIER_CODES} == describe.COURIER_CODES
    with pytest.raises(Misconfigured) as caught:
        platform.courier_code("pigeon")
    assert caught.value.code == "courier_unmapped"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"sign_method": "sha1"}, "sign_method_unknown"),
        ({"decrypt": "everything"}, "option_invalid"),
        ({"address_id": "street"}, "option_invalid"),
        ({"after_sale_address_id": "-1"}, "option_invalid"),
    ],
)
async def test_an_option_that_cannot_be_understood_is_found_when_connecting(shop, options, code):
    with pytest.raises(Misconfigured) as caught:
        await shop(lambda _method, _params: {}, **options)
    assert caught.value.code == code


@pytest.mark.parametrize("decrypt", ["", "off", "notice"])
async def test_nothing_is_decrypted_unless_the_shop_allows_it(shop, decrypt):
    platform, server = await shop(lambda _method, _params: {}, decrypt=decrypt)
    found = await platform.reveal({"10": "a", "11": "b"}, Purpose.LABEL)
    assert {number: error.code for number, error in found.items()} == dict.fromkeys(("10", "11"), "decryption_off")
    assert server.received == []


async def test_many_receivers_are_decrypted_in_calls_of_fifty_texts(shop, order):
    def answer(method, params):
        if method == describe.READ_ORDER:
            number = params["shop_order_id"]
            hidden = {"encrypt_post_receiver": f"n{number}", "encrypt_post_tel": f"t{number}"}
            address = {**order()["post_addr"], "encrypt_detail": f"d{number}"}
            found = order(order_id=number, open_address_id=f"#{number}", post_addr=address, **hidden)
            return {"shop_order_detail": found}
        infos = params["cipher_infos"]
        assert len(infos) <= 50
        return {"decrypt_infos": [{**one, "decrypt_text": f"x{one['cipher_text']}", "err_no": 0} for one in infos]}

    platform, server = await shop(answer, decrypt="label, notice")
    asked = {str(number): f"#{number}" for number in range(100, 120)}
    found = await platform.reveal(asked, Purpose.NOTICE)
    assert all(isinstance(one, Address) for one in found.values())
    assert (found["107"].name, found["107"].phone, found["107"].merge_token) == ("xn107", "xt107", "#107")
    # The platform does not say whose number it is.
    assert found["107"].has_virtual_phone
    assert sum("batchDecrypt" in one.target for one in server.received) == 2


async def test_an_order_without_encrypted_texts_concerns_itself_only(shop, order):
    def answer(method, params):
        if method == describe.READ_ORDER:
            gone = {"encrypt_post_tel": None} if params["shop_order_id"] == "11" else {}
            return {"shop_order_detail": order(order_id=params["shop_order_id"], **gone)}
        infos = params["cipher_infos"]
        return {"decrypt_infos": [{**one, "decrypt_text": "x", "err_no": 0} for one in infos]}

    platform, _ = await shop(answer, decrypt="label")
    found = await platform.reveal({"10": "#address-1", "11": "#address-1"}, Purpose.LABEL)
    assert isinstance(found["10"], Address)
    assert (type(found["11"]), found["11"].code) == (Refused, "receiver_not_encrypted")


class Orders:
    """A platform's orders by number, each with the second of its change; `move` happens after each page."""

    def __init__(self, seconds, move=lambda _orders, _page: None, *, is_sorted=True):
        self.seconds = dict(seconds)
        self.pages = 0
        self.asked = []
        self._move = move
        self._is_sorted = is_sorted

    def answer(self, _method, params):
        assert params["order_by"] == "update_time"
        assert params["order_asc"] is True
        assert (params["page"] + 1) * params["size"] <= 50_000
        start, end = params["update_time_start"], params["update_time_end"]
        self.asked.append((start, params["page"]))
        found = [(second, number) for number, second in self.seconds.items() if start <= second <= end]
        if self._is_sorted:
            found.sort()
        shown = found[params["page"] * params["size"] :][: params["size"]]
        rows = [{"order_id": str(number), "update_time": second, "order_status": 2} for second, number in shown]
        self._move(self, self.pages)
        self.pages += 1
        return {"total": len(found), "page": params["page"], "size": len(rows), "shop_order_list": rows}


async def listed(platform, hours=2.0):
    window = Window(NOW - timedelta(hours=hours), NOW)
    return [row.platform_order_id async for page in platform.changes(window) for row in page]


async def test_no_order_is_missed_while_others_move_to_the_end(shop):
    """Each page is followed by a change of an order on it, which pulls those behind it forward."""

    def move(orders, page):
        orders.seconds[1000 + page * 37] = START + 7100 + page

    orders = Orders({1000 + n: START + n for n in range(450)}, move)
    platform, _ = await shop(orders.answer)
    assert set(await listed(platform)) == {str(1000 + n) for n in range(450)}


async def test_the_control_pages_by_number_miss_orders_that_move(shop):
    orders = Orders(
        {1000 + n: START + n for n in range(450)},
        lambda orders, page: orders.seconds.update({1000 + page * 37: START + 7100 + page}),
    )
    seen = set()
    for page in range(5):
        asked = {"update_time_start": START, "update_time_end": START + 7000, "page": page, "size": 100}
        answer = orders.answer("", {**asked, "order_by": "update_time", "order_asc": True})
        seen |= {row["order_id"] for row in answer["shop_order_list"]}
    assert len({str(1000 + n) for n in range(450)} - seen) > 1


async def test_many_orders_of_one_second_are_read_by_number(shop):
    seconds = {1000 + n: START + 60 for n in range(250)} | {5000 + n: START + 61 + n for n in range(120)}

    def move(orders, page):
        # One of the crowded second leaves it while its pages are read.
        orders.seconds[1000 + page] = START + 7000 + page

    orders = Orders(seconds, move)
    platform, _ = await shop(orders.answer)
    assert set(await listed(platform)) == {str(number) for number in seconds}


async def test_a_listing_without_an_order_is_read_by_number(shop):
    seconds = {1000 + n: START + (n * 7919) % 7000 for n in range(450)}
    orders = Orders(seconds, is_sorted=False)
    platform, _ = await shop(orders.answer)
    assert set(await listed(platform)) == {str(number) for number in seconds}


async def test_short_pages_are_no_end(shop):
    """The platform leaves rows out of a page and counts them all the same."""
    seconds = {1000 + n: START + n for n in range(30)}
    orders = Orders(seconds)

    def answer(method, params):
        told = orders.answer(method, params)
        return told | {"shop_order_list": told["shop_order_list"][:4]}

    platform, _ = await shop(answer)
    assert set(await listed(platform)) == {str(number) for number in seconds}


async def test_more_rows_than_the_platform_shows_are_asked_for_in_shorter_windows(shop):
    def answer(_method, params):
        rows = [{"order_id": str(n), "update_time": START + 60, "order_status": 2} for n in range(params["size"])]
        return {"total": 60_000, "shop_order_list": rows}

    platform, _ = await shop(answer)
    with pytest.raises(Throttled) as caught:
        await listed(platform)
    assert (caught.value.code, caught.value.facts[NARROWER]) == ("listing_too_deep", True)


@pytest.mark.parametrize("answer", [{"shop_order_list": []}, {"total": 3}, {"total": "many", "shop_order_list": []}])
async def test_a_page_that_does_not_count_is_malformed(shop, answer):
    platform, _ = await shop(lambda _method, _params: answer)
    with pytest.raises(Malformed):
        await listed(platform)


async def test_orders_of_more_than_ninety_days_ago_are_not_asked_for(shop):
    orders = Orders({})
    platform, _ = await shop(orders.answer)
    assert await listed(platform, hours=24 * 100) == []
    assert orders.asked == [(int((NOW - timedelta(days=90)).timestamp()), 0)]


async def test_what_the_adapter_can_do(shop):
    platform, _ = await shop(lambda _method, _params: {})
    assert (platform.divides_lines, platform.window_max_s, platform.after_sale.answers_stops) == (True, 86_400.0, True)
    silent, _ = await shop(lambda _method, _params: {}, stop_answers="off")
    assert not silent.after_sale.answers_stops
