import pytest

from domain.errors import Refused
from sandbox.report import full
from sandbox.trades import document


@pytest.fixture
def book(sf, booking):
    def create(world) -> str:
        _, result = sf(world, "EXP_RECE_CREATE_ORDER", booking(world))
        return result["msgData"]["waybillNoInfoList"][0]["waybillNo"]

    return create


def test_an_added_order_is_visible_at_once(world, do):
    sku = world.plan.catalogue[0].sku
    answer = do(
        world,
        do="add_order",
        shop="shop-1",
        lines=[{"sku": sku.code, "quantity": 2}],
        live=True,
        vip="plus",
        is_local=True,
    )
    entry = next(row for row in full(world)["ordered"] if row["tid"] == answer["tid"])
    assert entry["expected"] == "ship"
    assert entry["is_p0"] is True
    assert [(line["sku"], line["quantity"], line["ships"]) for line in entry["lines"]] == [(sku.code, 2, "merchant")]


def test_two_added_orders_are_two(world, do):
    sku = world.plan.catalogue[0].sku.code
    answers = [do(world, do="add_order", shop="shop-1", lines=[{"sku": sku}])["tid"] for _ in range(2)]
    assert len(set(answers)) == 2


def test_an_order_may_be_written_late_and_weigh_much(world, do, now):
    sku = world.plan.catalogue[0].sku.code
    given = {"do": "add_order", "shop": "shop-1", "lines": [{"sku": sku}]}
    tid = int(do(world, **given, changed_ago_s=900, padding_bytes=5000)["tid"])
    trade = world.book.trades[tid]
    assert trade.modified == int(now - 900)
    assert len(document(trade, frozenset({"trade_attr"}), simplify=True)["trade_attr"]) > 5000
    assert (trade.modified, tid) in world.book.changed("shop-1", int(now) - 901, int(now) - 899)


def test_latency_is_set(world, do):
    do(world, do="set_latency", sf_ms=250)
    assert (world.latency.sf_ms, world.latency.taobao_ms) == (250, 0)


def test_a_planted_waybill_shows_as_doubled(world, do, book, sf):
    number = book(world)
    assert full(world)["doubled"] == []
    planted = do(world, do="plant_waybill", reference="REF-1-1")["number"]
    assert planted != number
    assert full(world)["doubled"] == ["REF-1-1"]
    do(world, do="cancel_waybill", number=planted)
    assert full(world)["doubled"] == []


@pytest.mark.parametrize(
    "command",
    [
        {"do": "dance"},
        {"do": "add_order", "shop": "shop-1", "lines": []},
        {"do": "add_order", "shop": "nowhere", "lines": [{"sku": "SKU-00000"}]},
        {"do": "add_order", "shop": "shop-1", "lines": [{"sku": "none"}]},
        {"do": "cancel_waybill", "number": "SF0"},
        {"do": "plant_waybill", "reference": "none"},
        {"do": "set_latency", "speed": 1},
    ],
)
def test_commands_that_make_no_sense(world, do, command):
    with pytest.raises(Refused, match="control_invalid"):
        do(world, **command)


def test_an_added_order_may_name_its_receiver_and_message(world, do, top):
    sku = world.plan.catalogue[0].sku.code
    receiver = {"name": "欧阳测试", "mobile": "13600000001", "detail": "测试路1号"}
    answer = do(world, do="add_order", shop="shop-1", lines=[{"sku": sku}], receiver=receiver, message="请轻放")
    fields = "tid,buyer_message,receiver_name"
    shown = top(world, "taobao.trade.fullinfo.get", tid=answer["tid"], fields=fields)
    trade = shown["trade_fullinfo_get_response"]["trade"]
    assert trade["buyer_message"] == "请轻放"
    assert trade["receiver_name"] == "欧***"


def test_the_courier_refuses_an_unwelcome_receiver_and_quotes_it(world, do, sf, booking):
    receiver = booking(world)["contactInfoList"][1]
    do(world, do="refuse_receiver", mobile=receiver["mobile"])
    _, result = sf(world, "EXP_RECE_CREATE_ORDER", booking(world))
    assert result["errorCode"] == "8196"
    assert receiver["contact"] in result["errorMsg"]


def test_a_courier_may_know_no_references_and_give_one_number_to_all(world, do, sf, booking):
    asked = booking(world)
    do(world, do="set_courier", can_find=False, knows_references=False)
    for _ in range(2):
        _, result = sf(world, "EXP_RECE_CREATE_ORDER", asked)
        assert result["success"]
    envelope, _ = sf(world, "EXP_RECE_SEARCH_ORDER_RESP", {"orderId": asked["orderId"]})
    assert envelope["apiResultCode"] == "A1004"
    do(world, do="set_courier", gives_always="SF1400000000007")
    _, result = sf(world, "EXP_RECE_SEARCH_ORDER_RESP", {"orderId": asked["orderId"]})
    assert {each["waybillNo"] for each in result["msgData"]["waybillNoInfoList"]} == {"SF1400000000007"}
    do(world, do="set_courier")
    assert sf(world, "EXP_RECE_CREATE_ORDER", asked)[1]["errorCode"] == "8016"
    assert sf(world, "EXP_RECE_SEARCH_ORDER_RESP", {"orderId": asked["orderId"]})[1]["success"]
