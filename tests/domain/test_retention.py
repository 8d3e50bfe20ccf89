import pytest

from domain.retention import KEEP, KEPT_FACTS, LEAST_DAYS, MEANING, MOST_DAYS, Kind, why_refused


@pytest.mark.parametrize("kind", Kind)
def test_a_policy_is_for_ever_or_long_enough(kind):
    assert why_refused(kind, KEEP) is None
    assert why_refused(kind, LEAST_DAYS[kind]) is None
    assert kind in why_refused(kind, LEAST_DAYS[kind] - 1 or -1)
    assert why_refused(kind, -5) is not None
    assert why_refused(kind, MOST_DAYS) is None
    assert why_refused(kind, MOST_DAYS + 1) is not None
    assert MEANING[kind]


def test_words_of_others_are_not_kept():
    assert not {"message", "error", "reason", "text", "name", "phone", "memo"} & set(KEPT_FACTS)
