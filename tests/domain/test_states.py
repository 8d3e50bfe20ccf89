import itertools

import pytest

from domain.states import FINAL_STATES, MOVES, RANK, Cause, State, may, may_resume

# The one exit of a final state: a case after completion.
REOPENED = (State.COMPLETED, State.AFTER_SALE)
LOWERING = {
    (State.APPROVED, State.PAID),
    (State.ALLOCATED, State.PAID),
    (State.ALLOCATED, State.APPROVED),
    (State.IN_WAREHOUSE, State.APPROVED),
    (State.AFTER_SALE, State.IN_TRANSIT),
    (State.AFTER_SALE, State.DELIVERED),
}


def reachable(start):
    seen, todo = set(), [start]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += [to for now, to in MOVES if now is state]
    return seen


def test_there_are_twelve_states_each_with_a_rank():
    assert len(State) == 12
    assert set(RANK) == set(State)


def test_every_state_is_reachable_from_an_unpaid_order():
    assert reachable(State.PENDING_PAYMENT) == set(State)


@pytest.mark.parametrize("state", [state for state in State if state not in FINAL_STATES])
def test_every_open_state_has_a_way_to_an_end(state):
    assert reachable(state) & FINAL_STATES


def test_a_final_state_is_left_only_by_a_case_after_completion():
    assert {move for move in MOVES if move[0] in FINAL_STATES} == {REOPENED}


def test_only_named_moves_lower_the_rank():
    lowered = {(now, to) for now, to in MOVES if RANK[to] < RANK[now] and State.ON_HOLD not in {now, to}}
    assert lowered == LOWERING


@pytest.mark.parametrize(("now", "to"), list(itertools.product(State, State)))
def test_a_move_is_allowed_exactly_to_its_causes(now, to):
    allowed = {cause for cause in Cause if may(now, to, cause)}
    assert allowed == MOVES.get((now, to), frozenset())


def test_a_packed_order_is_closed_only_by_the_saga():
    assert may(State.PACKED, State.CLOSED, Cause.SAGA)
    assert not may(State.PACKED, State.CLOSED, Cause.PLATFORM)


@pytest.mark.parametrize(("interrupted", "to"), list(itertools.product(State, State)))
def test_a_hold_never_resumes_further_than_it_interrupted(interrupted, to):
    if may_resume(interrupted, to):
        assert RANK[to] <= RANK[interrupted]
        assert (State.ON_HOLD, to) in MOVES


def test_a_hold_resumes_where_it_interrupted():
    assert may_resume(State.ALLOCATED, State.ALLOCATED)
    assert may_resume(State.PACKED, State.APPROVED)
    assert not may_resume(State.PAID, State.APPROVED)
    assert not may_resume(State.ALLOCATED, State.CLOSED)
