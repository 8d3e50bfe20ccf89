from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger import (
    CourierRecord,
    DocumentRecord,
    LineSum,
    OtherLedgers,
    OurLedger,
    PackageRecord,
    PartRecord,
    PlatformLine,
    PlatformRecord,
    PlatformWriteback,
    StockRecord,
)
from domain.ledger_check import Verdict, compare_ledgers
from domain.ledger_lines import contradictions_of_line
from domain.states import State

KEY = ("s1", "1001")
OTHER = ("s2", "1002")
REFERENCE, SECOND = "AAAAAAAAAAAAAAAAAAAA-1-1", "AAAAAAAAAAAAAAAAAAAA-2-1"
SKUS = {(KEY, "l1"): "A", (KEY, "l2"): "B", (KEY, "l3"): "C"}
SOLD = {"l1": 5, "l2": 2, "l3": 1}


def part(key=KEY, state=State.IN_TRANSIT, holds=(), *, dead=False, packages=1, written_back=1, untold=0):
    return PartRecord(key, state, holds, dead, packages, written_back, untold)


def box(waybill="SF1", lines=None, *, told=True):
    return PackageRecord(KEY, waybill, {"l1": 1} if lines is None else lines, told)


def ours(*parts, unread=(), boxes=None, pieces=None, lines=None, not_ours=(), kept_out=()):
    by_key = {}
    for one in parts:
        by_key.setdefault(one.key, []).append(one)
    return OurLedger(
        parts=by_key,
        unread=frozenset(unread),
        booked={REFERENCE: box()} if boxes is None else boxes,
        pieces=pieces or {"A": 1},
        lines={KEY: {"l1": LineSum(1, 1)} if lines is None else lines},
        skus=SKUS,
        not_ours=frozenset(not_ours),
        kept_out=frozenset(kept_out),
    )


def line(line_id="l1", quantity=1, told=("SF1",), **given):
    return PlatformLine(line_id, quantity, tuple(PlatformWriteback(waybill, 100.0) for waybill in told), **given)


@pytest.mark.parametrize(("parts", "wrong"), [((1, 1), []), ((1, 2), ["told 2 times"]), ((1, None), ["told 2 times"])])
def test_a_line_may_be_told_in_parts_up_to_its_pieces(parts, wrong):
    told = tuple(PlatformWriteback(f"SF{number}", 100.0, part) for number, part in enumerate(parts))
    one = PlatformLine("l1", 2, told)
    assert [said for said in contradictions_of_line(one, (), is_looked_at=True) if "times" in said] == wrong


def ordered(*lines, key=KEY, group="g1"):
    return PlatformRecord(key, group, lines or (line(),))


def carried(waybill="SF1", reference=REFERENCE, *, alive=True, pieces=None):
    return CourierRecord(reference, waybill, alive, pieces)


def theirs(*orders, carriers=None, stocked=None):
    return OtherLedgers(
        orders or (ordered(),), (carried(),) if carriers is None else carriers, stocked or {"A": StockRecord(10, 1)}
    )


def split_ours(**changes):
    """Our side of an order of 5, 2 and 1 pieces in two packages."""
    boxes = {REFERENCE: box("SF1", {"l1": 5, "l3": 1}), SECOND: box("SF2", {"l2": 2})}
    given = {"boxes": boxes, "lines": {line_id: LineSum(count, count) for line_id, count in SOLD.items()}}
    return ours(part(), part(), **given | changes)


def split_theirs(l2=None, **changes):
    """Their side of it; `l2` is the line of two pieces."""
    lines = (line("l1", 5), l2 or line("l2", 2, ("SF2",)), line("l3", 1))
    carriers = (carried(pieces={"A": 5, "C": 1}), carried("SF2", SECOND, pieces={"B": 2}))
    return theirs(ordered(*lines), **{"carriers": carriers} | changes)


def verdict(our_side, their_side=None):
    comparison = compare_ledgers(our_side, their_side or theirs())
    [[found, count]] = comparison.verdicts.items()
    assert count == comparison.orders == 1
    return found


def test_an_order_that_all_ledgers_show_is_done_and_they_agree():
    comparison = compare_ledgers(ours(part()), theirs())
    assert comparison.verdicts == {Verdict.DONE: 1}
    assert comparison.agrees
    assert (comparison.lost, comparison.oversold, comparison.duplicate_waybills) == (0, 0, 0)


def test_a_split_order_that_all_ledgers_show_is_one_done_order():
    comparison = compare_ledgers(split_ours(), split_theirs())
    assert comparison.contradictions == ()
    assert comparison.verdicts == {Verdict.DONE: 1}
    assert comparison.agrees


@pytest.mark.parametrize(
    ("our_part", "expected"),
    [
        (part(dead=True), Verdict.DEAD),
        (part(state=State.CLOSED, packages=0, written_back=0), Verdict.CLOSED),
        (part(state=State.ON_HOLD, holds=("platform_hold",), packages=0, written_back=0), Verdict.HELD),
        (part(state=State.PENDING_PAYMENT, packages=0, written_back=0), Verdict.UNPAID),
        (part(state=State.ALLOCATED, written_back=0), Verdict.OPEN),
        (part(packages=2), Verdict.OPEN),
        (part(untold=1), Verdict.OPEN),
        (part(packages=0, written_back=0), Verdict.OPEN),
    ],
)
def test_where_a_part_stands(our_part, expected):
    assert verdict(ours(our_part)) is expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (part(), Verdict.DONE),
        (part(written_back=0), Verdict.OPEN),
        (part(state=State.ON_HOLD, holds=("stock_conflict",), packages=0, written_back=0), Verdict.HELD),
        (part(dead=True), Verdict.DEAD),
        # What was closed left nothing behind: the other part decides.
        (part(state=State.CLOSED, packages=0, written_back=0), Verdict.DONE),
    ],
)
def test_an_order_with_two_fulfillment_orders_is_as_the_worse_one(second, expected):
    for parts in ((part(), second), (second, part())):
        assert verdict(ours(*parts)) is expected


def test_holds_of_all_parts_count():
    holds = [part(state=State.ON_HOLD, holds=(code,), packages=0, written_back=0) for code in ("a", "b")]
    assert compare_ledgers(ours(*holds), theirs()).held_by_code == {"a": 1, "b": 1}


def test_an_order_that_nobody_works_on_is_open():
    assert verdict(replace(ours(boxes={}), parts={KEY: []})) is Verdict.OPEN


def test_an_order_that_we_do_not_have_is_lost_and_an_unread_one_is_dead():
    untold = theirs(ordered(line(told=())), carriers=())
    assert verdict(ours(boxes={}), untold) is Verdict.LOST
    assert verdict(ours(unread=[KEY], boxes={}), untold) is Verdict.DEAD
    assert not compare_ledgers(ours(boxes={}), untold).agrees


@pytest.mark.parametrize("state", [State.PAID, State.CLOSED])
def test_what_is_not_ours_is_counted_apart(state):
    waiting = part(state=state, packages=0, written_back=0)
    elsewhere = theirs(ordered(line(told=(), is_merchants=False, gone_at=5.0)), carriers=())
    comparison = compare_ledgers(ours(waiting, boxes={}, not_ours=[KEY]), elsewhere)
    assert comparison.verdicts == {Verdict.NOT_OURS: 1}
    assert comparison.agrees
    held = part(state=State.ON_HOLD, holds=("platform_hold",), packages=0, written_back=0)
    assert verdict(ours(held, boxes={}, not_ours=[KEY]), elsewhere) is Verdict.HELD


def test_what_another_system_ships_is_counted_apart_and_has_no_label():
    closed = part(state=State.CLOSED, packages=0, written_back=0)
    waited_for = theirs(ordered(line(told=(), is_wanted=True)), carriers=())
    comparison = compare_ledgers(ours(closed, boxes={}, kept_out=[KEY]), waited_for)
    assert (comparison.verdicts, comparison.agrees) == ({Verdict.NOT_TAKEN_OVER: 1}, True)
    labelled = compare_ledgers(ours(closed, kept_out=[KEY]), waited_for)
    assert "1001: labelled here, though somebody else fulfils it" in labelled.contradictions


def test_what_is_not_ours_has_no_label():
    untold = ours(part(state=State.PAID), not_ours=[KEY], boxes={REFERENCE: box(told=False)})
    comparison = compare_ledgers(untold, theirs(ordered(line(told=(), is_merchants=False))))
    assert comparison.contradictions == ("1001: labelled here, though somebody else fulfils it",)


@pytest.mark.parametrize(
    "their_side",
    [
        theirs(carriers=()),
        theirs(carriers=(carried(alive=False),)),
        theirs(ordered(line(told=()))),
        theirs(ordered(line(told=("OTHER",)))),
        # Told with a number of ours that travels with other lines.
        theirs(ordered(line(), line("l2"))),
    ],
)
def test_done_is_what_the_witnesses_confirm(their_side):
    assert verdict(ours(part()), their_side) is Verdict.OPEN
    assert not compare_ledgers(ours(part()), their_side).agrees


def test_a_line_that_is_gone_need_not_be_told():
    told = ordered(line(), line("l2", 2, (), gone_at=50.0))
    lines = {"l1": LineSum(1, 1), "l2": LineSum(2, 0, cancelled=2)}
    comparison = compare_ledgers(ours(part(), lines=lines), theirs(told))
    assert comparison.verdicts == {Verdict.DONE: 1}
    assert comparison.agrees


def test_a_source_order_of_several_parts_is_as_its_worst_part():
    both = theirs(ordered(), ordered(line(told=()), key=OTHER))
    held = part(OTHER, State.ON_HOLD, ("stock_short_paid",), packages=0, written_back=0)
    comparison = compare_ledgers(ours(part(), held), both)
    assert comparison.verdicts == {Verdict.HELD: 1}
    assert comparison.held_by_code == {"stock_short_paid": 1}
    assert compare_ledgers(ours(part()), both).verdicts == {Verdict.LOST: 1}


def test_a_hold_counts_only_where_it_is_the_worst():
    held = part(state=State.ON_HOLD, holds=("platform_hold",), packages=0, written_back=0)
    both = theirs(ordered(line(told=())), ordered(line(told=()), key=OTHER))
    assert compare_ledgers(ours(held), both).held_by_code == {}


@pytest.mark.parametrize(
    ("pieces", "stocked", "oversold"),
    [
        ({"A": 10}, {"A": StockRecord(10, 10)}, 0),
        ({"A": 12}, {"A": StockRecord(10, 0)}, 2),
        ({"A": 1}, {"A": StockRecord(10, 13)}, 3),
        ({"A": 1}, {"A": StockRecord(10, 1, 14)}, 4),
        ({"A": 1, "NEW": 4}, {"A": StockRecord(10, 0)}, 4),
        ({}, {"B": StockRecord(0, 1)}, 1),
        ({"A": 12}, {"A": StockRecord(10, 12, 12, returned=2)}, 0),
        ({"A": 13}, {"A": StockRecord(10, 12, 12, returned=2)}, 1),
    ],
)
def test_pieces_beyond_what_was_counted_are_oversold(pieces, stocked, oversold):
    assert compare_ledgers(OurLedger({}, frozenset(), {}, pieces), OtherLedgers((), (), stocked)).oversold == oversold


@pytest.mark.parametrize(
    ("carriers", "duplicates"),
    [
        ([carried()], 0),
        ([carried(), carried("SF2")], 1),
        ([carried(), carried("SF2", REFERENCE[:-1] + "2")], 1),
        ([carried(), carried("SF2", alive=False)], 0),
        ([carried(), carried("SF9", "B-1-1")], 1),
    ],
)
def test_a_living_waybill_too_many_is_a_duplicate(carriers, duplicates):
    comparison = compare_ledgers(ours(part()), theirs(carriers=carriers))
    assert comparison.duplicate_waybills == duplicates
    assert comparison.agrees is (duplicates == 0)


def test_more_handed_over_than_the_warehouse_saw_leave_is_a_contradiction():
    for left, wrongs in ((0, 1), (1, 0), (2, 0), (None, 0)):
        comparison = compare_ledgers(ours(part()), theirs(stocked={"A": StockRecord(10, 1, left)}))
        assert len(comparison.contradictions) == wrongs
    waiting = ours(part(), boxes={REFERENCE: replace(box(), is_handed_over=False)})
    assert compare_ledgers(waiting, theirs(stocked={"A": StockRecord(10, 1, 0)})).contradictions == ()


@pytest.mark.parametrize(
    ("their_side", "wrong"),
    [
        (split_theirs(l2=line("l2", 2, ("SF2", "SF2"))), "1001, line l2: told 2 times"),
        (
            split_theirs(l2=line("l2", 2, ("SF2",), gone_at=99.0)),
            "1001, line l2: told after it was closed, refunded or shipped by somebody else",
        ),
        (
            split_theirs(l2=line("l2", 2, ("SF2",), is_merchants=False)),
            "1001, line l2: told, though the merchant does not ship it",
        ),
        (
            split_theirs(l2=line("l2", 2, ("SF1",))),
            "1001, line l2: the platform has SF1, we have no confirmed write-back",
        ),
        (split_theirs(l2=line("l2", 2, ())), "1001, line l2: told here with SF2, the platform has not heard it"),
        (
            split_theirs(l2=line("l2", 2, (), is_wanted=True)),
            "1001, line l2: done here, and the platform still waits for it",
        ),
        (split_theirs(l2=line("l2", 1, ("SF2",))), "1001, line l2: 2 packed of 1 ordered"),
        (split_theirs(l2=line("l2", 3, ("SF2",))), "1001, line l2: 3 ordered, 2 known here"),
        (
            split_theirs(carriers=(carried(), carried("SF2", SECOND, pieces={"A": 5}))),
            f"{SECOND}: {{'B': 2}} packed here, {{'A': 5}} on the label",
        ),
        (split_theirs(carriers=(carried(),)), f"{SECOND}: booked here, not alive at the courier"),
        (
            split_theirs(carriers=(carried(), carried("SF2", REFERENCE))),
            f"{SECOND}: booked here, not alive at the courier",
        ),
    ],
)
def test_a_contradiction_names_line_or_package(their_side, wrong):
    comparison = compare_ledgers(split_ours(), their_side)
    assert wrong in comparison.contradictions
    assert not comparison.agrees


@pytest.mark.parametrize(
    "sums", [LineSum(2, 1), LineSum(2, 1, cancelled=1), LineSum(2, 0, elsewhere=2), LineSum(2, 2, cancelled=1)]
)
def test_of_a_done_order_every_piece_is_planned_and_packed_or_given_up(sums):
    comparison = compare_ledgers(split_ours(lines={**split_ours().lines[KEY], "l2": sums}), split_theirs())
    assert any(wrong.startswith("1001, line l2: of 2 ordered") for wrong in comparison.contradictions)


@pytest.mark.parametrize(("shown", "agrees"), [("SF1", True), ("SF7", False), ("", False)])
def test_a_shipment_that_is_known_as_shipped_elsewhere_is_no_contradiction_and_no_second_waybill(shown, agrees):
    closed = part(state=State.CLOSED, packages=0, written_back=0)
    lines = {"l1": LineSum(1, 0, elsewhere=1, shown=shown)}
    comparison = compare_ledgers(ours(closed, boxes={}, lines=lines), theirs())
    assert (comparison.contradictions == (), comparison.duplicate_waybills == 0) == (agrees, agrees)


@pytest.mark.parametrize("not_ours", [(), (KEY,)])
def test_what_is_over_here_is_not_waited_for_by_the_platform(not_ours):
    closed = part(state=State.CLOSED, packages=0, written_back=0)
    waited_for = theirs(ordered(line(told=(), is_wanted=True)), carriers=())
    comparison = compare_ledgers(ours(closed, boxes={}, not_ours=not_ours), waited_for)
    [wrong] = comparison.contradictions
    assert wrong.endswith("and the platform still waits for it")
    unpaid = part(state=State.PENDING_PAYMENT, packages=0, written_back=0)
    assert compare_ledgers(ours(unpaid, boxes={}), waited_for).contradictions == ()


def test_a_held_order_may_show_a_waybill_of_somebody_else():
    elsewhere = part(state=State.ON_HOLD, holds=("shipped_elsewhere",), packages=0, written_back=0)
    told = theirs(ordered(line(told=("ZT9",))), carriers=())
    comparison = compare_ledgers(ours(elsewhere, boxes={}), told)
    assert comparison.contradictions == ()
    assert comparison.verdicts == {Verdict.HELD: 1}
    # An order that we do not have at all is no excuse.
    for unread in ((), [KEY]):
        assert len(compare_ledgers(ours(boxes={}, unread=unread), told).contradictions) == 1


@given(states=st.lists(st.sampled_from(State), max_size=8), missing=st.integers(0, 3))
def test_every_ordered_group_is_counted_once(states, missing):
    parts = [part(("s", str(n)), state) for n, state in enumerate(states)]
    orders = [ordered(key=("s", str(n)), group=f"g{n}") for n in range(len(states) + missing)]
    comparison = compare_ledgers(ours(*parts, boxes={}), OtherLedgers(orders, (), {}))
    assert comparison.orders == len(orders)
    assert comparison.lost == missing


DOCUMENT = f"{REFERENCE.partition('-')[0]}-W1-1"


@pytest.mark.parametrize(
    ("documents", "doubled"),
    [
        ((), 0),
        (("B-W1-1", "B-W2-1", "C-W1-1"), 0),
        (("B-W1-1", "B-W1-1"), 1),
        (("B-W1-1", "B-W1-2"), 1),
        (("B-W1-1", "B-W1-1", "B-W2-1", "B-W2-2"), 2),
    ],
)
def test_a_warehouse_works_on_one_document_of_each_fulfillment_order(documents, doubled):
    placed = {reference: DocumentRecord(KEY, "east", is_placed=True) for reference in documents}
    comparison = compare_ledgers(
        replace(ours(part()), documents=placed), replace(theirs(), documents=documents, told=frozenset({"east"}))
    )
    assert len([text for text in comparison.contradictions if "documents at the warehouses" in text]) == doubled
    assert comparison.agrees is (doubled == 0)


@pytest.mark.parametrize(
    ("record", "told", "documents", "holds", "agrees"),
    [
        (DocumentRecord(KEY, "east", is_placed=True), {"east"}, [DOCUMENT], (), True),
        (DocumentRecord(KEY, "east", is_placed=True), {"east"}, [], (), False),
        (DocumentRecord(KEY, "own", is_placed=True), {"east"}, [], (), True),
        (DocumentRecord(KEY, "east", is_placed=False), {"east"}, [], (), True),
        (DocumentRecord(KEY, "east", is_placed=False), {"east"}, [DOCUMENT], (), False),
        (DocumentRecord(KEY, "east", is_placed=False), {"east"}, [DOCUMENT], ("dispatch_error",), True),
        (None, {"east"}, [DOCUMENT], (), False),
    ],
    ids=["both", "only here", "people's", "intended", "unknown here", "a person looks at it", "never heard of"],
)
def test_both_sides_know_the_same_documents(record, told, documents, holds, agrees):
    known = replace(ours(part(holds=holds)), documents={} if record is None else {DOCUMENT: record})
    comparison = compare_ledgers(known, replace(theirs(), documents=documents, told=frozenset(told)))
    assert (not comparison.contradictions) is agrees, comparison.contradictions


def test_what_leaves_without_being_told_contradicts():
    comparison = compare_ledgers(ours(part()), replace(theirs(), undocumented=["SF9"]))
    assert comparison.contradictions == ("SF9: left a warehouse that was not told of it",)
    assert not comparison.agrees


@pytest.mark.parametrize(
    ("document", "agrees"), [(DOCUMENT, True), ("OTHER-W1-1", False), ("", False)], ids=["ours", "another", "none"]
)
def test_a_waybill_that_a_warehouse_booked_belongs_to_the_order_of_its_document(document, agrees):
    booked = CourierRecord("east-17-1", "SF1", is_alive=True, document=document)
    comparison = compare_ledgers(ours(part()), theirs(carriers=(booked,)))
    assert (not comparison.contradictions) is agrees


def test_a_waybill_that_a_warehouse_booked_and_nobody_here_knows_is_one_too_many():
    known = CourierRecord("east-17-1", "SF1", is_alive=True, document=DOCUMENT)
    unknown = CourierRecord("east-17-2", "SF2", is_alive=True, document=DOCUMENT)
    assert compare_ledgers(ours(part()), theirs(carriers=(known,))).duplicate_waybills == 0
    assert compare_ledgers(ours(part()), theirs(carriers=(known, unknown))).duplicate_waybills == 1


@pytest.mark.parametrize(("is_given_up", "agrees"), [(True, True), (False, False)])
def test_pieces_of_a_package_that_was_given_up_may_be_packed_again(is_given_up, agrees):
    """The control: pieces that are in two packages, of which none was given up."""
    given_up = replace(box("SF0", told=False), is_given_up=is_given_up, is_handed_over=False)
    boxes = {REFERENCE: box(), SECOND: given_up}
    comparison = compare_ledgers(ours(part(), boxes=boxes), theirs(carriers=(carried(), carried("SF0", SECOND))))
    assert (not comparison.contradictions) is agrees


@pytest.mark.parametrize(
    ("written_back", "has_case", "expected"),
    [(0, False, Verdict.OPEN), (0, True, Verdict.HELD), (1, True, Verdict.DONE)],
)
def test_what_its_platform_closed_while_it_was_shipped_is_somebody_s(written_back, has_case, expected):
    one = replace(part(written_back=written_back), has_case=has_case)
    assert compare_ledgers(ours(one), theirs(ordered(line()))).verdicts == {expected: 1}
