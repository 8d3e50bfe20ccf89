from collections import Counter

import msgspec
import pytest

from domain.errors import Misconfigured
from sandbox.amounts import amounts_of
from sandbox.model import Expected, Scene, Ships, demand
from sandbox.places import CHINESE_LOCATIONS
from sandbox.spec import Dirt, Scenes
from sandbox.stream import plan

CLEAN = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)
EVENTS = ("refund_withdrawn", "refund_paid", "refund_all", "shipped_by_hand")


@pytest.fixture
def planned(spec):
    """The plan of 1000 orders with these shares of scenes."""

    def make(dirt=CLEAN, **shares):
        return plan(msgspec.structs.replace(spec, orders=1000, dirt=dirt, scenes=Scenes(**shares)))

    return make


@pytest.fixture
def levels():
    return lambda stream: {entry.sku.code: list(entry.levels.values()) for entry in stream.catalogue}


def could_fill(order, levels, place):
    return all(levels[line.sku.code][place] >= line.quantity for line in order.lines)


def test_without_scenes_the_stream_is_as_ever(planned):
    usual = planned()
    assert all(order.scene is None for order in usual.orders)
    # A scene changes its own orders alone.
    changed = {order.tid: order for order in planned(refund_paid=0.1).orders if order.scene is None}
    assert len(changed) == 900
    assert all(changed[order.tid] == order for order in usual.orders if order.tid in changed)


def test_the_same_seed_gives_the_same_scenes(planned):
    shares = {"split": 0.2, "refund_paid": 0.1, "platform_line": 0.1}
    assert planned(**shares) == planned(**shares)


def test_no_location_can_fill_a_split_order_and_two_can(planned, levels):
    stream = planned(split=0.2)
    shelves = levels(stream)
    split = [order for order in stream.orders if order.lines[0].sku.shares]
    assert len(split) == 200
    for order in split:
        assert sorted(line.quantity for line in order.lines) == [1, 2, 5]
        assert not any(could_fill(order, shelves, place) for place in (0, 1))
        assert {bool(shelves[line.sku.code][0]) for line in order.lines} == {True, False}
        # No line needs both: the platform cannot divide it.
        assert all(max(shelves[line.sku.code]) >= line.quantity for line in order.lines)
    wanted = demand(stream.orders)
    assert all(sum(shelves[line.sku.code]) == wanted[line.sku.code] for order in split for line in order.lines)


def test_an_undividable_order_has_enough_only_at_both_together(planned, levels):
    stream = planned(undividable=0.02)
    shelves = levels(stream)
    apart = [order for order in stream.orders if order.expected is Expected.UNDIVIDABLE]
    assert len(apart) == 20
    assert all([shelves[line.sku.code] for line in order.lines] == [[3, 2]] for order in apart)
    assert {line.quantity for order in apart for line in order.lines} == {5}


@pytest.mark.parametrize("share", EVENTS)
def test_what_happens_on_the_way_happens_to_orders_of_several_lines(planned, share):
    found = [order for order in planned(**{share: 0.1}).orders if order.scene]
    assert Counter(order.scene for order in found) == {Scene(share): 100}
    assert all(len(order.lines) > 1 and order.expected is Expected.SHIP for order in found)
    assert {order.scene_line for order in found} == {0, 1, 2}


def test_lines_that_are_not_the_merchants(planned):
    stream = planned(platform_line=0.1, virtual_line=0.1)
    by_scene = {scene: [order for order in stream.orders if order.scene is scene] for scene in Scene}
    platform, virtual = by_scene[Scene.PLATFORM_SHIPS], by_scene[Scene.DELIVERED]
    assert (len(platform), len(virtual)) == (100, 100)
    whole = [order for order in platform if order.expected is Expected.NOT_OURS]
    assert 30 < len(whole) < 70
    assert all(line.ships is Ships.PLATFORM for order in whole for line in order.lines)
    mixed = [order for order in platform if order.expected is Expected.SHIP]
    for order, kind in [(order, Ships.PLATFORM) for order in mixed] + [(order, Ships.NOBODY) for order in virtual]:
        assert Counter(line.ships for line in order.lines)[kind] == 1
        assert order.lines[order.scene_line].ships is kind
    # Nobody counts what nobody ships.
    assert not any(entry.sku.code == virtual[0].lines[virtual[0].scene_line].sku.code for entry in stream.catalogue)


def test_sums_leave_out_the_lines_that_were_closed_before(planned):
    closed = [order for order in planned(line_closed=0.1).orders if any(line.is_closed for line in order.lines)]
    assert len(closed) == 100
    for order in closed:
        sums = amounts_of(order)
        open_ = [line for line, one in zip(sums.lines, order.lines, strict=True) if not one.is_closed]
        assert len(open_) == len(order.lines) - 1
        assert sums.payment == sum(line.divided for line in open_) + sums.freight
        assert sum(line.share for line in open_) == sums.promotion
        assert demand([order]).keys() == {line.sku.code for line in order.lines if not line.is_closed}


def test_scenes_leave_alone_what_must_not_ship(planned):
    stream = planned(Dirt(), **dict.fromkeys(EVENTS, 0.5))
    assert {order.expected for order in stream.orders if order.scene} == {Expected.SHIP}
    fates = Counter(order.expected for order in stream.orders)
    assert fates == Counter(order.expected for order in planned(Dirt()).orders)


def test_one_location_cannot_split(spec):
    alone = msgspec.structs.replace(spec, locations=CHINESE_LOCATIONS[:1], scenes=Scenes(split=0.1))
    with pytest.raises(Misconfigured, match="split_needs_two_locations"):
        plan(alone)
