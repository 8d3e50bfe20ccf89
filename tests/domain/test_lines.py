import dataclasses

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.lines import Planned, Replan, Tally, first_tally, is_gone, is_ours, pieces_by_sku, replan, with_missing
from domain.order import FulfilledBy, PlatformState

OURS = {FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN}
OTHERS = sorted(set(FulfilledBy) - OURS)


@st.composite
def plans(draw):
    """Pieces of one line in up to three fulfillment orders, some of them closed, some of their pieces bound."""
    planned = []
    for id_ in range(1, draw(st.integers(1, 3)) + 1):
        quantity = draw(st.integers(0, 4))
        is_closed = draw(st.booleans())
        bound = 0 if is_closed else draw(st.integers(0, quantity))
        planned.append(Planned(id_, "l1", quantity, bound, is_closed))
    return planned


@st.composite
def contents(draw):
    """What a platform may say of one line, and of its order."""
    quantity = draw(st.integers(1, 6))
    line = {
        "quantity": quantity,
        "refunded": draw(st.sampled_from([False, False, False, True])),
        "fulfilled_by": draw(st.sampled_from([*FulfilledBy, *[FulfilledBy.MERCHANT] * 12])),
        "shipped": draw(st.integers(0, quantity)),
        "is_missing": draw(st.booleans()),
    }
    return line, draw(st.sampled_from([*PlatformState, *[PlatformState.TO_SHIP] * 6]))


def apply(planned: list[Planned], plan: Replan) -> list[Planned]:
    """The plan as the stores keep it: smaller pieces, and what is added in a fulfillment order of its own."""
    left = [
        dataclasses.replace(one, quantity=plan.quantities.get((one.fulfillment_order_id, one.line_id), one.quantity))
        for one in planned
    ]
    added = [Planned(9, line_id, quantity) for line_id, quantity in plan.added.items()]
    return [*left, *added]


def live(planned: list[Planned]) -> list[Planned]:
    return [one for one in planned if not one.is_closed]


def total(planned: list[Planned], name: str = "quantity") -> int:
    return sum(getattr(one, name) for one in planned)


@settings(max_examples=500)
@given(contents(), plans(), st.integers(0, 4), st.booleans())
def test_whatever_comes_the_pieces_of_a_line_add_up(order, line, content, planned, own, may_grow):  # noqa: PLR0917 - hypothesis names them
    fields, state = content
    new = order(lines=(line(**fields),), state=state)
    [met] = new.lines
    bound, closed = total(live(planned), "bound"), total(planned) - total(live(planned))
    own = {"l1": min(own, bound)}
    plan = replan(new, planned, own, may_grow=may_grow)
    after = apply(planned, plan)
    tally = plan.tallies["l1"]
    sums = tally.planned + tally.cancelled + tally.elsewhere
    gone = is_gone(met) or state is PlatformState.CLOSED
    event(f"gone: {gone}, may grow: {may_grow}, bound: {bound > 0}, closed: {closed > 0}")

    assert min(tally.planned, tally.cancelled, tally.elsewhere) >= 0
    assert tally.planned == total(live(after)), "the counter is the sum of the pieces"
    assert sums <= max(met.quantity, bound), "never more than was sold, unless it is in a labelled box already"
    for before, one in zip(planned, after, strict=False):
        assert one.quantity >= one.bound, "what has a label stays in its box"
        assert one.quantity <= before.quantity
        assert not one.is_closed or one == before, "what is closed stays as it is"
    if gone:
        assert tally.planned == bound
        assert "l1" not in plan.added
    if not may_grow:
        assert plan.added == {}
    if is_ours(met) and (may_grow or gone):
        assert sums == max(met.quantity, bound), "every piece is planned, cancelled, or shipped by somebody else"
    wanted = 0 if gone else max(0, met.quantity - closed - max(0, met.shipped - own["l1"]))
    assert tally.planned <= max(wanted, bound), "what was closed or has left is not planned again"
    if not gone and may_grow:
        assert tally.planned >= wanted, "nothing that is still wanted is forgotten"
        assert tally.cancelled <= closed, "nobody cancels what is wanted"
    assert plan.excess == ({"l1": bound - wanted} if bound > wanted else {})


@settings(max_examples=500)
@given(contents(), plans(), st.integers(0, 4), st.booleans())
def test_the_same_content_again_changes_nothing(order, line, content, planned, own, may_grow):  # noqa: PLR0917 - hypothesis names them
    fields, state = content
    new = order(lines=(line(**fields),), state=state)
    own = {"l1": min(own, total(live(planned), "bound"))}
    once = replan(new, planned, own, may_grow=may_grow)
    again = replan(new, apply(planned, once), own, may_grow=may_grow)
    assert (again.quantities, again.added) == ({}, {})
    assert (again.tallies, again.excess) == (once.tallies, once.excess)


@given(contents())
def test_a_new_line_is_counted_as_if_it_were_planned_again(order, line, content):
    fields, state = content
    new = order(lines=(line(**fields),), state=state)
    [met] = new.lines
    tally = first_tally(new, met)
    assert tally == replan(new, [], {}, may_grow=True).tallies["l1"]
    assert tally.planned + tally.cancelled + tally.elsewhere == (met.quantity if is_ours(met) else 0)


@pytest.mark.parametrize(
    ("fields", "tally"),
    [
        ({}, Tally(5, 0, 0)),
        ({"fulfilled_by": FulfilledBy.UNKNOWN}, Tally(5, 0, 0)),
        ({"refund_open": True}, Tally(5, 0, 0)),
        ({"refund_unknown": True}, Tally(5, 0, 0)),
        ({"refunded": True}, Tally(0, 5, 0)),
        ({"shipped": 2}, Tally(3, 0, 2)),
        ({"shipped": 7}, Tally(0, 0, 5)),
        ({"shipped": 2, "refunded": True}, Tally(0, 3, 2)),
        *(({"fulfilled_by": other, "shipped": 5}, Tally(0, 0, 0)) for other in OTHERS),
    ],
)
def test_what_is_wanted_of_a_new_line(order, line, fields, tally):
    met = line(quantity=5, **fields)
    assert first_tally(order(lines=(met,)), met) == tally


def test_of_a_closed_order_nothing_is_wanted(order, line):
    met = line(quantity=5, shipped=2)
    assert first_tally(order(lines=(met,), state=PlatformState.CLOSED), met) == Tally(0, 3, 2)


def test_pieces_are_taken_from_the_youngest_part_first(order, line):
    planned = [Planned(1, "l1", 2), Planned(2, "l1", 2), Planned(3, "l1", 2, bound=1)]
    plan = replan(order(lines=(line(quantity=3),)), planned, {}, may_grow=True)
    assert plan.quantities == {(3, "l1"): 1, (2, "l1"): 0}
    assert plan.tallies == {"l1": Tally(3, 0, 0)}


def test_a_line_that_is_paid_back_leaves_the_others_alone(order, line):
    lines = (line(quantity=5), line(line_id="l2", quantity=2, refunded=True))
    planned = [Planned(1, "l1", 5), Planned(1, "l2", 2)]
    plan = replan(order(lines=lines), planned, {}, may_grow=True)
    assert plan == Replan({(1, "l2"): 0}, {}, {"l1": Tally(5, 0, 0), "l2": Tally(0, 2, 0)}, {})


def test_a_line_that_is_wanted_again_is_added(order, line):
    plan = replan(order(lines=(line(quantity=5),)), [Planned(1, "l1", 0)], {}, may_grow=True)
    assert (plan.added, plan.tallies) == ({"l1": 5}, {"l1": Tally(5, 0, 0)})


def test_what_went_under_our_number_is_nobody_elses(order, line):
    met = order(lines=(line(quantity=5, shipped=5),))
    planned = [Planned(1, "l1", 3, bound=3), Planned(2, "l1", 2)]
    ours = replan(met, planned, {"l1": 5}, may_grow=True)
    assert (ours.quantities, ours.tallies) == ({}, {"l1": Tally(5, 0, 0)})
    theirs = replan(met, planned, {"l1": 3}, may_grow=True)
    assert (theirs.quantities, theirs.tallies) == ({(2, "l1"): 0}, {"l1": Tally(3, 0, 2)})


def test_a_labelled_piece_that_nobody_wants_is_in_excess(order, line):
    met = order(lines=(line(quantity=5, refunded=True),))
    plan = replan(met, [Planned(1, "l1", 5, bound=2)], {}, may_grow=True)
    assert plan.quantities == {(1, "l1"): 2}
    assert (plan.excess, plan.tallies) == ({"l1": 2}, {"l1": Tally(2, 3, 0)})


def test_a_missing_line_keeps_its_pieces_and_comes_last(order, line):
    old = order(lines=(line(), line(line_id="l2", quantity=3)))
    new = with_missing(old, order())
    assert [(one.line_id, one.is_missing) for one in new.lines] == [("l1", False), ("l2", True)]
    plan = replan(new, [Planned(1, "l1", 2), Planned(1, "l2", 3)], {}, may_grow=True)
    assert (plan.quantities, plan.added, plan.tallies["l2"]) == ({}, {}, Tally(3, 0, 0))
    back = with_missing(new, old)
    assert back is old, "nothing is missing from what shows every line"


def test_pieces_by_sku_leave_out_nothing_that_has_no_sku(order, line):
    met = order(lines=(line(sku="A"), line(line_id="l2", sku="A"), line(line_id="l3", sku=""), line(line_id="l4")))
    assert pieces_by_sku(met, [("l1", 2), ("l2", 1), ("l3", 4), ("l4", 0)]) == {"A": 3, "": 4}
    assert pieces_by_sku(met, [("unknown", 1)]) == {"": 1}
