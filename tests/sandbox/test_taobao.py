import json
import time

import msgspec
import pytest

from sandbox.people import person_of
from sandbox.spec import Arrival
from sandbox.stream import plan
from sandbox.world import World

PULL = "taobao.trades.sold.increment.get"
FULLINFO = "taobao.trade.fullinfo.get"
DECRYPT = "taobao.top.oaid.decrypt"
RECEIVER = "receiver_name,receiver_address,created,receiver_mobile,receiver_phone"
B = "isv.logistics-offline-service-error:"


def cst(second: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second + 8 * 3600))


@pytest.fixture
def pull(top, now):
    """One page of a window, newest first."""

    def read(world, page=1, start=now - 80_000, end=now, size=50, **params):
        whole = {"fields": "tid,status,modified", "start_modified": cst(start), "end_modified": cst(end)}
        answer = top(world, PULL, page_no=str(page), page_size=str(size), **whole | params)
        return answer["trades_sold_increment_get_response"]

    return read


def tids(page) -> list[int]:
    return [row["tid"] for row in page["trades"]["trade"]]


def pages_backwards(read, count: int) -> list[int]:
    return [tid for page in range(count, 0, -1) for tid in tids(read(page))]


def test_a_listing_is_complete_and_newest_first(world, pull):
    first = pull(world)
    pages = -(-first["total_results"] // 50)
    rows = [row for page in range(1, pages + 1) for row in pull(world, page)["trades"]["trade"]]
    assert {row["tid"] for row in rows} == set(world.book.trades)
    moments = [row["modified"] for row in rows]
    assert moments == sorted(moments, reverse=True)


def test_has_next_instead_of_a_count(world, pull):
    page = pull(world, use_has_next="true")
    assert page["has_next"] is True
    assert "total_results" not in page
    assert pull(world, page=99, use_has_next="true")["has_next"] is False


def test_only_asked_fields_come_and_some_never_in_a_listing(world, pull):
    row = pull(world, fields="tid,buyer_message,payment,nonsense")["trades"]["trade"][0]
    assert row.keys() == {"tid", "payment"}


def test_a_status_filter(world, pull):
    page = pull(world, status="TRADE_CLOSED")
    assert {row["status"] for row in page["trades"]["trade"]} == {"TRADE_CLOSED"}


def test_reading_backwards_loses_nothing_while_orders_move(world, pull, to_ship, send, now):
    known = set(world.book.trades)
    count = -(-pull(world)["total_results"] // 50)
    trades = iter(to_ship(world))

    def read(page):
        # Between any two pages three orders leave their place in the window for a time after it.
        for _ in range(3):
            assert send(world, next(trades).order.tid, at=now + 5) == ""
        return pull(world, page)

    seen = set(pages_backwards(read, count))
    moved = {trade.order.tid for trade in world.book.trades.values() if trade.modified > now}
    assert len(moved) == 3 * count
    assert known - moved <= seen


def test_reading_forwards_skips_orders_while_they_move(world, pull, to_ship, send, now):
    # The control: the same movement, read from the first page on, loses rows that never moved.
    known = set(world.book.trades)
    count = -(-pull(world)["total_results"] // 50)
    newest = sorted(to_ship(world), key=lambda trade: -trade.modified)
    seen: set[int] = set()
    for page in range(1, count + 1):
        seen |= set(tids(pull(world, page)))
        if page == 1:
            for trade in newest[:20]:
                send(world, trade.order.tid, at=now + 5)
    moved = {trade.order.tid for trade in newest[:20]}
    assert known - moved - seen


def test_some_windows_repeat_one_row_on_the_next_page(world, pull, now):
    repeats = 0
    for shift in range(40):
        first, second = (tids(pull(world, page, start=now - 80_000 - shift)) for page in (1, 2))
        repeats += first[-1] == second[0]
    assert 0 < repeats < 40


def test_an_order_is_not_listed_before_it_is_visible(clean_spec, pull, now):
    paced = msgspec.structs.replace(clean_spec, arrival=Arrival(per_second=10))
    world = World(paced, plan(paced), now)
    world.advance(now)
    early = len(world.book.trades)
    world.advance(now + 15)
    later = len(world.book.trades)
    assert early < later < 300
    assert all(trade.modified <= now + 15 for trade in world.book.trades.values())


def test_another_shop_sees_nothing_of_it(spec, make_world, top):
    world = make_world(msgspec.structs.replace(spec, shops=2))
    trade = next(trade for trade in world.book.trades.values() if trade.order.shop == "shop-1")
    answer = top(world, FULLINFO, "shop-2", fields="tid", tid=str(trade.order.tid))
    assert answer["error_response"]["sub_code"] == "isv.trade-not-exist"


def test_the_receiver_is_masked_and_the_oaid_opens_it(world, fullinfo, top, to_ship):
    trade = to_ship(world)[0]
    person = person_of(trade.order)
    shown = fullinfo(world, trade.order.tid, RECEIVER, include_oaid="true")
    assert person.mobile not in json.dumps(shown)
    assert "*" in shown["receiver_name"]
    query = [{"tid": str(trade.order.tid), "oaid": shown["oaid"], "scene": "1001"}]
    answer = top(world, DECRYPT, query_list=json.dumps(query))
    receiver = answer["top_oaid_decrypt_response"]["receiver_list"]["receiver"][0]
    assert receiver["matched"] is True
    assert (receiver["name"], receiver["mobile"], receiver["address_detail"]) == (
        person.name,
        person.mobile,
        person.detail,
    )


@pytest.mark.parametrize("left_out", RECEIVER.split(","))
def test_the_oaid_needs_all_five_fields(world, fullinfo, to_ship, left_out):
    fields = ",".join(field for field in RECEIVER.split(",") if field != left_out)
    assert "oaid" not in fullinfo(world, to_ship(world)[0].order.tid, fields, include_oaid="true")


def test_the_oaid_must_be_asked_for(world, fullinfo, to_ship):
    assert "oaid" not in fullinfo(world, to_ship(world)[0].order.tid, RECEIVER)


def test_an_oaid_of_another_order_opens_nothing(world, top, to_ship):
    first, second = to_ship(world)[:2]
    query = [{"tid": str(first.order.tid), "oaid": second.oaid()}, {"tid": "x", "oaid": first.oaid()}]
    answer = top(world, DECRYPT, query_list=json.dumps(query))
    receivers = answer["top_oaid_decrypt_response"]["receiver_list"]["receiver"]
    assert [row["matched"] for row in receivers] == [False, False]
    assert all("mobile" not in row for row in receivers)


@pytest.mark.parametrize("count", [0, 21])
def test_twenty_receivers_a_call(world, top, count):
    query = [{"tid": "1", "oaid": "x"}] * count
    assert top(world, DECRYPT, query_list=json.dumps(query))["error_response"]["code"] == 41


def test_a_trade_adds_up_as_it_is_shown(world, fullinfo):
    fields = "tid,payment,post_fee,total_fee,discount_fee,orders,promotion_details"
    for tid in world.book.trades:
        trade = fullinfo(world, tid, fields)
        lines = trade["orders"]["order"]
        shares = sum(round(float(line["divide_order_fee"]) * 100) for line in lines)
        assert shares + round(float(trade["post_fee"]) * 100) == round(float(trade["payment"]) * 100)
        promotions = trade["promotion_details"]["promotion_detail"]
        given = sum(round(float(row["discount_fee"]) * 100) for row in promotions)
        assert round(float(trade["total_fee"]) * 100) - given == shares


def test_single_line_fields_and_simplified_lists(world, top, to_ship):
    tid = str(to_ship(world)[0].order.tid)
    answer = top(world, FULLINFO, tid=tid, fields="tid,orders.oid,orders.refund_status", simplify="true")
    assert answer["trade"]["orders"][0].keys() == {"oid", "refund_status"}


def test_marks_of_live_streams_and_members(world, fullinfo):
    for trade in world.book.trades.values():
        attributes = json.loads(fullinfo(world, trade.order.tid, "trade_attr").get("trade_attr", "{}"))
        assert attributes.get("live", 0) == int(trade.order.is_live)
        assert attributes.get("vip", "") == trade.order.member.value


def test_an_open_presale_is_unpaid_with_its_deposit(world, fullinfo):
    trade = next(trade for trade in world.book.trades.values() if trade.order.expected == "presale_open")
    shown = fullinfo(world, trade.order.tid, "type,status,step_trade_status,pay_time,step_paid_fee,payment")
    assert (shown["type"], shown["status"]) == ("step", "WAIT_BUYER_PAY")
    assert shown["step_trade_status"] == "FRONT_PAID_FINAL_NOPAID"
    assert "pay_time" not in shown


def test_a_write_back_shows_on_the_order_and_moves_it(world, fullinfo, send, to_ship, now):
    trade = to_ship(world)[0]
    assert send(world, trade.order.tid, at=now + 3) == ""
    shown = fullinfo(world, trade.order.tid, "tid,status,modified,orders")
    assert shown["status"] == "WAIT_BUYER_CONFIRM_GOODS"
    assert shown["modified"] == cst(now + 3)
    for line in shown["orders"]["order"]:
        assert (line["invoice_no"], line["logistics_company"]) == ("SF1400000000000", "顺丰速运")
    assert send(world, trade.order.tid) == B + "B04"
    assert [row.tid for row in world.ledger.write_backs] == [trade.order.tid]


def test_refusals_of_a_write_back(world, send, to_ship):
    tid = to_ship(world)[0].order.tid
    assert send(world, 1) == B + "B01"
    assert send(world, tid, company="PIGEON") == B + "B56"
    assert send(world, tid, number="1") == B + "B60"
    assert send(world, tid, number="") == "isv.missing-parameter:out_sid"
    assert not world.ledger.write_backs


def test_companies(world, top):
    answer = top(world, "taobao.logistics.companies.get", fields="code,name")
    rows = answer["logistics_companies_get_response"]["logistics_companies"]["logistics_company"]
    assert {"code": "SF", "name": "顺丰速运"} in rows


def test_the_witness_notices_a_number_nobody_gave(world, send, to_ship):
    send(world, to_ship(world)[0].order.tid, number="SF9999999999999")
    assert [alarm.kind for alarm in world.ledger.alarms] == ["waybill_unknown"]


def test_the_witness_notices_a_label_for_somebody_else(world, send, to_ship, sf, booking):
    _, result = sf(world, "EXP_RECE_CREATE_ORDER", booking(world))
    number = result["msgData"]["waybillNoInfoList"][0]["waybillNo"]
    world.waybills.by_number[number].is_alive = False
    send(world, to_ship(world)[0].order.tid, number=number)
    assert [alarm.kind for alarm in world.ledger.alarms] == ["waybill_dead", "misdirected"]


def test_calls_are_counted_by_method(world, fullinfo, to_ship):
    fullinfo(world, to_ship(world)[0].order.tid)
    assert world.ledger.calls == {FULLINFO: 1}
