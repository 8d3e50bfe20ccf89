import pytest

from domain.retention import KEEP, KEPT_FACTS, LEAST_DAYS, MEANING, Kind, too_short


@pytest.mark.parametrize("kind", Kind)
def test_a_policy_is_for_ever_or_long_enough(kind):
    assert too_short(kind, KEEP) is None
    assert too_short(kind, LEAST_DAYS[kind]) is None
    assert kind in too_short(kind, LEAST_DAYS[kind] - 1 or -1)
    assert too_short(kind, -5) is not None
    assert MEANING[kind]


def test_words_of_others_are_not_kept():
    assert not {"message", "error", "reason", "text", "name", "phone", "memo"} & set(KEPT_FACTS)
