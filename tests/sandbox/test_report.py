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
