from domain.holds import HoldCode
from domain.outcomes import Done, Hold, Later
from domain.states import State


def test_the_short_forms_of_the_vocabulary():
    assert Done() == Done(None, {})
    assert Done(State.APPROVED).state is State.APPROVED
    assert Hold(HoldCode.PLATFORM_HOLD).facts == {}
    assert Later("gate_shut") == Later("gate_shut", 0.0)


def test_facts_are_never_shared_between_outcomes():
    assert Done().facts is not Done().facts
