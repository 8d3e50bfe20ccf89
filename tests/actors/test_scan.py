from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from adapters.ports import WarehouseEvent
from domain.errors import Transient
from infra.config.directory import directory_of


@pytest.fixture
def booked(make_merchant, trade):
    def booked(ship_on="handover"):
        merchant = make_merchant(ship_on=ship_on)
        merchant.stock(**{"TEE-1": 10})
        merchant.deliver(trade(tid="1001", pieces=2))
        merchant.flow("label")
        return merchant

    return booked


def test_scans_walk_the_order_forward(booked):
    merchant = booked()
    for kind, state in (("accepted", "in_warehouse"), ("packed", "packed"), ("handed_over", "in_transit")):
        merchant.scan(kind)
        assert merchant.states() == [state]
    assert merchant.rows("SELECT packed_at < handed_over_at FROM package") == [(True,)]
    assert merchant.rows("SELECT after, body FROM warehouse_page ORDER BY id") == [
        ("", b"page"),
        ("1", b"page"),
        ("2", b"page"),
    ]


def test_a_hand_over_takes_the_pieces_off_both_levels_once(booked):
    merchant = booked()
    merchant.scan("handed_over", "handed_over")
    merchant.scan("handed_over")
    assert merchant.counters() == (8, 0, 0)
    assert merchant.rows("SELECT on_hand, allocated FROM stock_location") == [(8, 0)]
    assert merchant.rows("SELECT reservation FROM fulfillment_order") == [("consumed",)]


def test_one_scan_walks_the_states_that_were_missed(booked):
    merchant = booked()
    merchant.scan("handed_over")
    moves = merchant.rows("SELECT from_state, to_state FROM event WHERE kind = 'warehouse_moved' ORDER BY id")
    assert moves == [("allocated", "in_warehouse"), ("in_warehouse", "packed"), ("packed", "in_transit")]


def test_late_and_repeated_scans_change_nothing(booked):
    merchant = booked()
    merchant.scan("packed")
    merchant.scan("accepted", "packed")
    assert merchant.states() == ["packed"]
    assert merchant.holds() == []


@pytest.mark.parametrize(
    ("ship_on", "scan", "due"),
    [
        ("handover", "packed", 0),
        ("handover", "handed_over", 1),
        ("packed", "packed", 1),
        ("packed", "accepted", 0),
    ],
)
def test_the_platform_hears_when_its_shop_says(booked, ship_on, scan, due):
    merchant = booked(ship_on)
    merchant.scan(scan)
    assert len(merchant.due("writeback")) == due


def test_a_shop_that_ships_on_label_has_heard_already(booked):
    merchant = booked("label")
    merchant.run("writeback")
    merchant.scan("handed_over")
    assert merchant.due("writeback") == []
    assert len(merchant.due("notify")) == 1


def test_the_buyer_is_to_be_told_once(booked):
    merchant = booked()
    merchant.scan("handed_over")
    merchant.scan("handed_over")
    assert merchant.one("SELECT count(*) FROM notice") == 1


def test_a_package_that_left_against_a_hold_is_for_a_person(booked):
    merchant = booked()
    merchant.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    merchant.scan("packed")
    assert merchant.rows("SELECT facts->>'code' FROM event WHERE kind = 'scan_contradicts'") == [("moved_while_held",)]
    assert merchant.holds() == []
    merchant.scan("handed_over")
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["shipped_elsewhere"])
    assert merchant.due("writeback") == []


def test_what_was_scanned_during_a_hold_counts_after_its_release(booked):
    merchant = booked()
    merchant.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    merchant.scan("packed", "handed_over")
    merchant.scan()
    assert merchant.one("SELECT count(*) FROM event WHERE step = 'warehouse' AND kind = 'hold_opened'") == 1
    merchant.rows("UPDATE fulfillment_order SET state = 'allocated', resume_state = NULL")
    merchant.scan()
    assert merchant.states() == ["in_transit"]
    assert len(merchant.due("writeback")) == 1
    assert merchant.rows("SELECT * FROM early_scan") == []


def test_a_scan_that_overtook_its_label_is_kept_and_applied_later(booked):
    merchant = booked()
    merchant.rows("UPDATE shipment SET status = 'intended', waybill = NULL, booked_at = NULL")
    merchant.scan("accepted")
    assert merchant.states() == ["allocated"]
    merchant.rows("UPDATE shipment SET status = 'booked', waybill = 'SF0001', booked_at = now()")
    merchant.scan()
    assert merchant.states() == ["in_warehouse"]
    assert merchant.rows("SELECT * FROM early_scan") == []


def test_scans_of_nobodys_package_do_not_stand_in_the_way(booked):
    merchant = booked()
    merchant.rows(
        """INSERT INTO early_scan (event_id, location, reference, waybill, kind, at)
           SELECT 'old' || n, 'east', 'FOREIGN-' || n, '', 'packed', now() - interval '1 day'
           FROM generate_series(1, %s) AS n""",
        1500,
    )
    merchant.rows("UPDATE shipment SET status = 'intended', waybill = NULL, booked_at = NULL")
    merchant.scan("accepted")
    merchant.rows("UPDATE shipment SET status = 'booked', waybill = 'SF0001', booked_at = now()")
    merchant.scan()
    assert merchant.states() == ["in_warehouse"]


def test_pages_are_read_until_none_is_left_and_the_cursor_is_kept(booked):
    merchant = booked()
    merchant.warehouse.page_size = 1
    merchant.scan("accepted", "packed", "handed_over")
    assert merchant.states() == ["in_transit"]
    assert merchant.rows("SELECT feed_cursor FROM location WHERE name = 'east'") == [("3",)]


def test_a_page_that_somebody_else_applied_is_not_applied_again(booked):
    merchant = booked()
    known = merchant.warehouse.events

    async def overtaken(cursor):
        page = await known(cursor)
        merchant.rows("UPDATE location SET feed_cursor = '99' WHERE name = 'east'")
        return page

    merchant.warehouse.events = overtaken
    merchant.scan("packed")
    assert merchant.states() == ["allocated"]
    assert merchant.rows("SELECT * FROM warehouse_page") == []


@pytest.mark.parametrize("error", [Transient("down"), ZeroDivisionError()])
def test_a_feed_is_never_given_up(booked, error):
    merchant = booked()
    merchant.warehouse.errors = [error] * 12
    for _ in range(12):
        merchant.scan()
    read_at = "SELECT read_at FROM location WHERE name = 'east'"
    assert (merchant.letters(), merchant.one(read_at)) == ([], None)
    merchant.scan("accepted")
    assert merchant.states() == ["in_warehouse"]
    assert merchant.one(read_at) is not None


def test_without_channels_nobody_is_told(booked):
    merchant = booked()

    step = merchant.runners["warehouse"].step
    object.__setattr__(step.tools, "directory", directory_of(replace(merchant.settings, channels=())))
    merchant.scan("handed_over")
    assert merchant.rows("SELECT * FROM notice") == []


def scan_naming(merchant, waybill, kind="handed_over"):
    reference = merchant.one("SELECT reference FROM shipment")
    number = f"n{len(merchant.warehouse.scans)}"
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    merchant.warehouse.scans.append(WarehouseEvent(number, reference, waybill, kind, at))
    merchant.scan()


@pytest.mark.parametrize("ship_on", ["handover", "packed"])
def test_a_scan_that_names_another_waybill_moves_nothing_and_tells_nobody(booked, ship_on):
    merchant = booked(ship_on)
    for _ in range(2):
        scan_naming(merchant, "SF9999")
    assert (merchant.states(), merchant.holds()) == (["allocated"], ["waybill_contradicts"])
    assert merchant.rows("SELECT owner, facts ->> 'waybill', facts ->> 'scanned' FROM hold") == [
        ("logistics", "SF0001", "SF9999")
    ]
    assert (merchant.due("writeback"), merchant.due("notify")) == ([], [])
    assert merchant.rows("SELECT * FROM early_scan") == []


def test_words_in_the_place_of_a_waybill_are_not_repeated(booked):
    merchant = booked()
    scan_naming(merchant, "林小满 13877776666")
    assert merchant.rows("SELECT facts ->> 'scanned' FROM hold") == [("not a waybill number",)]
    assert merchant.rows("SELECT 1 FROM event WHERE facts::text LIKE '%%1387%%'") == []


@pytest.mark.parametrize("waybill", ["SF0001", "", "sf 0001"])
def test_control_a_scan_of_our_waybill_or_of_none_moves_it(booked, waybill):
    merchant = booked()
    scan_naming(merchant, waybill)
    assert (merchant.states(), merchant.holds()) == (["in_transit"], [])
    assert len(merchant.due("writeback")) == 1


@pytest.mark.parametrize("kind", ["printed", "picked", "checked"])
def test_work_on_a_document_shows_that_the_warehouse_has_it(booked, kind):
    merchant = booked()
    scan_naming(merchant, "", kind)
    assert merchant.states() == ["in_warehouse"]


@pytest.mark.parametrize("reference", ["ours", "nobody's"])
def test_an_event_of_an_unknown_kind_changes_nothing_and_waits_for_nobody(booked, reference):
    merchant = booked()
    if reference == "ours":
        reference = merchant.one("SELECT reference FROM shipment")
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    merchant.warehouse.scans.append(WarehouseEvent("n1", reference, "", "other", at, code="repacked"))
    merchant.scan("packed")
    assert (merchant.states(), merchant.holds()) == (["packed"], [])
    assert merchant.rows("SELECT * FROM early_scan") == []
    assert merchant.one("SELECT count(*) FROM warehouse_page") == 1, "what was told is kept as it came"


def test_control_an_event_of_a_known_kind_waits_for_its_package(booked):
    merchant = booked()
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    merchant.warehouse.scans.append(WarehouseEvent("n1", "nobody's", "", "packed", at))
    merchant.scan()
    assert merchant.rows("SELECT event_id FROM early_scan") == [("n1",)]
