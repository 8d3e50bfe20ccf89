"""What the sandbox's Douyin refuses, and how it shows an order."""

import hashlib
import hmac
import json

import msgspec
import pytest

from sandbox.limit import OverLimitError
from sandbox.spec import Secrets

BUSINESS, PARAMETER = "isv.business-failed:", "isv.parameter-invalid:"
NUMBER, OTHER = "SF1400000000000", "SF1400000007919"


def signed(path: str, secrets: Secrets, token: str, now: float, params: object, **query: str | None):
    """A call as the vendor describes it, written apart from both sides' signers."""
    body = json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    stamp = query.get("timestamp") or str(int(now))
    secret = secrets.app_secret
    text = f"{secret}app_key{secrets.app_key}method{path}param_json{body}timestamp{stamp}v2{secret}"
    whole = {
        "app_key": secrets.app_key,
        "method": path,
        "access_token": token,
        "timestamp": stamp,
        "v": "2",
        "sign_method": "hmac-sha256",
        "sign": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        **query,
    }
    return {name: value for name, value in whole.items() if value is not None}, body.encode()


@pytest.fixture
def call(secrets, now):
    """The data of an answer, or the sub-code of a refusal."""

    def do_call(world, path, params, at=None, **query):
        at = now if at is None else at
        asked, body = signed(path, secrets, secrets.session_of("shop-1"), at, params, **query)
        told = json.loads(world.douyin.answer(path, asked, body, at))
        assert told["log_id"]
        return told["data"] if told["code"] == 10000 else told["sub_code"]

    return do_call


@pytest.fixture
def ship(call):
    def write(world, trade, number=NUMBER, code="shunfeng", **more):
        return call(
            world,
            "order.logisticsAdd",
            {"order_id": str(trade.order.tid), "company_code": code, "logistics_code": number, **more},
        )

    return write


@pytest.fixture
def pack(call):
    def write(world, trade, pieces, number=NUMBER, request_id="r1", **more):
        rows = [{"shipped_order_id": line, "shipped_num": count} for line, count in pieces.items()]
        parcel = {"company_code": "shunfeng", "logistics_code": number, "shipped_order_info": rows}
        params = {"order_id": str(trade.order.tid), "pack_list": [parcel], "request_id": request_id, **more}
        return call(world, "order.logisticsAddMultiPack", {name: one for name, one in params.items() if one})

    return write


@pytest.fixture
def detail(call):
    def read(world, trade):
        return call(world, "order.orderDetail", {"shop_order_id": str(trade.order.tid)})["shop_order_detail"]

    return read


def chosen(world, to_ship, lines=1, pieces=1):
    return next(
        trade for trade in to_ship(world) if len(trade.order.lines) >= lines and trade.order.lines[0].quantity >= pieces
    )


def listing(now, **more):
    return {
        "update_time_start": int(now) - 86_400,
        "update_time_end": int(now) + 60,
        "page": 0,
        "size": 100,
        "order_by": "update_time",
        "order_asc": True,
        **more,
    }


@pytest.mark.parametrize(
    ("query", "sub_code"),
    [
        ({"app_key": None}, "isv.app-id-missing"),
        ({"app_key": "1"}, "isv.app-id-invalid"),
        ({"method": "order.other"}, "isv.parameter-invalid"),
        ({"v": "1"}, "isv.parameter-invalid"),
        ({"timestamp": "yesterday"}, "isv.timestamp-format-error"),
        ({"timestamp": "1500000000"}, "isv.timestamp-invalid"),
        ({"sign": None}, "isv.signature-missing"),
        ({"sign": "0" * 64}, "isv.signature-invalid"),
        ({"sign_method": "rot13"}, "isv.parameter-format-invalid"),
        ({"access_token": None}, "isv.access-token-missing"),
        ({"access_token": "stolen"}, "isv.access-token-expired"),
    ],
)
def test_what_every_call_must_carry(world, call, now, query, sub_code):
    assert call(world, "order.searchList", listing(now), **query) == sub_code


def test_a_body_with_its_names_out_of_order_is_not_signed_rightly(world, secrets, now):
    query, body = signed("order.orderDetail", secrets, secrets.session_of("shop-1"), now, {"shop_order_id": "1"})
    odd = body.replace(b":", b": ")
    assert json.loads(world.douyin.answer("order.orderDetail", query, odd, now))["sub_code"] == "isv.signature-invalid"


def test_an_interface_that_is_not_there_is_withdrawn(world, call):
    assert call(world, "order.list", {}) == "isp.api-service-off"


@pytest.mark.parametrize(
    ("more", "sub_code"),
    [
        ({"page": -1}, PARAMETER + "10035"),
        ({"size": 101}, PARAMETER + "20008"),
        ({"size": 0}, PARAMETER + "20008"),
        ({"page": 500}, PARAMETER + "20013"),
        ({"update_time_start": None}, PARAMETER + "20011"),
        ({"combine_status": [{}, {}]}, PARAMETER + "20012"),
        ({"page": "0"}, PARAMETER + "11000"),
    ],
)
def test_the_limits_of_a_listing(world, call, now, more, sub_code):
    assert call(world, "order.searchList", listing(now, **more)) == sub_code


def test_a_listing_is_sorted_only_where_that_is_asked_for(world, call, now):
    rows = call(world, "order.searchList", listing(now))["shop_order_list"]
    times = [row["update_time"] for row in rows]
    assert times == sorted(times)
    usual = call(world, "order.searchList", listing(now, order_by=None, order_asc=None))["shop_order_list"]
    made = [row["create_time"] for row in usual]
    assert made == sorted(made, reverse=True)
    assert [row["update_time"] for row in usual] != times


def test_orders_of_more_than_ninety_days_ago_are_in_no_listing(world, call, now):
    later = now + 90 * 86_400
    asked = listing(now, update_time_end=int(later))
    assert call(world, "order.searchList", asked)["total"] > 0
    assert call(world, "order.searchList", asked, at=later + 7200)["total"] == 0


def test_an_order_shows_the_traps_of_the_real_one(world, detail, to_ship):
    shown = [detail(world, trade) for trade in to_ship(world)[:40]]
    assert all(one["sku_order_list"][0]["order_id"] == one["order_id"] for one in shown)
    assert any(line["post_amount"] for one in shown for line in one["sku_order_list"])
    for one in shown:
        inside = sum(line["pay_amount"] for line in one["sku_order_list"])
        freight = sum(line["post_amount"] for line in one["sku_order_list"])
        assert inside + one["post_amount"] - freight == one["pay_amount"]
    assert all("*" in one["mask_post_tel"] and one["open_address_id"] for one in shown)
    texts = [one["encrypt_post_tel"] for one in shown]
    assert len(set(texts)) == len(texts), "the same receiver is encrypted in another way in each order"


def test_each_receiver_is_decrypted_for_its_own_order_only(world, call, detail, to_ship):
    one, other = (detail(world, trade) for trade in to_ship(world)[:2])
    asked = [
        {"auth_id": one["order_id"], "cipher_text": one["encrypt_post_tel"]},
        {"auth_id": other["order_id"], "cipher_text": one["encrypt_post_tel"]},
    ]
    first, second = call(world, "order.batchDecrypt", {"cipher_infos": asked})["decrypt_infos"]
    assert (first["err_no"], len(first["decrypt_text"]), first["is_virtual_tel"]) == (0, 11, False)
    assert (second["err_no"], second["decrypt_text"]) == (300007, "")
    assert call(world, "order.batchDecrypt", {"cipher_infos": asked * 26}) == BUSINESS + "300003"


def test_orders_that_are_not_there_or_another_shop_s(make_world, spec, call, to_ship):
    world = make_world(msgspec.structs.replace(spec, shops=2))
    other = next(trade for trade in to_ship(world) if trade.order.shop == "shop-2")
    number = str(other.order.tid)
    assert call(world, "order.orderDetail", {"shop_order_id": number}) == BUSINESS + "20015"
    assert call(world, "order.orderDetail", {"shop_order_id": "1"}) == PARAMETER + "20014"
    parcel = {"company_code": "shunfeng", "logistics_code": NUMBER}
    assert call(world, "order.logisticsAdd", {"order_id": number, **parcel}) == BUSINESS + "60101"
    assert call(world, "order.logisticsAdd", {"order_id": "1", **parcel}) == BUSINESS + "60033"


def test_a_whole_order_goes_once(world, ship, detail, to_ship):
    trade = chosen(world, to_ship, lines=2)
    assert ship(world, trade, code="fedex") == BUSINESS + "60018"
    assert ship(world, trade, number="17") == BUSINESS + "60017"
    assert ship(world, trade, code="") == "isv.missing-parameter:60011"
    assert ship(world, trade) == {}
    assert ship(world, trade) == BUSINESS + "60110"
    shown = detail(world, trade)
    assert (shown["order_status"], [line["order_status"] for line in shown["sku_order_list"]][:2]) == (3, [3, 3])
    [parcel] = shown["logistics_info"]
    assert (parcel["company"], parcel["tracking_no"]) == ("shunfeng", NUMBER)
    assert {row["sku_order_id"] for row in parcel["product_info"]} == {
        line["order_id"] for line in shown["sku_order_list"]
    }


def test_pieces_go_in_parcels_and_a_request_is_carried_out_once(world, pack, ship, detail, to_ship):
    trade = chosen(world, to_ship, pieces=2)
    first = str(trade.order.tid)
    whole = trade.order.lines[0].quantity
    assert pack(world, trade, {first: whole + 1}) == BUSINESS + "60080"
    assert pack(world, trade, {"17": 1}) == BUSINESS + "60102"
    assert pack(world, trade, {first: 1}, request_id=None) == "isv.missing-parameter:50050"
    told = pack(world, trade, {first: 1})
    assert told["pack_list"][0]["logistics_code"] == NUMBER
    assert pack(world, trade, {first: 1}) == told
    assert len(world.ledger.write_backs) == 1
    assert ship(world, trade) == BUSINESS + "70023", "a divided order goes by its lines only"
    shown = detail(world, trade)
    assert shown["order_status"] == 101
    assert shown["logistics_info"][0]["product_info"][0]["product_count"] == 1
    assert pack(world, trade, {first: whole - 1}, OTHER, "r2")["pack_list"]
    assert pack(world, trade, {first: 1}, OTHER, "r3") in {BUSINESS + "60110", BUSINESS + "60080"}


def test_parcels_of_one_call_share_what_is_left(world, call, to_ship):
    trade = chosen(world, to_ship)
    first, whole = str(trade.order.tid), trade.order.lines[0].quantity
    parcels = [
        {
            "company_code": "shunfeng",
            "logistics_code": number,
            "shipped_order_info": [{"shipped_order_id": first, "shipped_num": whole}],
        }
        for number in (NUMBER, OTHER)
    ]
    params = {"order_id": first, "pack_list": parcels, "request_id": "r1"}
    assert call(world, "order.logisticsAddMultiPack", params) == BUSINESS + "60110"
    assert world.ledger.write_backs == []


@pytest.fixture
def refusals(world, ship, pack, do, to_ship):
    """What both calls answer about an order after a command about it."""

    def both(command):
        trade = chosen(world, to_ship)
        do(world, tid=str(trade.order.tid), **command)
        return {ship(world, trade), pack(world, trade, {str(trade.order.tid): 1})}

    return both


@pytest.mark.parametrize(
    ("command", "sub_code"),
    [
        ({"do": "ask_refund"}, "60040"),
        ({"do": "close_order"}, "60021"),
        ({"do": "change_order", "marks": {"top_hold": 1}}, "60109"),
    ],
)
def test_what_may_not_be_shipped_now(refusals, command, sub_code):
    assert refusals(command) == {BUSINESS + sub_code}


def test_unpaid_orders_and_lines_that_are_not_ours(make_world, spec, ship, to_ship, do):
    world = make_world(spec)
    unpaid = next(trade for trade in world.book.trades.values() if trade.order.expected == "unpaid")
    assert ship(world, unpaid) == BUSINESS + "60137"
    sku = world.plan.catalogue[0].sku.code
    for ships, tail in (("platform", "60116"), ("nobody", "60107")):
        tid = do(world, do="add_order", shop="shop-1", lines=[{"sku": sku, "ships": ships}])["tid"]
        assert ship(world, world.book.trades[int(tid)]) == BUSINESS + tail


def test_cases_are_listed_by_change_only_with_an_order(world, call, do, now, to_ship):
    for trade in to_ship(world)[:3]:
        do(world, do="ask_refund", tid=str(trade.order.tid))
    asked = {"update_start_time": int(now) - 86_400, "update_end_time": int(now) + 60, "page": 0, "size": 100}
    whole = call(world, "afterSale.List", {**asked, "order_by": ["update_time asc"]})
    assert whole["total"] >= 3
    assert call(world, "afterSale.List", asked)["total"] == whole["total"] - 1
    row = whole["items"][-1]
    id_ = row["aftersale_info"]["aftersale_id"]
    info = call(world, "afterSale.Detail", {"after_sale_id": id_})["process_info"]["after_sale_info"]
    assert (info["after_sale_id"], info["refund_total_amount"]) == (int(id_), row["aftersale_info"]["refund_amount"])
    assert call(world, "afterSale.Detail", {"after_sale_id": "1"}) == BUSINESS + "11003"


def test_stopped_goods_are_paid_back_at_once_and_once(world, call, do, now, to_ship):
    trade = chosen(world, to_ship)
    do(world, do="ask_refund", tid=str(trade.order.tid))
    case = world.book.cases.of_line(trade.line_ids[0])
    answer = {"aftersale_id": str(case.refund_id), "op_time": int(now)}
    do(world, do="set_answers", refuse=1)
    assert call(world, "afterSale.CancelSendGoodsSuccess", answer) == BUSINESS + "11002"
    assert call(world, "afterSale.CancelSendGoodsSuccess", answer) == {}
    assert call(world, "afterSale.CancelSendGoodsSuccess", answer) == BUSINESS + "12001"
    assert [one.status for one in world.ledger.stops_told] == ["SUCCESS"]


def test_a_limit_is_told_in_the_platform_s_words_or_in_http_s(world, call, do, now):
    do(world, do="limit_calls", who="douyin", calls=0, says="code")
    assert call(world, "order.searchList", listing(now)) == "isv.traffic-limited"
    do(world, do="limit_calls", who="douyin", calls=0, says="http", retry_after_s=7)
    with pytest.raises(OverLimitError):
        call(world, "order.searchList", listing(now))
    do(world, do="lift_limit", who="douyin")
    assert call(world, "order.searchList", listing(now))["total"]


def test_companies_have_the_platform_s_codes(world, call):
    rows = call(world, "order.logisticsCompanyList", {})["companies"]
    assert {"code": "shunfeng", "name": "顺丰速运", "id": 505} in rows
