import json
from dataclasses import replace

import pytest

from sandbox.report import full, progress
from sandbox.stream import plan
from sandbox.world import World

SEND = "taobao.logistics.offline.send"


@pytest.fixture
def book(sf, booking):
    def create(world) -> str:
        _, result = sf(world, "EXP_RECE_CREATE_ORDER", booking(world))
        return result["msgData"]["waybillNoInfoList"][0]["waybillNo"]

    return create


def test_the_ledger_counts_what_left_the_shelf(world, top, to_ship):
    trade = to_ship(world)[0]
    top(
        world,
        SEND,
        tid=str(trade.order.tid),
        out_sid="SF1400000000000",
        company_code="SF",
    )
    shipped = {row["sku"]: row["shipped"] for row in full(world)["stock"] if row["shipped"]}
    wanted = {}
    for line in trade.order.lines:
        wanted[line.sku.code] = wanted.get(line.sku.code, 0) + line.quantity
    assert shipped == wanted


def test_the_ledger_counts_what_the_courier_has_by_the_labels(world, book, sf, booking, now):
    sku = world.plan.catalogue[3].sku
    sf(world, "EXP_RECE_CREATE_ORDER", booking(world, "REF-2-1", cargoDetails=[{"name": sku.title, "count": 3}]))
    book(world)
    assert not any(row["left"] for row in full(world)["stock"])
    world.advance(now + 10)
    assert {row["sku"]: row["left"] for row in full(world)["stock"] if row["left"]} == {sku.code: 3}
    # The other label names what no SKU is called.
    assert [row["pieces"] for row in full(world)["waybills"]] == [{sku.code: 3}, None]


def test_the_ledger_tells_of_each_line_what_became_of_it(world, top, to_ship, now):
    trade = next(trade for trade in to_ship(world) if len(trade.line_ids) > 1)
    first, second = trade.line_ids[:2]
    params = {"tid": str(trade.order.tid), "out_sid": "SF1400000000000", "company_code": "SF"}
    top(world, SEND, **params, is_split="1", sub_tid=str(first))
    trade.close((second,), now + 1)
    lines = next(row["lines"] for row in full(world)["ordered"] if row["tid"] == params["tid"])
    by_id = {line["oid"]: line for line in lines}
    told = [{"number": "SF1400000000000", "at": now, "pieces": None}]
    assert by_id[str(first)] | {"shipped_by": "api", "gone_at": None, "told": told} == by_id[str(first)]
    closed = {"shipped_by": "", "is_closed": True, "refund": "SUCCESS", "gone_at": now + 1, "told": []}
    assert by_id[str(second)] | closed == by_id[str(second)]


def test_the_ledger_holds_no_personal_data(world, book):
    book(world)
    text = json.dumps(full(world), ensure_ascii=False)
    assert "13900000002" not in text
    assert "李四" not in text


def test_progress_counts(world, book, now):
    book(world)
    world.advance(now + 10)
    counts = progress(world)
    assert counts["visible"] == counts["orders"] == len(world.plan.orders)
    assert (counts["waybills"], counts["handed_over"], counts["written_back"]) == (1, 1, 0)


def test_a_source_order_counts_once_and_is_shipped_when_all_parts_are(spec, now, top):
    planned = plan(spec)
    first, second = [order for order in planned.orders if order.expected == "ship"][:2]
    parts = tuple(replace(order, group="source") for order in (first, second))
    world = World(spec, replace(planned, orders=parts), now)
    world.advance(now)
    assert full(world)["groups"] == {"to_ship": 1, "shipped": 0}
    for order, shipped in zip(parts, (0, 1), strict=True):
        top(world, SEND, tid=str(order.tid), out_sid="SF1400000000000", company_code="SF")
        assert full(world)["groups"] == {"to_ship": 1, "shipped": shipped}
