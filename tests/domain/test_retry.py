import builtins
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    Conflict,
    FulfilmentError,
    Malformed,
    Misconfigured,
    Poison,
    Refused,
    Throttled,
    Transient,
    UnknownOutcome,
)
from domain.gates import ALONE, FAULTY_ACCOUNT, PAUSED
from domain.holds import HoldCode
from domain.money import Money
from domain.retry import (
    GiveUp,
    HoldFor,
    Retry,
    backoff_s,
    cause_of,
    causes_of,
    fate,
    fingerprint,
)
from infra.process.steps import STEPS


@dataclass(frozen=True)
class Bounds:
    attempts_max: int = 8
    bug_attempts_max: int = 3
    crashes_max: int = 3
    backoff_first_s: float = 2.0
    backoff_max_s: float = 900.0


def decide(error, step="label", attempts=1, crashes=0, jitter=0.0):
    return fate(error, step=STEPS[step], attempts=attempts, crashes=crashes, limits=Bounds(), jitter=jitter)


jitters = st.floats(0, 1, exclude_max=True)
ERRORS = [
    Transient("t"),
    Throttled("t", after_s=1),
    UnknownOutcome("u"),
    Malformed("m"),
    Refused("r"),
    Misconfigured("m"),
    Conflict("c"),
    Poison("p"),
    RuntimeError("bug"),
]


@given(st.integers(-5, 10**9), st.floats(0.1, 60), st.floats(60, 3600), jitters)
def test_a_pause_never_exceeds_its_maximum_nor_halves_its_step(attempt, first_s, max_s, jitter):
    pause = backoff_s(attempt, first_s, max_s, jitter)
    assert first_s / 2 <= pause <= max_s


@given(st.integers(1, 100), jitters, jitters)
def test_a_pause_doubles_and_jitter_moves_it_within_its_upper_half(attempt, jitter, other):
    base = min(900.0, 2.0 * 2 ** (attempt - 1))
    assert base / 2 <= backoff_s(attempt, 2.0, 900.0, jitter) <= base
    assert backoff_s(attempt + 1, 2.0, 900.0, jitter) >= base / 2
    if jitter < other:
        assert backoff_s(attempt, 2.0, 900.0, jitter) <= backoff_s(attempt, 2.0, 900.0, other)


@pytest.mark.parametrize("error", [Transient("t"), UnknownOutcome("u"), Malformed("m")])
def test_an_unclear_end_is_tried_again_until_its_attempts_are_spent(error):
    assert decide(error) == Retry(1.0, spends_attempt=True)
    assert decide(error, attempts=7) == Retry(64.0, spends_attempt=True)
    assert decide(error, attempts=8) == GiveUp("attempts_spent")


@pytest.mark.parametrize("error", [RuntimeError("bug"), FulfilmentError("plain"), KeyError("x")])
def test_a_bug_gets_fewer_tries(error):
    assert isinstance(decide(error, attempts=2), Retry)
    assert decide(error, attempts=3) == GiveUp("bug")


@given(st.integers(0, 1000), jitters)
def test_throttling_spends_no_attempt_however_often(attempts, jitter):
    verdict = decide(Throttled("slow_down", after_s=30), attempts=attempts, jitter=jitter)
    assert isinstance(verdict, Retry)
    assert not verdict.spends_attempt
    assert 30 <= verdict.after_s <= 32


@pytest.mark.parametrize(("after_s", "waited"), [(-5.0, 0.0), (1e9, 3600.0), (float("nan"), 0.0)])
def test_a_strange_time_to_come_back_is_bounded(after_s, waited):
    assert decide(Throttled("slow_down", after_s=after_s)) == Retry(waited, spends_attempt=False)


@given(st.integers(0, 1000), jitters)
def test_a_paused_account_costs_its_orders_no_attempt(attempts, jitter):
    verdict = decide(Misconfigured("bad_key", facts={PAUSED: "sf/main"}), attempts=attempts, jitter=jitter)
    assert isinstance(verdict, Retry)
    assert not verdict.spends_attempt
    assert 450 <= verdict.after_s <= 900


@pytest.mark.parametrize(
    ("step", "end"),
    [
        ("label", HoldFor(HoldCode.WAYBILL_ERROR)),
        ("writeback", GiveUp("misconfigured")),
        ("notify", GiveUp("misconfigured")),
    ],
)
@pytest.mark.parametrize(("is_alone", "tries"), [(False, 4), (True, 3)])
def test_a_fault_that_pauses_nobody_is_its_subject_s_and_ends(step, end, is_alone, tries):
    error = Misconfigured("http_403", facts={FAULTY_ACCOUNT: "sf/main", ALONE: is_alone})
    assert decide(error, step=step) == Retry(1.0, spends_attempt=True)
    assert isinstance(decide(error, step=step, attempts=tries - 1), Retry)
    assert decide(error, step=step, attempts=tries) == end


@pytest.mark.parametrize("step", ["pull", "warehouse"])
def test_a_shop_and_a_location_are_never_given_up(step):
    error = Misconfigured("http_403", facts={FAULTY_ACCOUNT: "taobao/s1", ALONE: True})
    assert decide(error, step=step, attempts=99) == Retry(450.0, spends_attempt=False)


def test_settings_of_ours_are_waited_for():
    assert decide(Misconfigured("account_unknown"), attempts=99) == Retry(450.0, spends_attempt=False)


@pytest.mark.parametrize(
    ("error", "step", "verdict"),
    [
        (Refused("r"), "label", HoldFor(HoldCode.WAYBILL_ERROR)),
        (Refused("r"), "writeback", HoldFor(HoldCode.WRITEBACK_REFUSED)),
        (Refused("r"), "notify", GiveUp("refused")),
        (Conflict("already_shipped"), "writeback", HoldFor(HoldCode.SHIPPED_ELSEWHERE)),
        (Conflict("receiver_token_stale"), "label", HoldFor(HoldCode.WAYBILL_ERROR)),
        (Conflict("moved_on"), "route", GiveUp("conflict")),
        (Poison("unreadable"), "normalize", GiveUp("poison")),
    ],
)
def test_a_clear_end_is_not_tried_again(error, step, verdict):
    assert decide(error, step=step) == verdict


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("step", STEPS)
def test_what_kills_workers_is_given_up_whatever_it_says(error, step):
    assert decide(error, step=step, crashes=3) == GiveUp("crashed_workers")
    assert decide(error, step=step, crashes=2) != GiveUp("crashed_workers")


def caught(act):
    try:
        act()
    except Exception as error:  # noqa: BLE001 - any error is the subject here
        return error
    raise AssertionError("nothing was raised")


def test_our_own_errors_keep_their_words():
    cause = cause_of(Refused("no_such_service", "service 9 is not in the contract"))
    assert cause == {
        "type": "domain.errors.Refused",
        "code": "no_such_service",
        "message": "service 9 is not in the contract",
        "at": "",
    }


def test_a_foreign_error_keeps_its_type_and_our_line_but_not_its_text():
    cause = cause_of(caught(lambda: int("13800000001x")))
    assert cause["type"] == "builtins.ValueError"
    assert "1380000" not in "".join(cause.values())
    assert cause["at"] == ""


def test_the_place_is_our_innermost_line():
    cause = cause_of(caught(lambda: Money(1, "CNY") + Money(1, "USD")))
    assert cause["at"].startswith("domain/money.py:")
    assert cause["message"] == ""


def test_the_chain_is_told_outermost_first():
    outer = Transient("courier_down")
    outer.__cause__ = builtins.ConnectionResetError()
    assert [cause["type"] for cause in causes_of(outer)] == [
        "domain.errors.Transient",
        "builtins.ConnectionResetError",
    ]


def test_an_error_met_while_handling_another_belongs_to_the_chain():
    outer = Transient("courier_down")
    outer.__context__ = KeyError("x")
    assert len(causes_of(outer)) == 2
    outer.__suppress_context__ = True
    assert len(causes_of(outer)) == 1


def test_a_chain_that_bites_its_tail_ends():
    one, other = RuntimeError(), RuntimeError()
    one.__cause__, other.__cause__ = other, one
    assert len(causes_of(one)) == 8


parts = st.tuples(*[st.text("ab", max_size=3)] * 4)


@given(parts, parts)
def test_a_fingerprint_groups_exactly_one_cause(one, other):
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)
    assert len(fingerprint(*one)) == 16
