import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.states import RANK, Cause, State, may
from domain.warehouse import TARGET, Contradiction, Late, Move, Note, Scan, advance, names_other_waybill

ON_THE_WAY = [State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED]
MOVES = list(TARGET)


def run(events, now=State.ALLOCATED):
    for event in events:
        moved = advance(now, event)
        if isinstance(moved, Move):
            now = moved.path[-1]
    return now


@pytest.mark.parametrize(("now", "scan"), list(itertools.product(State, Scan)))
def test_every_move_is_legal_and_ends_at_the_target(now, scan):
    moved = advance(now, scan)
    if isinstance(moved, Move):
        assert moved.path[-1] is TARGET[scan]
        for step_from, to in itertools.pairwise((now, *moved.path)):
            assert may(step_from, to, Cause.WAREHOUSE)
            assert RANK[to] > RANK[step_from]


@pytest.mark.parametrize(("now", "scan"), list(itertools.product(ON_THE_WAY, MOVES)))
def test_a_scan_moves_exactly_when_it_leads_further(now, scan):
    assert isinstance(advance(now, scan), Move) == (RANK[now] < RANK[TARGET[scan]])


def test_a_skipped_event_is_walked_through():
    assert advance(State.ALLOCATED, Scan.HANDED_OVER) == Move((State.IN_WAREHOUSE, State.PACKED, State.IN_TRANSIT))


@pytest.mark.parametrize("now", [State.IN_TRANSIT, State.DELIVERED, State.COMPLETED, State.AFTER_SALE])
@pytest.mark.parametrize("scan", MOVES)
def test_a_late_event_never_moves_an_order_back(now, scan):
    assert advance(now, scan) == Late()


@given(st.lists(st.sampled_from(Scan), max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_ends_the_same(events, random):
    shuffled = events + events
    random.shuffle(shuffled)
    furthest = max(
        (TARGET[event] for event in events if event in TARGET), key=RANK.__getitem__, default=State.ALLOCATED
    )
    assert run(events) is run(shuffled) is furthest


@pytest.mark.parametrize(
    ("now", "scan", "code", "needs_person"),
    [
        (State.CLOSED, Scan.ACCEPTED, "moved_though_closed", True),
        (State.CLOSED, Scan.HANDED_OVER, "moved_though_closed", True),
        (State.ON_HOLD, Scan.ACCEPTED, "moved_while_held", False),
        (State.ON_HOLD, Scan.PACKED, "moved_while_held", False),
        (State.ON_HOLD, Scan.HANDED_OVER, "left_while_held", True),
        (State.PENDING_PAYMENT, Scan.PACKED, "moved_before_allocation", True),
        (State.PAID, Scan.PACKED, "moved_before_allocation", True),
        (State.APPROVED, Scan.ACCEPTED, "moved_before_allocation", True),
    ],
)
def test_what_a_state_forbids_is_recorded_and_not_applied(now, scan, code, needs_person):
    assert advance(now, scan) == Contradiction(code, needs_person)


def test_after_a_release_the_next_scan_makes_up_for_what_the_hold_kept_back():
    assert isinstance(advance(State.ON_HOLD, Scan.PACKED), Contradiction)
    assert advance(State.ALLOCATED, Scan.HANDED_OVER).path[-1] is State.IN_TRANSIT


@pytest.mark.parametrize("now", State)
@pytest.mark.parametrize("kind", [Scan.REFUSED, Scan.SHORT, Scan.STOPPED, Scan.STOP_FAILED, Scan.OTHER])
def test_what_says_nothing_of_moving_goods_is_noted_in_every_state(now, kind):
    assert advance(now, kind) == Note()


@pytest.mark.parametrize("kind", [Scan.PRINTED, Scan.PICKED, Scan.CHECKED])
def test_work_on_a_document_says_that_it_was_accepted(kind):
    assert advance(State.ALLOCATED, kind) == Move((State.IN_WAREHOUSE,))
    assert advance(State.IN_WAREHOUSE, kind) == Late()


@pytest.mark.parametrize("scanned", ["SF1", "sf1", " SF 1 ", "", " "])
def test_our_waybill_however_it_is_written_or_none_contradicts_nothing(scanned):
    assert not names_other_waybill("SF1", scanned)


@pytest.mark.parametrize("scanned", ["SF2", "SF11", "1"])
def test_another_waybill_contradicts(scanned):
    assert names_other_waybill("SF1", scanned)
