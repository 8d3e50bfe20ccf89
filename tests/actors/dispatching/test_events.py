"""What warehouses tell of documents: packages, waybills, states, short picks, refusals."""

import copy
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from adapters.documents import DocumentPart, EventLine, EventPackage, Taken
from adapters.ports import WarehouseEvent
from domain.errors import Refused
from domain.holds import HoldCode
from infra.engine.author import Author
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from tests.actors.dispatching.conftest import AT, Killed


@pytest.fixture
def dispatched(labelled):
    """One order of two pieces whose document is at a warehouse that does not book."""
    labelled.run("dispatch")
    return labelled


def boxes(merchant):
    return merchant.rows(
        """SELECT s.waybill, p.courier, p.handed_over_at IS NOT NULL,
                  (SELECT json_object_agg(k.line_id, k.quantity) FROM package_line AS k
                   WHERE k.package_id = p.id AND k.quantity > 0)
           FROM package AS p LEFT JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'
           WHERE p.cancelled_at IS NULL ORDER BY p.id"""
    )


def events_of(merchant, kind):
    return [facts for (facts,) in merchant.rows("SELECT facts FROM event WHERE kind = %s ORDER BY id", kind)]


def test_a_warehouse_that_does_not_book_walks_the_order_forward(dispatched, documents, tell):
    tell(("accepted", {}), ("picked", {}))
    assert dispatched.states() == ["in_warehouse"]
    tell(("packed", {"packages": (EventPackage("sf0001 ", "sf"),)}))
    assert dispatched.states() == ["packed"]
    tell(("handed_over", {"is_final": True}))
    assert dispatched.states() == ["in_transit"]
    assert documents.statuses() == ["final"]
    assert boxes(dispatched) == [("SF0001", "sf", True, {"1001": 2})]
    assert dispatched.counters() == (8, 0, 0)
    dispatched.run("writeback")
    assert dispatched.platform.told == ["SF0001"]
    assert documents.breaches() == []


def test_scans_of_our_packages_end_the_document_too(dispatched, documents):
    reference = dispatched.one("SELECT reference FROM shipment")
    dispatched.scan("accepted", reference=reference)
    assert dispatched.one("SELECT heard_at IS NOT NULL FROM placement")
    dispatched.scan("packed", "handed_over", reference=reference)
    assert documents.statuses() == ["final"]


def test_an_event_says_that_the_warehouse_has_it_whatever_became_of_the_call(labelled, documents, tell):
    labelled.warehouse.faults = {"after_place": [Killed()]}
    documents.crash()
    tell(("accepted", {"their_id": "w-7"}))
    assert documents.placements() == [("east", 1, "placed", "", False)]
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.warehouse.asked["place"] == 1
    assert labelled.one("SELECT their_id FROM placement") == "w-7"


def test_a_parcel_that_is_followed_stays_packed_until_its_courier_has_it(dispatched, tell):
    dispatched.courier.can_track = True
    tell(("handed_over", {"is_final": True}))
    assert dispatched.states() == ["packed"]
    assert len(dispatched.due("track")) == 1
    assert [kind for (kind,) in dispatched.rows("SELECT kind FROM event WHERE kind = 'handed_over'")] == ["handed_over"]
    dispatched.rows("DELETE FROM work WHERE step = 'track'")
    tell(("handed_over", {"is_final": True}))
    assert dispatched.due("track") == [], "the same hand-over, told again"
    assert dispatched.states() == ["packed"]


@pytest.mark.parametrize("kind", ["packed", "handed_over"])
def test_a_parcel_under_another_number_is_told_to_nobody(dispatched, tell, kind):
    tell((kind, {"packages": (EventPackage("YT999", "yto"),)}))
    assert dispatched.holds() == ["waybill_contradicts"]
    assert dispatched.due("writeback") == []
    assert dispatched.states() == ["allocated"], "nobody knows whose goods these are"
    assert dispatched.counters() == (10, 0, 2)


def test_another_number_after_the_hand_over_is_a_case(dispatched, tell):
    tell(("handed_over", {"is_final": True}))
    tell(("handed_over", {"packages": (EventPackage("YT999", "yto"),)}))
    assert dispatched.holds() == []
    [(kind, facts)] = dispatched.rows("SELECT kind, facts FROM order_case")
    assert (kind, facts) == ("wrong_waybill", {"waybill": "SF0001", "scanned": "YT999"})
    dispatched.run("writeback")
    assert dispatched.platform.told == [], "the platform is not told a number that may not travel"


def test_route_leads_to_dispatch_where_the_warehouse_books(booking, documents):
    assert booking.rows("SELECT * FROM package") == []
    assert booking.courier.asked == {}
    [[document]] = booking.warehouse.documents.values()
    assert (document.packages, document.courier) == ((), "")
    assert sorted((line.sku, line.quantity) for line in document.lines) == [("CAP-1", 1), ("TEE-1", 2)]
    assert (booking.states(), documents.statuses()) == (["allocated"], ["placed"])
    assert documents.breaches() == []


def test_the_last_check_is_asked_where_no_label_has_asked_it(booking):
    assert booking.platform.asked["fetch"] == 1
    assert booking.one("SELECT checked_at IS NOT NULL FROM placement")


def test_packages_and_waybills_come_from_the_events(booking, documents, tell):
    a = EventPackage("YT1", "yto", 300, (("1001", 2),))
    b = EventPackage("YT2", "yto", 100, (("1002", 1),))
    tell(("packed", {"packages": (a,)}))
    assert boxes(booking) == [("YT1", "yto", False, {"1001": 2})]
    tell(("handed_over", {"packages": (a, b), "is_final": True}))
    assert boxes(booking) == [("YT1", "yto", True, {"1001": 2}), ("YT2", "yto", True, {"1002": 1})]
    assert (booking.states(), documents.statuses()) == (["in_transit"], ["final"])
    assert booking.counters() == (8, 0, 0)
    assert len(booking.due("writeback")) == 2
    for _ in range(3):
        booking.run("writeback")
        documents.fall_due()
    assert sorted(booking.platform.told) == ["YT1", "YT2"]
    assert documents.breaches() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_repeated_and_disordered_events_change_nothing(booking, documents, tell, order):
    a = EventPackage("YT1", "yto", 300, (("1001", 2),))
    b = EventPackage("YT2", "yto", 100, (("1002", 1),))
    told = [
        ("accepted", {}),
        ("handed_over", {"packages": (a,)}),
        ("handed_over", {"packages": (a, b), "is_final": True}),
    ]
    for one in order:
        tell(told[one])
    tell(*(told[one] for one in order))
    assert {waybill: held for waybill, _, _, held in boxes(booking)} == {"YT1": {"1001": 2}, "YT2": {"1002": 1}}
    assert (booking.states(), documents.statuses()) == (["in_transit"], ["final"])
    assert documents.breaches() == []


def test_a_package_that_does_not_add_up_is_a_warning_and_the_lines_rule(booking, documents, tell):
    tell(("handed_over", {"packages": (EventPackage("YT1", "yto", 1, (("1001", 3),)),), "is_final": True}))
    assert boxes(booking) == [("YT1", "yto", True, {"1001": 2})]
    assert events_of(booking, "packages_differ") == [{"pieces": {"1001": 1, "1002": -1}}]
    assert documents.breaches() == []


def test_a_package_without_lines_has_all_that_no_other_claims(booking, tell):
    tell(("handed_over", {"packages": (EventPackage("YT1", "yto"), EventPackage("YT2", "yto")), "is_final": True}))
    assert boxes(booking) == [("YT1", "yto", True, {"1001": 2, "1002": 1}), ("YT2", "yto", True, None)]
    assert len(booking.due("writeback")) == 1, "of what holds nothing, no platform can be told"


def test_a_waybill_that_replaces_one_that_has_left_is_a_case_where_the_warehouse_books(booking, tell):
    tell(("handed_over", {"packages": (EventPackage("YT1", "yto", 1, (("1001", 2), ("1002", 1))),), "is_final": True}))
    tell(("handed_over", {"packages": (EventPackage("YT9", "yto", 1, (("1001", 2), ("1002", 1))),), "is_final": True}))
    assert [waybill for waybill, *_ in boxes(booking)] == ["YT1"]
    [(kind, facts)] = booking.rows("SELECT kind, facts FROM order_case")
    assert (kind, facts) == ("wrong_waybill", {"waybill": "YT1", "scanned": "YT9"})
    booking.run("writeback")
    assert booking.platform.told == []


def test_a_waybill_that_replaces_one_in_the_house_is_a_hold_where_the_warehouse_books(booking, tell):
    tell(("packed", {"packages": (EventPackage("YT1", "yto", 1, (("1001", 2), ("1002", 1))),)}))
    tell(("handed_over", {"packages": (EventPackage("YT9", "yto"),), "is_final": True}))
    assert (booking.states(), booking.holds()) == (["packed"], ["waybill_contradicts"])
    assert booking.due("writeback") == []


def test_a_package_that_holds_nothing_is_told_to_nobody_however_late_it_leaves(booking, tell):
    both = (EventPackage("YT1", "yto"), EventPackage("YT2", "yto"))
    tell(("packed", {"packages": both}))
    tell(("handed_over", {"packages": both, "is_final": True}))
    assert len(booking.due("writeback")) == 1


@pytest.mark.parametrize("shows_first", [False, True])
def test_a_divided_line_is_told_by_its_pieces_and_never_counts_as_shipped_elsewhere(
    booking, documents, tell, shows_first
):
    handovers = []
    write_back, status = booking.platform.write_back, booking.platform.status

    async def told(handover):
        handovers.append((handover.waybill, dict(handover.lines), handover.divided, handover.completes))
        await write_back(handover)

    async def one_number_a_line(platform_order_id):
        found = await status(platform_order_id)
        first = [one for one in found.shipments if one.waybill != "YT2"]
        return replace(found, shipments=tuple(first)) if shows_first else found

    booking.platform.write_back, booking.platform.status = told, one_number_a_line
    a = EventPackage("YT1", "yto", 300, (("1001", 1), ("1002", 1)))
    b = EventPackage("YT2", "yto", 100, (("1001", 1),))
    tell(("handed_over", {"packages": (a, b), "is_final": True}))
    for _ in range(3):
        booking.run("writeback")
        documents.fall_due()
    part, none = frozenset({"1001"}), frozenset()
    assert handovers == [("YT1", {"1001": 1, "1002": 1}, part, none), ("YT2", {"1001": 1}, part, part)]
    assert booking.rows("SELECT status FROM writeback") == [("confirmed",), ("confirmed",)]
    assert booking.holds() == []
    facts = [one["shown_as"] for one in events_of(booking, "writeback_done") if "shown_as" in one]
    assert facts == (["YT1"] if shows_first else [])


def test_a_line_that_its_platform_shows_whole_under_one_of_our_numbers_is_ours(booking, tell, trade):
    a, b = EventPackage("YT1", "yto", 1, (("1001", 1), ("1002", 1))), EventPackage("YT2", "yto", 1, (("1001", 1),))
    tell(("packed", {"packages": (a, b)}))
    [shown] = booking.platform.trades.values()
    lines = copy.deepcopy(shown["orders"]["order"])
    lines[0] |= {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "YT1", "logistics_company": "圆通速递"}
    booking.deliver({**shown, "modified": "2026-11-22 12:00:00", "orders": {"order": lines}})
    booking.run("normalize")
    assert (booking.holds(), booking.states()) == ([], ["packed"])
    assert booking.rows("SELECT planned, elsewhere FROM order_line ORDER BY line_id") == [(2, 0), (1, 0)]


def test_a_stop_of_a_held_order_was_wanted_and_needs_no_second_hold(dispatched, documents, tell):
    order = dispatched.one("SELECT id FROM orders")
    author = Author("li", "the buyer called")
    hold(dispatched.db, order, HoldCode.MANUAL, author)
    tell(("stopped", {}))
    assert (documents.statuses(), dispatched.holds()) == (["stopped"], ["manual"])
    tell(("stopped", {}))
    release(dispatched.db, order, HoldCode.MANUAL, author)
    dispatched.run("dispatch")
    assert documents.statuses() == ["stopped", "placed"]


def test_a_stop_that_is_told_after_the_hand_over_changes_nothing(dispatched, documents, tell):
    tell(("handed_over", {"is_final": True}))
    tell(("stopped", {}))
    assert (documents.statuses(), dispatched.states(), dispatched.holds()) == (["final"], ["in_transit"], [])
    assert [one["code"] for one in events_of(dispatched, "scan_contradicts")] == ["stopped_by_warehouse"]


def test_an_unknown_courier_is_kept_as_text_and_the_write_back_holds(booking, tell):
    tell(("handed_over", {"packages": (EventPackage("Q1", "Quick Parcel"),), "is_final": True}))
    assert boxes(booking)[0][1] == "Quick Parcel"
    booking.platform.errors = {"tell": [Refused("courier_unmapped", "no code for Quick Parcel")]}
    booking.run("writeback")
    assert booking.holds() == ["writeback_refused"]


def test_a_refusal_after_it_was_taken_goes_the_same_way(dispatched, documents, tell):
    dispatched.stock("west", **{"TEE-1": 10})
    tell(("accepted", {}), ("refused", {"code": "short"}))
    assert (dispatched.states(), documents.placements()) == (["approved"], [("east", 1, "refused", "short", False)])
    for step in ("route", "void", "label", "dispatch"):
        dispatched.run(step)
    assert documents.placements()[1] == ("west", 2, "placed", "", False)
    assert (dispatched.holds(), documents.breaches()) == ([], [])
    tell(("handed_over", {"reference": dispatched.one("SELECT min(reference) FROM shipment")}))
    assert dispatched.rows("SELECT kind FROM order_case") == [("moved_though_stopped",)]
    assert "shipped_elsewhere" in dispatched.holds(), "the refused parcel has left all the same"
    assert dispatched.states() == ["allocated"]


def test_a_short_pick_that_is_not_final_is_noted_only(dispatched, documents, tell):
    tell(("short", {"code": "short", "lines": (EventLine("1001", "TEE-1", 2, 1),)}))
    assert events_of(dispatched, "warehouse_short") == [{"code": "short", "short": {"1001": 1}}]
    assert (dispatched.states(), documents.statuses()) == (["allocated"], ["placed"])
    assert dispatched.counters() == (10, 0, 2)


@pytest.mark.parametrize("left_first", [False, True])
def test_the_rest_of_a_final_short_pick_goes_on_as_its_own_part(dispatched, documents, tell, left_first):
    dispatched.stock("west", **{"TEE-1": 10})
    short = {"code": "short", "lines": (EventLine("1001", "TEE-1", 2, 1),), "is_final": True}
    if left_first:
        tell(("handed_over", {}))
        tell(("short", short))
    else:
        tell(("handed_over", short))
    assert dispatched.states() == ["in_transit", "paid"]
    assert boxes(dispatched) == [("SF0001", "sf", True, {"1001": 1})]
    assert dispatched.rows("SELECT fulfillment_order_id, quantity FROM fulfillment_line ORDER BY 1") == [(1, 1), (2, 1)]
    assert documents.here("east") == (0, 0)
    assert documents.breaches() == []
    for step in ("reserve", "review", "route", "label", "dispatch"):
        dispatched.run(step)
    assert dispatched.states() == ["in_transit", "allocated"]
    assert documents.placements()[1] == ("west", 1, "placed", "", False)
    assert documents.breaches() == []


def test_a_document_of_which_nothing_was_found_is_refused(dispatched, documents, tell):
    dispatched.stock("west", **{"TEE-1": 10})
    tell(("short", {"lines": (EventLine("1001", "TEE-1", 2, 0),), "is_final": True}))
    assert documents.placements() == [("east", 1, "refused", "short", False)]
    assert dispatched.states() == ["approved"]


def test_a_stop_that_nobody_asked_for_is_for_a_person_and_its_release_places_anew(dispatched, documents, tell):
    tell(("stopped", {}))
    assert (dispatched.states(), dispatched.holds()) == (["on_hold"], ["dispatch_error"])
    assert documents.statuses() == ["stopped"]
    released = release(dispatched.db, 1, HoldCode.DISPATCH_ERROR, Author("mei", "asked them"))
    assert (released.state, released.due) == ("allocated", ("dispatch",))
    dispatched.run("dispatch")
    assert documents.placements()[1] == ("east", 2, "placed", "", False)


def test_what_a_warehouse_that_books_has_stopped_is_placed_anew_too(booking, documents, tell):
    """Once drawn: the released order had no due work, because it has no package of ours yet."""
    tell(("stopped", {}))
    released = release(booking.db, 1, HoldCode.DISPATCH_ERROR, Author("mei", "asked them"))
    assert (released.state, released.due) == ("allocated", ("dispatch",))
    booking.run("dispatch")
    assert documents.placements() == [("east", 1, "stopped", "", False), ("east", 2, "placed", "", False)]
    assert documents.breaches() == []


def test_events_during_a_hold_wait_for_its_end_with_all_they_tell(booking, documents, tell):
    booking.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    tell(("packed", {"packages": (EventPackage("YT1", "yto", 300, (("1001", 2), ("1002", 1))),)}))
    assert boxes(booking) == []
    booking.rows("UPDATE fulfillment_order SET state = 'allocated', resume_state = NULL")
    tell()
    assert boxes(booking) == [("YT1", "yto", False, {"1001": 2, "1002": 1})]
    assert booking.states() == ["packed"]
    assert booking.rows("SELECT * FROM early_scan") == []


def test_a_document_cut_into_parts_is_final_with_the_last_part(take_orders, trade, documents, tell):
    merchant = take_orders(books_waybill=True, splits=True)
    merchant.stock(**{"TEE-1": 10})
    merchant.warehouse.answers["place"] = [
        Taken("w-1", (DocumentPart("w-1-a", (("1001", 1),)), DocumentPart("w-1-b", (("1001", 1),))))
    ]
    merchant.deliver(trade(tid="1001", pieces=2))
    merchant.flow("label")
    merchant.run("dispatch")
    for part, waybill in (("w-1-a", "YT1"), ("w-1-b", "YT2")):
        assert documents.statuses() == ["placed"]
        lines = (EventLine("1001", "TEE-1", 1, 1),)
        package = EventPackage(waybill, "yto", 1, (("1001", 1),))
        tell(("handed_over", {"their_id": part, "packages": (package,), "lines": lines, "is_final": True}))
    assert documents.statuses() == ["final"]
    assert [held for *_, held in boxes(merchant)] == [{"1001": 1}, {"1001": 1}]
    assert documents.breaches() == []


def test_a_document_that_nobody_knows_waits_among_the_early_scans(merchant, tell):
    tell(("accepted", {"reference": "A" * 20 + "-W1-1"}))
    assert merchant.one("SELECT count(*) FROM early_scan") == 1


def test_events_of_the_document_and_of_its_package_on_one_page_walk_the_order_once(dispatched, documents, tell):
    package = {"reference": dispatched.one("SELECT reference FROM shipment")}
    tell(("accepted", {}), ("packed", package), ("accepted", package), ("handed_over", package))
    assert (dispatched.states(), documents.statuses()) == (["in_transit"], ["final"])
    moves = dispatched.rows("SELECT from_state, to_state FROM event WHERE kind = 'warehouse_moved' ORDER BY id")
    assert moves == [("allocated", "in_warehouse"), ("in_warehouse", "packed"), ("packed", "in_transit")]
    assert documents.breaches() == []


def test_what_leaves_without_a_number_is_for_a_person_until_its_packages_are_told(booking, documents, tell):
    tell(("handed_over", {}))
    assert (booking.states(), booking.holds()) == (["allocated"], ["waybill_contradicts"])
    tell(("handed_over", {"packages": (EventPackage("YT1", "yto"),), "is_final": True}))
    assert booking.states() == ["in_transit"]
    assert documents.breaches() == []


WAITS = """SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"""


def test_a_page_about_documents_and_packages_locks_its_orders_in_id_order(told, trade):
    """In two goes it would hold the later order while it waits for the earlier one: a deadlock with other steps."""
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001"), trade(tid="1002"))
    told.flow("label")
    told.run("dispatch")
    earlier, later = [row[0] for row in told.rows("SELECT id FROM fulfillment_order ORDER BY id")]
    [[document]] = told.rows("SELECT reference FROM placement WHERE fulfillment_order_id = %s", later)
    [[package]] = told.rows(
        """SELECT s.reference FROM shipment AS s JOIN package AS p ON p.id = s.package_id
           WHERE p.fulfillment_order_id = %s""",
        earlier,
    )
    told.warehouse.scans += [
        WarehouseEvent("d1", document, "", "accepted", AT),
        WarehouseEvent("d2", package, "", "packed", AT),
    ]
    told.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
    lock = "SELECT id FROM fulfillment_order WHERE id = %s FOR UPDATE"
    with ThreadPoolExecutor(1) as crowd:
        with told.db.transaction() as tx:
            tx.execute(lock.encode(), [earlier])
            reading = crowd.submit(told.run, "warehouse")
            while not told.rows(WAITS):
                assert not reading.done(), reading.result()
            assert told.rows(f"{lock} SKIP LOCKED", later) == [(later,)]
        reading.result()
    assert told.states() == ["packed", "in_warehouse"]
