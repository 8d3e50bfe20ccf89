import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dead_letters import (
    KILLED,
    REPLAYS_MAX,
    LetterSubject,
    NoReplay,
    NotYet,
    PutBack,
    Resumption,
    Superseded,
    prospect,
    resumption,
    why_not_in_bulk,
    why_stop,
)
from domain.reasons import Reason
from domain.states import MOVES, Cause, State, may, may_resume
from domain.stock import Reservation
from infra.process.steps import STEPS

HOLDABLE = sorted(to for came, to in MOVES if came is State.ON_HOLD and may_resume(State.PACKED, to))


@st.composite
def standings(draw):
    state = draw(st.sampled_from([None, *State]))
    return LetterSubject(
        step=draw(st.sampled_from(list(STEPS.values()))),
        state=state,
        resume_state=draw(st.sampled_from(HOLDABLE)) if state is State.ON_HOLD else None,
        holds=draw(st.sampled_from([(), ("refund_requested",)])),
        is_done=draw(st.booleans()),
        is_one_of_many=draw(st.booleans()),
        is_unresolved=draw(st.booleans()),
    )


@given(standings())
def test_a_replay_resumes_only_where_the_table_allows(now):
    found = prospect(now)
    resume = None if isinstance(found, NotYet) else found.resume
    if resume is not None:
        assert now.state is State.ON_HOLD
        assert may(State.ON_HOLD, resume, Cause.PERSON)
        assert may_resume(now.resume_state, resume)


@given(standings())
def test_work_is_put_back_only_where_its_step_will_take_it(now):
    found = prospect(now)
    works_in = now.step.works_in
    if isinstance(found, PutBack) and works_in and now.state is not None and not now.is_unresolved:
        assert (found.resume or now.state) in works_in


@given(standings())
def test_nothing_is_let_out_of_another_hold(now):
    found = prospect(now)
    if now.holds and not isinstance(found, NotYet):
        assert found.resume is None


@given(standings())
def test_what_is_done_or_closed_is_superseded(now):
    if now.is_done or (now.state is State.CLOSED and not now.is_unresolved):
        assert isinstance(prospect(now), Superseded)


@given(standings())
def test_a_call_that_may_have_happened_is_asked_about_wherever_its_order_went(now):
    if now.is_unresolved and not now.is_done:
        found = prospect(now)
        assert isinstance(found, PutBack)
        reached_elsewhere = now.step.works_in and now.reached not in now.step.works_in
        assert found.resume is None or not (now.holds or reached_elsewhere)


def test_it_says_which_way_the_order_went():
    on, back = (
        Reason(NoReplay.ORDER_WENT_ON, {"state": "allocated"}),
        Reason(NoReplay.ORDER_WENT_BACK, {"state": "paid"}),
    )
    assert prospect(LetterSubject(STEPS["review"], State.ALLOCATED)) == Superseded(on)
    assert prospect(LetterSubject(STEPS["route"], State.PAID)) == Superseded(back)


def test_a_payload_without_an_order_goes_back():
    assert prospect(LetterSubject(STEPS["normalize"])) == PutBack()


@given(st.sampled_from(HOLDABLE), st.sampled_from(Reservation))
def test_a_released_order_never_goes_further_than_it_was(interrupted, reservation):
    to = resumption(interrupted, reservation, STEPS.map())
    assert may_resume(interrupted, to.state)
    assert all(to.state in STEPS[step].works_in for step in to.steps)


def test_without_stock_an_order_starts_again_at_the_promise():
    assert resumption(State.APPROVED, Reservation.SHORT, STEPS.map()) == Resumption(State.PAID, ("reserve",))
    assert resumption(State.APPROVED, Reservation.RESERVED, STEPS.map()) == Resumption(State.APPROVED, ("route",))
    assert resumption(State.PACKED, Reservation.CONSUMED, STEPS.map()) == Resumption(State.PACKED, ())


@pytest.mark.parametrize("reservation", [Reservation.RELEASED, Reservation.RESERVED])
def test_an_order_of_which_nothing_is_left_goes_to_review(reservation):
    for interrupted in (State.PAID, State.APPROVED):
        assert resumption(interrupted, reservation, STEPS.map(), is_empty=True) == Resumption(State.PAID, ("review",))
    allocated = resumption(State.ALLOCATED, Reservation.ALLOCATED, STEPS.map(), is_empty=True)
    assert allocated == Resumption(State.ALLOCATED, ("label", "dispatch"))


def test_a_letter_that_replays_did_not_help_waits_for_a_word():
    tried = LetterSubject(STEPS["notify"], replays=REPLAYS_MAX)
    assert isinstance(prospect(tried), NotYet)
    assert prospect(tried, again=True) == PutBack()
    assert prospect(LetterSubject(STEPS["notify"], replays=REPLAYS_MAX - 1)) == PutBack()
    over = LetterSubject(STEPS["notify"], is_done=True, replays=REPLAYS_MAX)
    assert isinstance(prospect(over), Superseded), "what moved on needs no word"


@pytest.mark.parametrize(
    ("code", "replays", "again", "goes"),
    [
        ("timeout", 0, False, True),
        ("timeout", 3, False, False),
        ("timeout", 3, True, True),
        (KILLED, 0, False, False),
        (KILLED, 0, True, False),
    ],
)
def test_what_may_go_in_bulk(code, replays, again, goes):
    assert (why_not_in_bulk(code, replays, again=again) is None) is goes


@pytest.mark.parametrize(
    ("newest_first", "stops"),
    [
        ("", False),
        ("xxxx", False),
        ("xxxxx", True),
        (".xxxxx", False),
        ("xxxx.", False),
        ("x.x.x.x.x", False),
        ("x.x.x.x.x.", True),
        ("xxx." * 2 + "xxx" + "." * 9, False),
        (".x" * 10, True),
        ("...." + "x" * 30, True),
    ],
)
def test_a_bulk_stops_when_the_newest_died_or_half_of_them(newest_first, stops):
    assert (why_stop([end == "x" for end in newest_first]) is not None) is stops
