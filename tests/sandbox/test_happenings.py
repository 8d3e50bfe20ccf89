import msgspec
import pytest

from sandbox.report import progress
from sandbox.spec import Scenes

WHOLE = "tid,status,payment,orders"


@pytest.fixture
def playing(clean_spec, make_world):
    """A world with one kind of scene, and the first order of that kind."""

    def make(share):
        scenes = Scenes(**{share: 0.2}, after_s=2.0, answered_s=3.0)
        world = make_world(msgspec.structs.replace(clean_spec, scenes=scenes))
        trade = next(trade for trade in world.book.trades.values() if trade.order.scene is not None)
        return world, trade

    return make


def line_of(trade):
    return trade.line_ids[trade.order.scene_line]


def test_nothing_happens_before_an_order_was_read_whole(playing, fullinfo, now):
    world, trade = playing("refund_paid")
    fullinfo(world, trade.order.tid, "tid,status,orders.refund_status")
    world.advance(now + 100)
    assert not trade.refunds
    assert progress(world)["to_come"] == 0
    fullinfo(world, trade.order.tid, WHOLE)
    assert progress(world)["to_come"] == 2


@pytest.mark.parametrize(("share", "ends_as"), [("refund_withdrawn", ("CLOSED", 0)), ("refund_paid", ("SUCCESS", 1))])
def test_a_refund_of_one_line_is_asked_and_answered(playing, fullinfo, now, share, ends_as):
    answer, closed = ends_as
    world, trade = playing(share)
    fullinfo(world, trade.order.tid, WHOLE)
    # Asked within twice `after_s`, answered `answered_s` later.
    asked_at = next(at / 10 for at in range(41) if not world.advance(now + at / 10) and trade.refunds)
    assert trade.refunds == {line_of(trade): "WAIT_SELLER_AGREE"}
    assert trade.modified == int(world.happenings.last_at)
    world.advance(now + asked_at + 2.8)
    assert trade.refunds == {line_of(trade): "WAIT_SELLER_AGREE"}
    world.advance(now + asked_at + 3)
    assert trade.refunds == {line_of(trade): answer}
    assert len(trade.closed) == closed
    assert len(trade.waiting()) == len(trade.line_ids) - closed
    counts = progress(world)
    assert (counts["to_come"], counts["happened"]) == (0, 2)
    assert now < counts["happened_at"] <= now + 7


def test_a_scene_plays_once(playing, fullinfo, now):
    world, trade = playing("refund_withdrawn")
    for at in (0, 50):
        fullinfo(world, trade.order.tid, WHOLE)
        world.advance(now + at + 20)
    assert progress(world)["happened"] == 2


def test_the_money_of_everything_goes_back(playing, fullinfo, now):
    world, trade = playing("refund_all")
    fullinfo(world, trade.order.tid, WHOLE)
    world.advance(now + 10)
    assert (trade.status, trade.order.expected) == ("TRADE_CLOSED", "closed")
    assert set(trade.refunds.values()) == {"SUCCESS"}


def test_a_line_goes_by_hand_with_a_number_of_another_account(playing, fullinfo, now, send):
    world, trade = playing("shipped_by_hand")
    fullinfo(world, trade.order.tid, WHOLE)
    world.advance(now + 10)
    shipment = trade.shipments[line_of(trade)]
    assert trade.status == "SELLER_CONSIGNED_PART"
    assert shipment.number not in world.waybills.by_number
    # The platform would have taken the number.
    other = next(trade for trade in world.book.trades.values() if trade.order.scene is None)
    assert send(world, other.order.tid, shipment.number, shipment.company_code) == ""


@pytest.mark.parametrize(("share", "number"), [("platform_line", True), ("virtual_line", False)])
def test_others_ship_what_is_theirs(playing, fullinfo, now, share, number):
    world, trade = playing(share)
    fullinfo(world, trade.order.tid, WHOLE)
    world.advance(now + 10)
    theirs = {oid for oid, line in trade.lines if line.ships != "merchant"}
    assert set(trade.shipments) == theirs
    assert {bool(shipment.number) for shipment in trade.shipments.values()} == {number}
    assert set(trade.gone) == theirs


@pytest.mark.parametrize("share", ["refund_paid", "refund_withdrawn", "refund_all", "shipped_by_hand"])
def test_nothing_happens_to_what_has_left(playing, fullinfo, send, now, share):
    world, trade = playing(share)
    fullinfo(world, trade.order.tid, WHOLE)
    assert send(world, trade.order.tid, at=now) == ""
    modified = trade.modified
    world.advance(now + 10)
    assert (trade.refunds, trade.gone, trade.modified) == ({}, {}, modified)
    assert progress(world)["happened"] == 0
