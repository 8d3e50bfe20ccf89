import dataclasses
import typing

import pytest

from domain.errors import FulfilmentError
from domain.holds import HoldCode
from domain.outcomes import Done, Hold, Later, Outcome
from domain.states import State


@pytest.mark.parametrize(
    ("outcome", "field", "value"),
    [
        (Done(State.APPROVED, {"lane": "p0"}), "state", State.CLOSED),
        (Hold(HoldCode.PLATFORM_HOLD, {"until": "x"}), "code", HoldCode.SELLER_FLAG),
        (Later("gate_shut", 3.0), "after_s", 0.0),
    ],
)
def test_an_outcome_is_a_value_that_nobody_changes_after_the_step(outcome, field, value):
    before = dataclasses.asdict(outcome)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(outcome, field, value)
    with pytest.raises((AttributeError, TypeError)):
        outcome.note = "x"
    assert dataclasses.asdict(outcome) == before


def test_the_vocabulary_is_whole_and_none_of_it_is_an_error():
    assert set(typing.get_args(Outcome)) == {Done, Hold, Later}
    assert not any(issubclass(kind, FulfilmentError) for kind in typing.get_args(Outcome))


@pytest.mark.parametrize("kind", [Hold, Later])
def test_who_does_not_finish_says_why(kind):
    with pytest.raises(TypeError, match=r"code|reason"):
        kind()


def test_a_step_that_says_nothing_more_leaves_its_order_where_it_is():
    assert (Done().state, dict(Done().facts)) == (None, {})
    assert Later("busy").after_s == 0.0
