"""What is stored of an answer about one order, and what is no content of it."""

import hashlib
import json

import pytest

from adapters import registry
from domain.errors import Malformed
from domain.order import LaneFacts
from infra.config.secret import Secret
from infra.config.settings import Shop

TRADE = {"tid_str": "10", "tid": 10, "status": "WAIT_SELLER_SEND_GOODS", "receiver_city": "杭州市"}
WHOLE = json.dumps({"trade_fullinfo_get_response": {"trade": TRADE, "request_id": "r1"}}, ensure_ascii=False).encode()


@pytest.fixture
def fetch(serve, open_door, clock):
    """Fetch order 10 from a server that answers `body`."""

    async def fetched(body: bytes):
        async def handle(wire):
            while True:
                await wire.receive()
                await wire.answer(body)

        server = await serve(handle)
        credentials = {name: Secret("s") for name in ("app_key", "app_secret", "session")}
        account = Shop(name="one", platform="taobao", endpoint=f"{server.url}/router/rest", credentials=credentials)
        platform = registry.platform("taobao").connect(account, await open_door(server.host), clock)
        return await platform.fetch("10")

    return fetched


async def test_a_whole_answer_has_no_fault_and_a_version_that_leaves_the_envelope_out(fetch):
    order = await fetch(WHOLE)
    again = await fetch(WHOLE.replace(b"r1", b"r2"))
    assert (order.platform_order_id, order.fault, order.body) == ("10", "", WHOLE)
    assert order.version == again.version


@pytest.mark.parametrize("nothing", [b"null", b"{}"])
async def test_an_empty_error_that_a_relay_adds_is_none(fetch, nothing):
    relayed = WHOLE[:-1] + b', "error_response": ' + nothing + b"}"
    order = await fetch(relayed)
    assert (order.platform_order_id, order.fault, order.body) == ("10", "", relayed)
    assert order.version == (await fetch(WHOLE)).version


@pytest.mark.parametrize("nothing", [b"null", b"{}"])
async def test_nor_is_it_an_answer_about_the_order(fetch, nothing):
    with pytest.raises(Malformed):
        await fetch(b'{"error_response": ' + nothing + b"}")


@pytest.mark.parametrize("cut", [1, 20, len(WHOLE) // 2, len(WHOLE) - 1])
async def test_a_truncated_answer_is_the_asked_orders_content_with_a_fault(fetch, cut):
    body = WHOLE[:cut]
    order = await fetch(body)
    assert (order.platform_order_id, order.fault, order.body) == ("10", "answer_unreadable", body)
    assert (order.version, order.lane_facts) == (hashlib.sha256(body).digest(), LaneFacts())


@pytest.mark.parametrize(
    ("trade", "fault"),
    [
        (None, "field_missing"),
        ([], "field_missing"),
        ({"status": "TRADE_CLOSED"}, "field_missing"),
        ({**TRADE, "tid_str": ["10"]}, "field_invalid"),
        ({**TRADE, "tid_str": "1" * 40}, "field_invalid"),
    ],
)
async def test_a_trade_without_a_readable_id_is_kept_with_its_fault(fetch, trade, fault):
    body = json.dumps({"trade_fullinfo_get_response": {"trade": trade}}).encode()
    order = await fetch(body)
    assert (order.platform_order_id, order.fault, order.body) == ("10", fault, body)


@pytest.mark.parametrize(
    "hint",
    [
        {"receiver_city": ["x"]},
        {"trade_from": {"a": 1}},
        {"type": 1.5},
        {"trade_attr": [1]},
        {"trade_attr": "[" * 2000},
    ],
)
async def test_a_hint_of_the_lane_that_is_no_text_falls_back_to_the_defaults(fetch, hint):
    order = await fetch(json.dumps({"trade_fullinfo_get_response": {"trade": {**TRADE, **hint}}}).encode())
    assert (order.platform_order_id, order.fault) == ("10", "")
    assert order.lane_facts.member_level is LaneFacts().member_level


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "answer_unreadable"),
        (b"<html>502</html>", "answer_unreadable"),
        (b'"text"', "answer_unreadable"),
        (b"[]", "answer_unreadable"),
        (b'{"message": "no route"}', "answer_unreadable"),
        (json.dumps({"trade": {**TRADE, "tid_str": "11"}}).encode(), "answer_not_ours"),
    ],
)
async def test_what_is_no_answer_about_this_order_is_none_of_its_content(fetch, body, code):
    with pytest.raises(Malformed) as caught:
        await fetch(body)
    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"", b"{", b"[", b'{"trade": {"receiver_city": []}}', b"1e9", b"\xff"])
def test_hints_are_read_from_any_bytes(body):
    assert registry.platform("taobao").read_facts(body) == LaneFacts()
