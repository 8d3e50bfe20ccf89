import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reasons import Reason, read_reason

TEXT = st.text(st.characters(blacklist_categories=["Cs"]))


@given(st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True), st.dictionaries(TEXT, TEXT | st.integers()))
def test_a_stored_reason_is_read_back(code, facts):
    assert read_reason(Reason(code, facts).stored()) == Reason(code, facts)


@pytest.mark.parametrize("text", ["the courier is back", "", "order_closed {", "顺丰恢复了", "order_closed {no}"])
def test_words_of_a_person_are_no_stored_reason(text):
    assert read_reason(text) is None
