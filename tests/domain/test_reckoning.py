import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reckoning import Carried, Ordered, Ours, Part, Theirs, Verdict, reckon
from domain.states import State

KEY = ("s1", "1001")
REFERENCE = "AAAAAAAAAAAAAAAAAAAA-1-1"


def part(key=KEY, state=State.IN_TRANSIT, holds=(), *, dead=False, packages=1, written_back=1, untold=0):
    return Part(key, state, holds, dead, packages, written_back, untold)


def ours(*parts, unread=(), booked=None, pieces=None):
    known = {REFERENCE: ("SF1", KEY)} if booked is None else booked
    return Ours({one.key: one for one in parts}, frozenset(unread), known, pieces or {"A": 1})


def theirs(*ordered, carried=None, written_back=None, stocked=None):
    return Theirs(
        ordered or (Ordered(KEY, "g1"),),
        (Carried(REFERENCE, "SF1", is_alive=True),) if carried is None else carried,
        {KEY: "SF1"} if written_back is None else written_back,
        stocked or {"A": (10, 1)},
    )


def verdict(our_side, their_side=None):
    reckoning = reckon(our_side, their_side or theirs())
    [[found, count]] = reckoning.verdicts.items()
    assert count == reckoning.orders == 1
    return found


def test_an_order_that_all_three_ledgers_show_is_done_and_they_agree():
    reckoning = reckon(ours(part()), theirs())
    assert reckoning.verdicts == {Verdict.DONE: 1}
    assert reckoning.agrees
    assert (reckoning.lost, reckoning.oversold, reckoning.duplicate_waybills) == (0, 0, 0)


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


def test_an_order_that_we_do_not_have_is_lost_and_an_unread_one_is_dead():
    assert verdict(ours(booked={}), theirs(carried=(), written_back={})) is Verdict.LOST
    assert verdict(ours(unread=[KEY], booked={}), theirs(carried=(), written_back={})) is Verdict.DEAD
    assert not reckon(ours(booked={}), theirs(carried=(), written_back={})).agrees


@pytest.mark.parametrize(
    "their_side",
    [
        theirs(carried=()),
        theirs(carried=(Carried(REFERENCE, "SF1", is_alive=False),)),
        theirs(written_back={}),
        theirs(written_back={KEY: "OTHER"}),
    ],
)
def test_done_is_what_the_witnesses_confirm(their_side):
    assert verdict(ours(part()), their_side) is Verdict.OPEN
    assert not reckon(ours(part()), their_side).agrees


def test_an_order_of_several_parts_is_as_its_worst_part():
    other = ("s2", "1002")
    both = theirs(Ordered(KEY, "g1"), Ordered(other, "g1"))
    held = part(other, State.ON_HOLD, ("stock_short_paid",), packages=0, written_back=0)
    reckoning = reckon(ours(part(), held), both)
    assert reckoning.verdicts == {Verdict.HELD: 1}
    assert reckoning.held_by_code == {"stock_short_paid": 1}
    assert reckon(ours(part()), both).verdicts == {Verdict.LOST: 1}


def test_a_hold_counts_only_where_it_is_the_worst():
    other = ("s2", "1002")
    held = part(state=State.ON_HOLD, holds=("platform_hold",), packages=0, written_back=0)
    reckoning = reckon(ours(held), theirs(Ordered(KEY, "g1"), Ordered(other, "g1")))
    assert reckoning.held_by_code == {}


@pytest.mark.parametrize(
    ("pieces", "stocked", "oversold"),
    [
        ({"A": 10}, {"A": (10, 10)}, 0),
        ({"A": 12}, {"A": (10, 0)}, 2),
        ({"A": 1}, {"A": (10, 13)}, 3),
        ({"A": 1, "NEW": 4}, {"A": (10, 0)}, 4),
        ({}, {"B": (0, 1)}, 1),
    ],
)
def test_pieces_beyond_what_was_counted_are_oversold(pieces, stocked, oversold):
    assert reckon(Ours({}, frozenset(), {}, pieces), Theirs((), (), {}, stocked)).oversold == oversold


@pytest.mark.parametrize(
    ("carried", "duplicates"),
    [
        ([Carried(REFERENCE, "SF1", is_alive=True)], 0),
        ([Carried(REFERENCE, "SF1", is_alive=True), Carried(REFERENCE, "SF2", is_alive=True)], 1),
        ([Carried(REFERENCE, "SF1", is_alive=True), Carried(REFERENCE[:-1] + "2", "SF2", is_alive=True)], 1),
        ([Carried(REFERENCE, "SF1", is_alive=True), Carried(REFERENCE, "SF2", is_alive=False)], 0),
        ([Carried(REFERENCE, "SF1", is_alive=True), Carried("B-1-1", "SF9", is_alive=True)], 1),
    ],
)
def test_a_living_waybill_too_many_is_a_duplicate(carried, duplicates):
    reckoning = reckon(ours(part()), theirs(carried=carried))
    assert reckoning.duplicate_waybills == duplicates
    assert reckoning.agrees is (duplicates == 0)


def test_contradictions_name_what_disagrees():
    dead = reckon(ours(part()), theirs(carried=()))
    assert dead.contradictions == (f"{REFERENCE}: booked here, not alive at the courier",)
    unknown = reckon(ours(part(written_back=0)), theirs())
    assert unknown.contradictions == ("1001: the platform has SF1, we have no confirmed write-back",)


def test_a_held_order_may_show_a_waybill_of_somebody_else():
    elsewhere = part(state=State.ON_HOLD, holds=("shipped_elsewhere",), packages=0, written_back=0)
    reckoning = reckon(ours(elsewhere, booked={}), theirs(carried=(), written_back={KEY: "ZT9"}))
    assert reckoning.contradictions == ()
    assert reckoning.verdicts == {Verdict.HELD: 1}


@given(states=st.lists(st.sampled_from(State), max_size=8), missing=st.integers(0, 3))
def test_every_ordered_group_is_counted_once(states, missing):
    parts = [part(("s", str(n)), state) for n, state in enumerate(states)]
    ordered = [Ordered(("s", str(n)), f"g{n}") for n in range(len(states) + missing)]
    reckoning = reckon(ours(*parts, booked={}), Theirs(ordered, (), {}, {}))
    assert reckoning.orders == len(ordered)
    assert reckoning.lost == missing
