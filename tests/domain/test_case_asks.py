"""What a case of each kind and stage asks of goods at each place."""

import itertools

import pytest

from domain.after_sale import AFTER_SALE_KINDS, CaseStage
from domain.case_asks import CaseAbout, CaseAsk, PartAbout, ask_of
from domain.cases import CaseKind
from domain.states import FINAL_STATES, State
from domain.stops import StopCode

NOTHING = CaseAsk()
REFUNDS = (CaseKind.PRE_SHIP, CaseKind.REFUND_ONLY, CaseKind.RETURN_REFUND)


def part(at=State.ALLOCATED, *, lines=("1",), is_bound=True, has_left=False, **more):
    return PartAbout(at=at, lines=frozenset(lines), is_bound=is_bound, has_left=has_left, **more)


def case(kind=CaseKind.PRE_SHIP, stage=CaseStage.REQUESTED, *line_ids):
    return CaseAbout(kind=kind, stage=stage, line_ids=frozenset(line_ids))


@pytest.mark.parametrize("kind", [*REFUNDS, CaseKind.EXCHANGE])
@pytest.mark.parametrize("stage", [CaseStage.REQUESTED, CaseStage.APPROVED])
def test_what_is_bound_is_stopped(kind, stage):
    assert ask_of(case(kind, stage), part()) == CaseAsk(StopCode.REFUND_ASKED)


@pytest.mark.parametrize("kind", REFUNDS)
def test_what_nothing_binds_is_held_by_its_own_content(kind):
    assert ask_of(case(kind), part(is_bound=False)) == CaseAsk(waits=True)
    assert ask_of(case(kind), part(is_bound=False, waived=frozenset({"1", "2"}))) == NOTHING


def test_a_refund_that_was_paid_before_anybody_saw_it_stops_at_the_present_place():
    for at, has_left in ((State.PACKED, False), (State.IN_TRANSIT, True)):
        asked = ask_of(case(CaseKind.REFUND_ONLY, CaseStage.REFUNDED), part(at, has_left=has_left))
        assert asked == CaseAsk(StopCode.REFUND_PAID)


@pytest.mark.parametrize(
    ("kind", "at", "stops"),
    [
        (CaseKind.REFUND_ONLY, State.PACKED, True),
        (CaseKind.REFUND_ONLY, State.IN_TRANSIT, True),
        (CaseKind.PRE_SHIP, State.IN_TRANSIT, True),
        (CaseKind.REFUND_ONLY, State.DELIVERED, False),
        (CaseKind.RETURN_REFUND, State.IN_TRANSIT, False),
        (CaseKind.EXCHANGE, State.IN_TRANSIT, False),
    ],
)
def test_after_the_hand_over_only_goods_that_nobody_sends_back_are_called_back(kind, at, stops):
    assert (ask_of(case(kind), part(at, has_left=True)).stop is not None) == stops


@pytest.mark.parametrize("kind", [CaseKind.COMPENSATION, CaseKind.RESHIP, CaseKind.REPAIR])
def test_a_case_about_no_goods_of_this_order_holds_nothing(kind):
    for stage, at in itertools.product(CaseStage, State):
        if stage is not CaseStage.UNKNOWN:
            assert ask_of(case(kind, stage), part(at)) == NOTHING


@pytest.mark.parametrize("stage", [CaseStage.WITHDRAWN, CaseStage.REJECTED])
def test_a_case_that_is_over_without_effect_asks_nothing_whatever_its_kind(stage):
    for kind in AFTER_SALE_KINDS:
        assert ask_of(case(kind, stage), part()) == NOTHING


@pytest.mark.parametrize(
    "odd", [case(stage=CaseStage.UNKNOWN), case(CaseKind.UNKNOWN_CASE), case(CaseKind.COMPENSATION, CaseStage.UNKNOWN)]
)
def test_unknown_means_maybe_a_refund(odd):
    assert ask_of(odd, part()) == ask_of(odd, part(is_bound=False)) == CaseAsk(holds=True)
    assert ask_of(odd, part(State.IN_TRANSIT, has_left=True)) == NOTHING
    assert ask_of(odd, part(let_pass=frozenset({"1"}))) == NOTHING


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_what_has_ended_is_asked_nothing(state):
    assert ask_of(case(), part(state)) == NOTHING


@pytest.mark.parametrize(
    ("line_ids", "lines", "asked"),
    [
        ((), ("1", "2"), CaseAsk(StopCode.REFUND_ASKED)),
        (("1",), ("1",), CaseAsk(StopCode.REFUND_ASKED)),
        (("1", "9"), ("1",), CaseAsk(StopCode.REFUND_ASKED)),
        (("1",), ("1", "2"), CaseAsk(StopCode.REFUND_ASKED, ("1",))),
        (("9",), ("1", "2"), NOTHING),
        ((), (), NOTHING),
    ],
)
def test_only_the_lines_of_the_case_are_asked_for(line_ids, lines, asked):
    assert ask_of(case(CaseKind.PRE_SHIP, CaseStage.REQUESTED, *line_ids), part(lines=lines)) == asked


def test_a_refund_that_a_person_let_pass_is_asked_again_only_once_it_is_paid():
    waived = part(waived=frozenset({"1"}))
    assert ask_of(case(), waived) == NOTHING
    assert ask_of(case(stage=CaseStage.REFUNDED), waived) == CaseAsk(StopCode.REFUND_PAID)
