import pytest

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

KINDS = (Transient, UnknownOutcome, Malformed, Refused, Misconfigured, Conflict, Poison)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_carries_code_message_and_facts(kind):
    error = kind("no_route", "nobody goes there", {"tries": 2})
    assert isinstance(error, FulfilmentError)
    assert (error.code, error.message, error.facts) == ("no_route", "nobody goes there", {"tries": 2})
    assert str(error) == "no_route: nobody goes there"


def test_a_code_alone_is_enough():
    error = Refused("sold_out")
    assert str(error) == "sold_out"
    assert error.facts == {}


def test_facts_are_a_copy():
    facts = {"tries": 1}
    error = Transient("reset", facts=facts)
    facts["tries"] = 9
    assert error.facts == {"tries": 1}


def test_throttled_says_when_to_come_back_and_is_no_transient():
    error = Throttled("too_many", after_s=3.5)
    assert error.after_s == 3.5
    assert not isinstance(error, Transient)


def test_an_unreadable_answer_may_still_have_had_its_effect():
    assert issubclass(Malformed, UnknownOutcome)
