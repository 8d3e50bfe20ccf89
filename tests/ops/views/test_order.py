import io
from itertools import pairwise

import msgspec
import pytest
from rich.console import Console

from infra.tables.unreadable import EntrySource, UnreadableEntry, note_unreadable
from ops.faces.terminal.order import print_order
from ops.faces.terminal.words import WORDS
from ops.views.order import view_order


@pytest.fixture
def shipped(played):
    return view_order(played.db, played.ids("packed")[0])


@pytest.fixture
def held(played):
    return view_order(played.db, played.ids("on_hold")[0])


def test_a_shipped_order_shows_every_dimension(shipped) -> None:
    (package,) = shipped.packages
    (shipment,) = package.shipments
    assert shipment.status == "booked"
    assert shipment.waybill.startswith("SF")
    assert package.writeback == "confirmed"
    assert [notice.status for notice in package.notices] == ["told"]
    assert package.handed_over_at is not None
    assert [work.step for work in shipped.work] == ["track"]
    assert shipped.open_holds == ()


def test_the_timeline_tells_the_whole_way_in_order(shipped) -> None:
    steps = [event.step for event in shipped.timeline]
    assert steps[:6] == ["pull", "normalize", "reserve", "review", "route", "label"]
    assert {"warehouse", "writeback", "notify"} <= set(steps)
    moves = [(event.from_state, event.to_state) for event in shipped.timeline if event.to_state]
    assert moves[0] == ("paid", "approved")
    assert moves[-1] == ("in_warehouse", "packed")
    assert [event.kind for event in shipped.timeline if event.step == "warehouse"][-1] == "handed_over"
    assert all(after[0] == before[1] for before, after in pairwise(moves))
    assert [event.at for event in shipped.timeline] == sorted(event.at for event in shipped.timeline)


def test_lines_and_sums_are_those_of_the_order(played, shipped) -> None:
    order = played.order(shipped.id)
    assert shipped.sums["payable"] == order.totals.payable
    assert [(line.sku, line.quantity, line.paid) for line in shipped.lines] == [
        (line.sku, line.quantity, line.paid) for line in order.lines
    ]


def test_a_hold_names_its_owner_its_due_time_and_its_reason(held) -> None:
    for hold in held.open_holds:
        assert hold.owner
        assert hold.due_at > hold.opened_at
        assert WORDS.meaning(hold.code)
    assert held.open_holds
    assert any(event.kind == "hold_opened" for event in held.timeline)


def test_a_scan_that_could_not_be_read_is_shown_with_its_order(played, shipped) -> None:
    reference = shipped.packages[0].shipments[0].reference
    entry = UnreadableEntry(3, "field_invalid", "events[3].at", reference)
    with played.db.transaction() as tx:
        note_unreadable(tx, EntrySource.SCAN, "warehouse/east", [entry])
    try:
        view = view_order(played.db, shipped.id)
        text = Console(record=True, width=160, file=io.StringIO())
        print_order(view, text)
    finally:
        with played.db.transaction() as tx:
            tx.execute("DELETE FROM unreadable_entry")
    (scan,) = view.unreadable_scans
    assert (scan.position, scan.code, scan.owner) == (3, "field_invalid", "warehouse")
    assert "warehouse/east events[3].at: field_invalid" in text.export_text()


# Who released a hold, in which role, and whom the timeline names. Without a role an earlier version released it.
RELEASES = [
    ("mei", "operator", "person"),
    ("review", "operator", "person"),
    ("engine", "admin", "person"),
    ("review", "machine", "rules"),
    ("engine", "machine", "rules"),
    ("mei", None, "person"),
    ("review", None, "rules"),
]


@pytest.mark.parametrize(("by", "role", "cause"), RELEASES)
def test_a_released_hold_stays_on_the_timeline_as_of_the_role_that_released_it(played, held, by, role, cause) -> None:
    with played.db.transaction() as tx:
        tx.execute(
            "UPDATE hold SET released_at = now(), released_by = %s, released_role = %s WHERE fulfillment_order_id = %s",
            [by, role, held.fulfillment[0].id],
        )
    try:
        view = view_order(played.db, held.id)
    finally:
        with played.db.transaction() as tx:
            tx.execute(
                "UPDATE hold SET released_at = NULL, released_by = NULL, released_role = NULL"
                " WHERE fulfillment_order_id = %s",
                [held.fulfillment[0].id],
            )
    assert view.open_holds == ()
    last = view.timeline[-1]
    assert (last.kind, last.cause) == ("hold_released", cause)
    assert last.facts["by"] == by


def test_due_work_and_open_dead_letters_of_every_subject_are_found(played, shipped) -> None:
    package, notice = shipped.packages[0].id, shipped.packages[0].notices[0].id
    planted = [("review", shipped.fulfillment[0].id), ("writeback", package), ("notify", notice)]
    with played.db.transaction() as tx:
        for step, subject_id in planted:
            tx.execute("INSERT INTO work (step, subject_id, lane) VALUES (%s, %s, 'p1')", [step, subject_id])
        tx.execute(
            "INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes,"
            " owner, due_at) VALUES ('writeback', %s, 'p1', '', 'gone', 'f', '[]', 8, 0, 'engineering', now())",
            [package],
        )
    try:
        view = view_order(played.db, shipped.id)
    finally:
        with played.db.transaction() as tx:
            tx.execute("DELETE FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track')")
            tx.execute("DELETE FROM dead_letter")
    assert sorted((work.step, work.subject_id) for work in view.work) == sorted([*planted, ("track", package)])
    assert [(letter.step, letter.code, letter.attempts) for letter in view.dead_letters] == [("writeback", "gone", 8)]


def test_the_receiver_is_masked_in_every_form(played, shipped) -> None:
    name, phone, detail, buyer, memo = (
        "欧阳娜娜",
        "13812345678",
        "世纪大道1号金茂大厦88楼",
        "buyer-canary",
        "叫我13812345678",
    )
    with played.db.transaction() as tx:
        before = tx.execute("SELECT name, phone, detail FROM receiver WHERE order_id = %s", [shipped.id]).fetchone()
        tx.execute(
            "UPDATE receiver SET name = %s, phone = %s, detail = %s WHERE order_id = %s",
            [name, phone, detail, shipped.id],
        )
        tx.execute("UPDATE orders SET buyer_id = %s, buyer_memo = %s WHERE id = %s", [buyer, memo, shipped.id])
    try:
        view = view_order(played.db, shipped.id)
    finally:
        with played.db.transaction() as tx:
            tx.execute(
                "UPDATE receiver SET name = %s, phone = %s, detail = %s WHERE order_id = %s", [*before, shipped.id]
            )
    shown = msgspec.json.encode(view).decode() + repr(view)
    assert view.receiver.name == "欧*"
    assert view.receiver.phone == "138********"
    for secret in (name, name[1:], phone, phone[3:], phone[-4:], detail, buyer, memo):
        assert secret not in shown
    assert view.buyer_memo_chars == len(memo)


def test_as_json_times_carry_their_zone_and_money_its_currency(shipped) -> None:
    tree = msgspec.json.decode(msgspec.json.encode(shipped))
    assert tree["sums"]["payable"] == {"minor": shipped.sums["payable"].minor, "currency": "CNY"}
    assert tree["placed_at"].endswith(("Z", "+00:00"))


def test_a_change_that_could_not_be_fetched_is_shown(played, shipped) -> None:
    assert shipped.gaps == ()
    with played.db.transaction() as tx:
        tx.execute(
            "INSERT INTO pull_gap (shop_id, platform_order_id, changed_at, error, tries)"
            " SELECT s.id, o.platform_order_id, now(), 'http_503', 4 FROM orders AS o"
            " JOIN shop AS s ON s.account = o.platform || '/' || o.shop WHERE o.id = %s",
            [shipped.id],
        )
    [gap] = view_order(played.db, shipped.id).gaps
    assert (gap.error, gap.tries) == ("http_503", 4)
    with played.db.connection() as connection:
        connection.execute("DELETE FROM pull_gap")
