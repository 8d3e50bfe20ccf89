import json

import pytest

from sandbox.model import Ships

B = "isv.logistics-offline-service-error:"
D = "isv.logistics-dummy-service-error:"
DUMMY = "taobao.logistics.dummy.send"


@pytest.fixture
def place(do):
    """An order of as many lines as there are keyword sets for them."""

    def add(world, *lines):
        skus = [entry.sku.code for entry in world.plan.catalogue]
        asked = [{"sku": sku, **given} for sku, given in zip(skus, lines, strict=False)]
        tid = do(world, do="add_order", shop="shop-1", lines=asked)["tid"]
        return world.book.trades[int(tid)]

    return add


@pytest.fixture
def hand_out(top):
    def call(world, trade):
        answer = top(world, DUMMY, tid=str(trade.order.tid))
        return answer["error_response"]["sub_code"] if "error_response" in answer else ""

    return call


def split(*oids):
    return {"is_split": "1", "sub_tid": ",".join(str(oid) for oid in oids)}


def told(world):
    return [(row.tid, row.line_ids, row.number) for row in world.ledger.write_backs]


def test_an_order_ships_in_parts_and_each_line_shows_its_own(world, place, send, fullinfo, now):
    trade = place(world, {"quantity": 5}, {"quantity": 2}, {})
    first, second, third = trade.line_ids
    assert send(world, trade.order.tid, **split(first, third)) == ""
    shown = fullinfo(world, trade.order.tid, "status,consign_time,orders")
    assert shown["status"] == "SELLER_CONSIGNED_PART"
    lines = {line["oid"]: line for line in shown["orders"]["order"]}
    assert [lines[oid]["status"] for oid in (first, second, third)] == [
        "WAIT_BUYER_CONFIRM_GOODS",
        "WAIT_SELLER_SEND_GOODS",
        "WAIT_BUYER_CONFIRM_GOODS",
    ]
    assert not {"invoice_no", "logistics_company", "consign_time"} & lines[second].keys()
    assert send(world, trade.order.tid, "SF1400000007919", at=now + 60, **split(second)) == ""
    shown = fullinfo(world, trade.order.tid, "status,consign_time,orders")
    assert shown["status"] == "WAIT_BUYER_CONFIRM_GOODS"
    lines = {line["oid"]: line for line in shown["orders"]["order"]}
    assert {line["invoice_no"] for line in lines.values()} == {"SF1400000000000", "SF1400000007919"}
    assert lines[first]["consign_time"] < lines[second]["consign_time"] == shown["consign_time"]
    assert told(world) == [
        (trade.order.tid, (first, third), "SF1400000000000"),
        (trade.order.tid, (second,), "SF1400000007919"),
    ]


def test_the_lines_of_an_answer_show_only_what_was_asked_for(world, place, send, fullinfo):
    trade = place(world, {}, {})
    send(world, trade.order.tid, **split(trade.line_ids[0]))
    fields = "orders.oid,orders.invoice_no,orders.is_sh_ship"
    shown = fullinfo(world, trade.order.tid, fields)
    assert [set(line) for line in shown["orders"]["order"]] == [{"oid", "invoice_no"}, {"oid"}]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"is_split": "1"}, "CD25"),
        ({"sub_tid": "{second}"}, "CD25"),
        ({"is_split": "0", "sub_tid": "{second}"}, "CD25"),
        ({}, "CD27"),
        ({"is_split": "0"}, "CD27"),
        ({"is_split": "1", "sub_tid": "{first}"}, "B04"),
        ({"is_split": "1", "sub_tid": "{first},{second}"}, "B04"),
        ({"is_split": "1", "sub_tid": "{second},17"}, "P38"),
        ({"is_split": "1", "sub_tid": "{tid}"}, "P38"),
    ],
)
def test_what_is_refused_of_an_order_that_is_part_shipped(world, place, send, params, code):
    trade = place(world, {}, {})
    first, second = trade.line_ids
    send(world, trade.order.tid, **split(first))
    filled = {name: text.format(first=first, second=second, tid=trade.order.tid) for name, text in params.items()}
    assert send(world, trade.order.tid, **filled) == B + code
    assert len(world.ledger.write_backs) == 1
    assert send(world, trade.order.tid, **split(second)) == ""


@pytest.mark.parametrize("params", [{"is_split": "2"}, {"is_split": "1", "sub_tid": "x"}])
def test_split_marks_that_cannot_be_read(world, place, top, params):
    tid = str(place(world, {}, {}).order.tid)
    whole = {"tid": tid, "out_sid": "SF1400000000000", "company_code": "SF"}
    answer = top(world, "taobao.logistics.offline.send", **whole | params)
    assert answer["error_response"]["code"] == 41


def test_a_refund_stops_its_line_and_every_call_that_means_it(world, place, send, do):
    trade = place(world, {}, {}, {})
    first, second, third = trade.line_ids
    tid = str(trade.order.tid)
    do(world, do="ask_refund", tid=tid, lines=[str(second)])
    assert send(world, trade.order.tid) == B + "B02"
    assert send(world, trade.order.tid, **split(first, second)) == B + "B02"
    assert send(world, trade.order.tid, **split(first)) == ""
    do(world, do="refuse_refund", tid=tid)
    assert send(world, trade.order.tid, **split(second)) == B + "B02"
    do(world, do="withdraw_refund", tid=tid)
    assert send(world, trade.order.tid, **split(second, third)) == ""


def test_a_line_that_is_paid_back_is_closed_and_the_rest_goes_whole(world, place, send, do, fullinfo):
    trade = place(world, {}, {})
    first, second = trade.line_ids
    do(world, do="ask_refund", tid=str(trade.order.tid), lines=[str(first)])
    do(world, do="pay_refund", tid=str(trade.order.tid))
    assert send(world, trade.order.tid, **split(first)) == B + "B04"
    assert send(world, trade.order.tid) == ""
    shown = fullinfo(world, trade.order.tid)
    assert shown["status"] == "WAIT_BUYER_CONFIRM_GOODS"
    assert [(line["status"], line["refund_status"]) for line in shown["orders"]["order"]] == [
        ("TRADE_CLOSED", "SUCCESS"),
        ("WAIT_BUYER_CONFIRM_GOODS", "NO_REFUND"),
    ]
    assert told(world) == [(trade.order.tid, (second,), "SF1400000000000")]


def test_an_order_whose_lines_are_all_paid_back_is_closed(world, place, send, do, fullinfo):
    trade = place(world, {}, {})
    do(world, do="ask_refund", tid=str(trade.order.tid))
    do(world, do="pay_refund", tid=str(trade.order.tid))
    assert fullinfo(world, trade.order.tid)["status"] == "TRADE_CLOSED"
    assert send(world, trade.order.tid) == B + "B04"
    assert trade.order.expected == "closed"


def test_a_line_closed_before_the_buyer_paid_is_in_no_sum(world, place, send, fullinfo):
    trade = place(world, {"is_closed": True}, {})
    shown = fullinfo(world, trade.order.tid, "payment,total_fee,post_fee,orders,promotion_details")
    closed, open_ = shown["orders"]["order"]
    assert (closed["status"], closed["refund_status"]) == ("TRADE_CLOSED_BY_TAOBAO", "NO_REFUND")
    assert shown["payment"] == open_["divide_order_fee"]
    assert shown["total_fee"] == open_["price"]
    assert send(world, trade.order.tid, **split(trade.line_ids[0])) == B + "B04"
    assert send(world, trade.order.tid) == ""


@pytest.mark.parametrize("ships", [Ships.PLATFORM, Ships.NOBODY])
def test_what_the_merchant_does_not_ship_is_refused(world, place, send, fullinfo, ships):
    trade = place(world, {}, {"ships": ships})
    first, second = trade.line_ids
    assert send(world, trade.order.tid) == B + "B98"
    assert send(world, trade.order.tid, **split(second)) == B + "B98"
    assert send(world, trade.order.tid, **split(first)) == ""
    shown = fullinfo(world, trade.order.tid, "is_sh_ship,shipping_type,orders")
    marks = [
        (line.get("is_sh_ship"), line.get("store_code"), line.get("shipping_type")) for line in shown["orders"]["order"]
    ]
    wanted = (True, "CAINIAO-1", None) if ships is Ships.PLATFORM else (None, None, "virtual")
    assert marks == [(None, None, None), wanted]
    assert (shown.get("is_sh_ship"), shown["shipping_type"]) == (None, "express")


def test_an_order_of_one_kind_says_so_itself(world, place, fullinfo):
    platform, virtual = place(world, {"ships": "platform"}), place(world, {"ships": "nobody"})
    fields = "is_sh_ship,shipping_type"
    assert fullinfo(world, platform.order.tid, fields) == {"is_sh_ship": True, "shipping_type": "express"}
    assert fullinfo(world, virtual.order.tid, fields) == {"shipping_type": "virtual"}


def test_a_virtual_good_is_handed_out_without_a_number(world, place, hand_out, fullinfo):
    trade = place(world, {"ships": "nobody"})
    assert hand_out(world, trade) == ""
    shown = fullinfo(world, trade.order.tid)
    assert shown["status"] == "WAIT_BUYER_CONFIRM_GOODS"
    assert "invoice_no" not in shown["orders"]["order"][0]
    assert hand_out(world, trade) == D + "B04"
    assert told(world) == [(trade.order.tid, trade.line_ids, "")]


def test_goods_are_not_handed_out(world, place, hand_out, top):
    assert hand_out(world, place(world, {}, {"ships": "nobody"})) == D + "B98"
    assert top(world, DUMMY, tid="1")["error_response"]["sub_code"] == D + "B01"


@pytest.mark.parametrize(("expected", "code"), [("refund", "B02"), ("closed", "B04"), ("unpaid", "B02")])
def test_what_must_not_ship_is_refused(world, send, expected, code):
    trade = next(trade for trade in world.book.trades.values() if trade.order.expected == expected)
    assert send(world, trade.order.tid) == B + code


def test_what_the_platform_holds_is_refused_until_it_lets_go(world, place, send, do):
    trade = place(world, {})
    do(world, do="change_order", tid=str(trade.order.tid), marks={"top_hold": 1})
    assert send(world, trade.order.tid) == B + "B02"
    do(world, do="change_order", tid=str(trade.order.tid), marks={"top_hold": 0})
    assert send(world, trade.order.tid) == ""


def test_what_went_by_hand_cannot_be_sent_again(world, place, send, do, fullinfo):
    trade = place(world, {}, {})
    first, second = trade.line_ids
    do(world, do="ship_by_hand", tid=str(trade.order.tid), lines=[str(first)], number="75800000000001")
    assert send(world, trade.order.tid) == B + "CD27"
    assert send(world, trade.order.tid, **split(first)) == B + "B04"
    assert send(world, trade.order.tid, **split(second)) == ""
    lines = fullinfo(world, trade.order.tid)["orders"]["order"]
    assert [(line["invoice_no"], line["logistics_company"]) for line in lines] == [
        ("75800000000001", "中通快递"),
        ("SF1400000000000", "顺丰速运"),
    ]
    assert "75800000000001" not in json.dumps([str(row) for row in world.ledger.write_backs])


PIECES = "alibaba.ascp.logistics.offline.send"


@pytest.fixture
def send_pieces(top):
    """Send pieces of lines in one package; the sub-code of a refusal, empty when it was taken."""

    def call(world, trade, number, pieces, more=()):
        goods = [{"sub_tid": str(oid), "num": count, "item_type": 0} for oid, count in pieces.items()]
        package = {"out_sid": number, "company_code": "SF", "goods": goods}
        status = [{"sub_tid": str(oid), "is_part_consign": oid in more} for oid in pieces]
        params = {"consign_type": "1", "consign_pkgs": json.dumps([package]), "consign_status": json.dumps(status)}
        answer = top(world, PIECES, tid=str(trade.order.tid), **params)
        if "error_response" in answer:
            return answer["error_response"]["sub_code"]
        assert answer["alibaba_ascp_logistics_offline_send_response"]["result"] == {"success": True}
        return ""

    return call


ONE, TWO = "SF1400000000000", "SF1400000007919"


def test_a_line_goes_in_pieces_and_shows_the_number_of_its_first_part(world, place, send_pieces, fullinfo):
    trade = place(world, {"quantity": 3}, {})
    first, second = trade.line_ids
    assert send_pieces(world, trade, ONE, {first: 2, second: 1}, more={first}) == ""
    shown = fullinfo(world, trade.order.tid, "status,orders")
    assert shown["status"] == "SELLER_CONSIGNED_PART"
    assert [(line["status"], line["invoice_no"]) for line in shown["orders"]["order"]] == [
        ("SELLER_CONSIGNED_PART", ONE),
        ("WAIT_BUYER_CONFIRM_GOODS", ONE),
    ]
    assert send_pieces(world, trade, TWO, {first: 1}) == ""
    shown = fullinfo(world, trade.order.tid, "status,orders")
    assert shown["status"] == "WAIT_BUYER_CONFIRM_GOODS"
    assert [line["invoice_no"] for line in shown["orders"]["order"]] == [ONE, ONE]
    assert [(row.number, row.line_ids, row.pieces) for row in world.ledger.write_backs] == [
        (ONE, (first, second), (2, 1)),
        (TWO, (first,), (1,)),
    ]


def test_what_is_refused_of_pieces(world, place, send, send_pieces):
    trade = place(world, {"quantity": 3}, {})
    first, _ = trade.line_ids
    assert send_pieces(world, trade, ONE, {first: 4}) == B + "P38", "more than were sold"
    assert send_pieces(world, trade, ONE, {first: 2}) == B + "P38", "more is to come, and nobody said so"
    assert send_pieces(world, trade, ONE, {first: 2}, more={first}) == ""
    assert send_pieces(world, trade, ONE, {first: 1}) == B + "B04", "the same number again"
    assert send_pieces(world, trade, TWO, {first: 2}) == B + "P38", "more than are left"
    assert send(world, trade.order.tid, TWO, **split(first)) == B + "P38", "whole, of which a part has gone"
    assert send_pieces(world, trade, TWO, {first: 1}) == ""
    assert send_pieces(world, trade, TWO, {first: 1}) == B + "B04", "gone whole"
