"""What a platform may be told about the goods of a case."""

import itertools
from dataclasses import replace

import pytest

from domain.states import State
from domain.stop_answers import NOT_YET, SETTLING, AnswerKind, PartOfCase, StopVerdict, verdict_of
from domain.stops import StopCode, StopGoal, StopStatus

STOPPED = StopVerdict(AnswerKind.STOPPED, "stopped")
WAIT = StopVerdict(AnswerKind.WAIT)


def part(state=State.ON_HOLD, stop=StopStatus.ASKED, goal=StopGoal.CLOSE, *, at=None, **more):
    known = {"has_left": False, "has_waybill": False, "has_document": False} | more
    return PartOfCase(state=state, at=at or state, stop=stop, goal=goal, **known)


KEPT = part(State.CLOSED, StopStatus.STOPPED)
WAITS = part(State.ON_HOLD, StopStatus.STOPPED, StopGoal.REBUILD, at=State.PAID, waits=True, code=StopCode.REFUND_ASKED)


def test_a_closed_order_of_which_nothing_is_outside_was_stopped():
    for is_due in (False, True):
        assert verdict_of([KEPT], is_due=is_due) == STOPPED


def test_an_order_that_waits_before_its_review_for_this_refund_was_stopped():
    assert verdict_of([WAITS, KEPT], is_due=False) == STOPPED
    for changed in ({"waits": False}, {"at": State.IN_WAREHOUSE}, {"state": State.PAID}, {"has_waybill": True}):
        assert verdict_of([replace(WAITS, **changed)], is_due=False).verdict is not AnswerKind.STOPPED


def test_an_order_that_nothing_binds_is_told_as_it_stands():
    other = replace(WAITS, code=StopCode.ADDRESS_CHANGED)
    assert verdict_of([other], is_due=False) == STOPPED, "it is held for a refund, whatever it was stopped for"
    goes_on = part(State.ALLOCATED, None, None)
    assert verdict_of([goes_on], is_due=False) == WAIT
    assert verdict_of([goes_on], is_due=True) == StopVerdict(AnswerKind.NOT_STOPPED, NOT_YET)


def test_what_has_left_without_a_stop_has_nothing_to_tell():
    assert verdict_of([part(State.IN_TRANSIT, None, None, has_left=True)], is_due=True).verdict is AnswerKind.NOTHING
    assert verdict_of([], is_due=True).verdict is AnswerKind.NOTHING


@pytest.mark.parametrize("outside", ["has_left", "has_waybill", "has_document"])
def test_nothing_outside_may_be_left_whatever_the_stop_says(outside):
    told = [verdict_of([part(State.CLOSED, StopStatus.STOPPED, **{outside: True})], is_due=due) for due in (0, 1)]
    assert all(one.verdict is not AnswerKind.STOPPED for one in told)


def test_every_part_counts():
    assert verdict_of([KEPT, part()], is_due=False) == WAIT
    assert verdict_of([KEPT, part(State.ALLOCATED, None, None)], is_due=False) == StopVerdict(AnswerKind.WAIT, SETTLING)
    late = part(State.IN_TRANSIT, StopStatus.TOO_LATE, has_left=True)
    assert verdict_of([KEPT, late], is_due=False) == StopVerdict(AnswerKind.NOT_STOPPED, "too_late")
    assert verdict_of([KEPT, KEPT], is_due=False) == STOPPED


def test_goods_that_left_and_were_counted_back_are_not_told_with_the_word_that_pays():
    back = part(State.CLOSED, StopStatus.STOPPED, has_left=True)
    assert verdict_of([back], is_due=False) == StopVerdict(AnswerKind.NOT_STOPPED, "coming_back")


@pytest.mark.parametrize("stop", [StopStatus.TOO_LATE, StopStatus.COMING_BACK])
def test_what_has_left_is_told_with_its_end(stop):
    gone = part(State.AFTER_SALE, stop, has_left=True)
    assert verdict_of([gone], is_due=False) == StopVerdict(AnswerKind.NOT_STOPPED, stop)


def test_a_stop_under_way_is_waited_for_until_the_deadline():
    assert verdict_of([part()], is_due=False) == WAIT
    assert verdict_of([part()], is_due=True) == StopVerdict(AnswerKind.NOT_STOPPED, NOT_YET)
    moving = part(State.IN_TRANSIT, has_left=True)
    assert verdict_of([moving], is_due=False) == WAIT
    assert verdict_of([moving], is_due=True) == StopVerdict(AnswerKind.NOT_STOPPED, "in_transit")


@pytest.mark.parametrize(
    "parts",
    [
        [part(stop=None, goal=None)],
        [part(stop=StopStatus.WITHDRAWN)],
        [part(State.PAID, StopStatus.STOPPED, StopGoal.REBUILD)],
    ],
)
def test_without_a_stop_the_platform_hears_before_its_deadline_that_nothing_was_stopped(parts):
    assert verdict_of(parts, is_due=False) == WAIT
    assert verdict_of(parts, is_due=True) == StopVerdict(AnswerKind.NOT_STOPPED, NOT_YET)


def test_an_order_that_is_made_anew_was_never_stopped():
    anew = part(State.PAID, StopStatus.STOPPED, StopGoal.REBUILD)
    assert verdict_of([KEPT, anew], is_due=False).verdict is not AnswerKind.STOPPED


def test_in_every_combination_stopped_is_told_only_if_nothing_can_leave():
    flags = list(itertools.product((False, True), repeat=3))
    states = (State.CLOSED, State.ON_HOLD, State.IN_TRANSIT)
    one = [
        part(state, stop, goal, has_left=left, has_waybill=waybill, has_document=document)
        for state in states
        for stop in (None, *StopStatus)
        for goal in (StopGoal.CLOSE, StopGoal.REBUILD)
        for left, waybill, document in flags
    ]
    seen = set()
    for parts in ([first, second] for first in one for second in one[::7]):
        for is_due in (False, True):
            told = verdict_of(parts, is_due=is_due)
            seen.add(told.verdict)
            safe = all(
                (each.state is State.CLOSED or each.waits)
                and not (each.has_left or each.has_waybill or each.has_document)
                for each in parts
            )
            assert told.verdict is not AnswerKind.STOPPED or safe
    assert seen == set(AnswerKind)
