import pytest

from domain.errors import Refused

RECEIVER = "receiver_name,receiver_address,created,receiver_mobile,receiver_phone"


@pytest.fixture
def trade(world, to_ship):
    return next(trade for trade in to_ship(world) if len(trade.line_ids) > 1)


@pytest.fixture
def alter(world, do, trade, now):
    """Pull one of the levers on the trade."""
    return lambda name, **fields: do(world, now + 9, do=name, tid=str(trade.order.tid), **fields)


@pytest.fixture
def refunds(trade):
    return lambda: [trade.refunds.get(oid, "NO_REFUND") for oid in trade.line_ids]


def test_a_refund_is_asked_for_everything(alter, trade, refunds, now):
    alter("ask_refund")
    assert set(refunds()) == {"WAIT_SELLER_AGREE"}
    assert trade.order.expected == "refund"
    assert trade.modified == int(now + 9)


def test_a_refund_of_one_line_leaves_the_others_to_be_shipped(alter, trade):
    alter("ask_refund", lines=[str(trade.line_ids[0])])
    assert list(trade.refunds) == [trade.line_ids[0]]
    assert trade.order.expected == "ship"


def test_a_refund_is_withdrawn_refused_and_paid(alter, trade, refunds, now):
    first = str(trade.line_ids[0])
    alter("ask_refund")
    alter("withdraw_refund", lines=[first])
    assert refunds()[0] == "CLOSED"
    assert trade.order.expected == "ship"
    alter("refuse_refund")
    assert set(refunds()[1:]) == {"SELLER_REFUSE_BUYER"}
    alter("pay_refund")
    assert set(refunds()[1:]) == {"SUCCESS"}
    assert trade.waiting() == trade.line_ids[:1]
    assert set(trade.gone.values()) == {now + 9}


def test_after_the_hand_over_a_refund_may_still_be_asked_and_paid(world, alter, trade, send):
    send(world, trade.order.tid)
    alter("ask_refund", lines=[str(trade.line_ids[0])])
    assert trade.status == "WAIT_BUYER_CONFIRM_GOODS"
    alter("pay_refund")
    assert (trade.status, trade.closed[trade.line_ids[0]]) == ("WAIT_BUYER_CONFIRM_GOODS", "TRADE_CLOSED")


def test_an_order_is_closed_once_and_its_money_goes_back(alter, trade, refunds):
    alter("close_order")
    assert (trade.status, trade.order.expected) == ("TRADE_CLOSED", "closed")
    assert set(refunds()) == {"SUCCESS"}
    with pytest.raises(Refused):
        alter("close_order")


def test_an_unpaid_order_is_closed_without_money(world, do, fullinfo):
    trade = next(trade for trade in world.book.trades.values() if trade.order.expected == "unpaid")
    do(world, do="close_order", tid=str(trade.order.tid))
    shown = fullinfo(world, trade.order.tid, "status,pay_time,orders")
    assert "pay_time" not in shown
    assert {shown["status"], *(line["status"] for line in shown["orders"]["order"])} == {"TRADE_CLOSED_BY_TAOBAO"}
    assert {line["refund_status"] for line in shown["orders"]["order"]} == {"NO_REFUND"}


def test_lines_are_closed_one_after_the_other(alter, trade):
    for oid in trade.line_ids:
        assert trade.status == "WAIT_SELLER_SEND_GOODS"
        alter("close_lines", lines=[str(oid)])
    assert trade.status == "TRADE_CLOSED"


def test_somebody_ships_by_hand(alter, trade, world):
    first = trade.line_ids[0]
    alter("ship_by_hand", lines=[str(first)])
    assert trade.status == "SELLER_CONSIGNED_PART"
    assert trade.shipments[first].number not in world.waybills.by_number
    alter("ship_by_hand", number="75800000000001")
    assert trade.status == "WAIT_BUYER_CONFIRM_GOODS"
    assert {shipment.number for oid, shipment in trade.shipments.items() if oid != first} == {"75800000000001"}
    assert not world.ledger.write_backs


def test_texts_address_and_marks_change(world, alter, trade, fullinfo):
    fields = f"buyer_message,seller_memo,seller_flag,top_hold,{RECEIVER}"
    before = fullinfo(world, trade.order.tid, fields, include_oaid="true")
    assert "top_hold" not in before
    receiver = {"name": "新收件人", "mobile": "13600000001", "detail": "测试路2号"}
    alter("change_order", message="周末配送", memo="改地址", flag=3, receiver=receiver, marks={"top_hold": 1})
    after = fullinfo(world, trade.order.tid, fields, include_oaid="true")
    assert (after["buyer_message"], after["seller_memo"], after["seller_flag"]) == ("周末配送", "改地址", 3)
    assert (after["receiver_name"], after["top_hold"]) == ("新***", 1)
    assert after["oaid"] != before["oaid"]
    alter("change_order", flag=1)
    assert fullinfo(world, trade.order.tid, fields)["seller_memo"] == "改地址"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ask_refund", {"tid": "1"}),
        ("ask_refund", {"tid": "x"}),
        ("ask_refund", {"lines": ["1"]}),
        ("ask_refund", {"lines": ["x"]}),
        ("withdraw_refund", {}),
        ("pay_refund", {}),
        ("change_order", {"marks": {"nonsense": 1}}),
        ("change_order", {"colour": 1}),
    ],
)
def test_changes_that_make_no_sense(world, do, trade, name, fields):
    with pytest.raises(Refused, match="control_invalid"):
        do(world, **{"do": name, "tid": str(trade.order.tid), **fields})


@pytest.mark.parametrize("name", ["close_lines", "ship_by_hand"])
def test_what_was_shipped_is_neither_closed_nor_shipped_again(world, alter, trade, send, name):
    send(world, trade.order.tid)
    with pytest.raises(Refused, match="control_invalid"):
        alter(name, lines=[str(trade.line_ids[0])])


def test_an_unpaid_order_is_not_shipped_by_hand(world, do):
    trade = next(trade for trade in world.book.trades.values() if trade.order.expected == "unpaid")
    with pytest.raises(Refused, match="control_invalid"):
        do(world, do="ship_by_hand", tid=str(trade.order.tid))
