"""Scans of people at a location of our own: the same path as a feed's, asked before, repeated without harm."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.scans.apply import apply_scans
from adapters.documents import DocumentProgress, Stop
from adapters.warehouses.own import OwnWarehouse
from domain.errors import Malformed, Misconfigured, Transient
from ops.views.picks import picks, waves
from tests.actors.own.conftest import Bench

CLOSE = "UPDATE fulfillment_order SET state = 'closed', closed_reason = 'cancelled', finished_at = now()"


def test_an_order_is_placed_without_a_call_and_waits_to_be_picked(placed, bench):
    assert placed.rows("SELECT location, status FROM placement") == [("east", "placed")]
    [pick] = picks(placed.db, ["east"], 10).packages
    assert (pick.order, pick.waybill, pick.courier) == ("taobao/s1/1001", "SF0001", "sf")
    assert pick.pieces == {"TEE-1": 2}
    assert bench.breaches() == []


def test_the_whole_way_of_an_order_through_a_location_of_our_own(placed, bench):
    assert bench.became("accept", "SF0001") == [("done", "")]
    assert placed.states() == ["in_warehouse"]
    assert bench.became("pack", "SF0001") == [("done", "")]
    assert placed.states() == ["packed"]
    assert picks(placed.db, ["east"], 10).packages == []
    assert placed.counters() == (10, 0, 2)
    assert bench.became("hand_over", "SF0001") == [("done", "")]
    assert placed.states() == ["in_transit"]
    assert placed.counters() == (8, 0, 0)
    placed.flow()
    assert placed.platform.told == ["SF0001"]
    assert [notice.event for notice in placed.notifier.told] == ["package.shipped"]
    assert placed.one("SELECT status FROM placement") == "final"
    assert bench.breaches() == []


@pytest.mark.parametrize("order", list(itertools.permutations(("accept", "pack", "hand_over"))))
def test_scans_in_any_order_and_twice_end_alike_and_move_nothing_back(placed, bench, order):
    for act in (*order, *order):
        bench.scan(act, "SF0001")
    assert placed.states() == ["in_transit"]
    assert placed.counters() == (8, 0, 0)
    assert placed.one("SELECT count(*) FROM writeback") == 1
    assert bench.became("hand_over", "SF0001") == [("unchanged", "")]


def test_every_act_has_its_audit_row_with_before_and_after(placed, bench):
    bench.scan("pack", "SF0001")
    bench.scan("pack", "SF0001")
    [(verb, name, before, after)] = placed.rows("SELECT verb, object, before, after FROM audit ORDER BY id")
    assert (verb, name) == ("package_packed", "package/1")
    assert (before["state"], after["state"]) == ("allocated", "packed")
    assert (before["is_packed"], after["is_packed"]) == (False, True)


@pytest.mark.parametrize("spell", [str.lower, lambda text: f" {text[:3]} {text[3:]} "])
def test_a_waybill_is_known_in_small_letters_and_with_blanks(bench, spell):
    assert bench.became("accept", spell("SF0001")) == [("done", "")]


def test_the_references_of_package_and_document_name_them_too(placed, bench):
    package, document = placed.one("SELECT reference FROM shipment"), placed.one("SELECT reference FROM placement")
    assert bench.became("accept", package) == [("done", "")]
    assert bench.became("pack", document) == [("done", "")]


def test_a_waybill_that_is_not_ours_is_refused_and_the_others_are_taken(placed, bench):
    assert bench.became("pack", "SF9999", "SF0001", "") == [
        ("refused", "package_unknown"),
        ("done", ""),
        ("refused", "package_unknown"),
    ]
    assert placed.one("SELECT count(*) FROM early_scan") == 0


def test_a_package_at_a_location_with_a_system_of_its_own_is_refused(own, trade):
    own.stock(location="west", **{"TEE-1": 10})
    own.deliver(trade(tid="1001"))
    own.flow("label")
    assert Bench(own).became("pack", "SF0001") == [("refused", "not_our_location")]
    assert own.states() == ["allocated"]


@pytest.mark.parametrize("act", ["accept", "pack", "hand_over"])
def test_a_held_order_is_refused_and_the_scan_is_not_kept_for_later(placed, bench, act):
    placed.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    assert bench.became(act, "SF0001") == [("refused", "order_held")]
    assert placed.one("SELECT count(*) FROM early_scan") == 0
    assert placed.one("SELECT packed_at IS NULL FROM package")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (CLOSE, "order_stopped"),
        ("UPDATE orders SET platform_state = 'closed'", "order_stopped"),
        ("UPDATE package SET cancelled_at = now()", "package_cancelled"),
        ("UPDATE placement SET status = 'stopped', ended_at = now()", "document_stopped"),
        ("UPDATE shipment SET status = 'voided', voided_at = now()", "waybill_void"),
    ],
)
def test_what_must_not_leave_is_refused(placed, bench, change, why):
    placed.rows(change)
    assert bench.became("hand_over", "SF0001") == [("refused", why)]
    assert placed.one("SELECT handed_over_at IS NULL FROM package")


def test_an_answer_of_the_last_90_seconds_counts(placed, bench):
    asked = placed.platform.asked["fetch"]
    bench.scan("pack", "SF0001")
    assert placed.platform.asked["fetch"] == asked
    bench.outdate()
    assert bench.became("hand_over", "SF0001") == [("done", "")]
    assert placed.platform.asked["fetch"] == asked + 1


def test_packing_and_hand_over_in_one_go_ask_once(placed, bench):
    bench.outdate()
    asked = placed.platform.asked["fetch"]
    bench.scan("pack", "SF0001")
    bench.scan("hand_over", "SF0001")
    assert placed.platform.asked["fetch"] == asked + 1


@pytest.mark.parametrize("act", ["pack", "hand_over"])
def test_a_refund_asked_after_the_label_keeps_the_package_in_the_house(placed, bench, act):
    bench.outdate()
    placed.platform.refunds.add("1001")
    [result] = bench.scan(act, "SF0001")
    assert (result.became, result.why.code) == ("refused", "refund_or_change")
    assert "refund_requested" in result.why.facts["holds"]
    assert placed.states() == ["allocated"]
    # The platform's answer is stored, so the order itself is stopped as well.
    placed.run("normalize")
    assert placed.holds() == ["stopping"]
    assert bench.became(act, "SF0001") == [("refused", "order_held")]


def test_a_refund_asked_after_packing_keeps_the_box_in_the_house(placed, bench):
    bench.scan("pack", "SF0001")
    bench.outdate()
    placed.platform.refunds.add("1001")
    assert bench.became("hand_over", "SF0001") == [("refused", "refund_or_change")]
    placed.run("normalize")
    assert (placed.states(), placed.holds()) == (["on_hold"], ["stopping"])
    assert bench.became("hand_over", "SF0001") == [("refused", "order_held")]
    assert placed.counters() == (10, 0, 2)


def test_control_without_the_check_a_refunded_package_leaves(make_own, trade):
    careless = make_own(last_check_max_age_s=float("inf"))
    careless.stock(**{"TEE-1": 10})
    careless.deliver(trade(tid="1001", pieces=2))
    careless.flow("label")
    careless.run("dispatch")
    bench = Bench(careless)
    bench.outdate()
    careless.platform.refunds.add("1001")
    assert bench.became("hand_over", "SF0001") == [("done", "")]
    assert careless.states() == ["in_transit"]


@pytest.mark.parametrize("error", [Transient("down"), Malformed("odd"), KeyError("defect")])
@pytest.mark.parametrize("act", ["pack", "hand_over"])
def test_without_an_answer_nothing_is_packed_or_handed_over(placed, bench, act, error):
    bench.outdate()
    placed.platform.errors = {"fetch": [error]}
    [result] = bench.scan(act, "SF0001")
    assert result.became == "unanswered"
    assert placed.states() == ["allocated"]
    assert bench.became(act, "SF0001") == [("done", "")]


def test_a_change_between_the_answer_and_the_scan_is_refused(placed, bench, trade, monkeypatch):
    bench.outdate()
    plain = placed.platform.fetch

    async def fetch(id_):
        raw = await plain(id_)
        placed.deliver(trade(tid="1001", pieces=2, modified="2026-11-22 09:11:00", seller_memo="new"))
        placed.run("normalize")
        return raw

    monkeypatch.setattr(placed.platform, "fetch", fetch)
    assert bench.became("hand_over", "SF0001") == [("refused", "order_changes")]
    assert placed.one("SELECT handed_over_at IS NULL FROM package")


def test_a_hold_between_the_answer_and_the_scan_is_seen(placed, bench, monkeypatch):
    bench.outdate()
    plain = placed.platform.fetch

    async def fetch(id_):
        raw = await plain(id_)
        placed.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
        return raw

    monkeypatch.setattr(placed.platform, "fetch", fetch)
    assert bench.became("hand_over", "SF0001") == [("refused", "order_held")]
    assert placed.one("SELECT handed_over_at IS NULL FROM package")
    assert placed.counters() == (10, 0, 2)


def test_two_people_who_scan_one_package_at_once_move_it_once(placed, bench):
    with ThreadPoolExecutor(2) as both:
        became = list(both.map(lambda _: bench.became("hand_over", "SF0001"), range(2)))
    assert sorted(became) == [[("done", "")], [("unchanged", "")]]
    assert placed.counters() == (8, 0, 0)
    assert placed.one("SELECT count(*) FROM audit") == 1


def test_of_two_packages_each_is_packed_by_its_own_scan(own, trade):
    own.stock(**{"TEE-1": 10})
    own.deliver(trade(tid="1001"), trade(tid="1002"))
    own.flow("label")
    own.run("dispatch")
    own.platform.refunds.add("1002")
    bench = Bench(own)
    bench.outdate()
    waybills = [row[0] for row in own.rows("SELECT s.waybill FROM shipment AS s ORDER BY s.package_id")]
    assert bench.became("pack", *waybills) == [("done", ""), ("refused", "refund_or_change")]
    assert [one.waybill for one in picks(own.db, ["east"], 10).packages] == [waybills[1]]


def test_what_one_package_raises_keeps_no_other_waiting(own, trade, monkeypatch):
    own.stock(**{"TEE-1": 10})
    own.deliver(trade(tid="1001"), trade(tid="1002"))
    own.flow("label")
    own.run("dispatch")

    def fail_once(*given):
        monkeypatch.setattr("ops.verbs.packing.apply_scans", apply_scans)
        raise KeyError("defect")

    monkeypatch.setattr("ops.verbs.packing.apply_scans", fail_once)
    assert Bench(own).became("pack", "SF0001", "SF0002") == [("unanswered", "unexpected_error"), ("done", "")]
    assert own.one("SELECT count(*) FROM package WHERE packed_at IS NOT NULL") == 1
    assert own.one("SELECT count(*) FROM audit") == 1


def test_the_most_urgent_packages_come_first_and_more_are_said_to_be_there(own, trade):
    own.stock(**{"TEE-1": 10})
    own.deliver(trade(tid="1001"), trade(tid="1002"), trade(tid="1003"))
    own.flow("label")
    own.run("dispatch")
    own.rows("UPDATE fulfillment_order SET lane = 'p0' WHERE id = 3")
    own.rows("UPDATE orders SET ship_by = now() + interval '1 hour' * (10 - id)")
    found = picks(own.db, ["east"], 2)
    assert [one.order for one in found.packages] == ["taobao/s1/1003", "taobao/s1/1002"]
    assert found.is_cut
    assert [(wave.lane, len(wave.packages)) for wave in waves(found.packages)] == [("p0", 1), ("bulk", 1)]


def test_a_document_is_looked_up_in_our_own_rows(placed, bench):
    port, reference = placed.tools.warehouses["east"], placed.one("SELECT reference FROM placement")

    def found():
        answer = asyncio.run(port.find(reference))
        return answer and answer.progress

    assert found() is DocumentProgress.TAKEN
    bench.scan("pack", "SF0001")
    assert found() is DocumentProgress.PACKED
    bench.scan("hand_over", "SF0001")
    assert found() is DocumentProgress.HANDED_OVER
    placed.rows("UPDATE placement SET status = 'refused', code = 'short'")
    assert found() is DocumentProgress.REFUSED
    placed.rows("UPDATE placement SET status = 'intended', ended_at = NULL")
    assert found() is None
    assert asyncio.run(port.find("AAAAAAAAAAAAAAAAAAAA-W1-1")) is None


def test_a_stop_is_never_confirmed_by_the_program(placed):
    reference = placed.one("SELECT reference FROM placement")
    assert asyncio.run(placed.tools.warehouses["east"].stop(reference, "")) is Stop.PENDING


def test_a_port_without_rows_says_so_instead_of_none():
    with pytest.raises(Misconfigured, match="documents_missing"):
        asyncio.run(OwnWarehouse().find("AAAAAAAAAAAAAAAAAAAA-W1-1"))


def test_the_location_is_not_polled(placed):
    placed.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
    placed.run("warehouse")
    waits_s = """SELECT extract(epoch FROM w.due_at - now()) FROM work AS w JOIN location AS l ON l.id = w.subject_id
                 WHERE w.step = 'warehouse' AND l.name = 'east'"""
    assert placed.one(waits_s) > 800
    assert placed.one("SELECT read_at IS NOT NULL FROM location WHERE name = 'east'")
