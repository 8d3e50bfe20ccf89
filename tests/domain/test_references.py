import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order import OrderKey
from domain.references import REFERENCE_MAX_CHARS, base_of, document_reference, order_base, reference

keys = st.builds(OrderKey, st.text(max_size=6), st.text(max_size=6), st.text(max_size=20))
numbers = st.integers(1, 9999)


@given(keys, numbers, numbers)
def test_a_reference_fits_every_courier(key, number, generation):
    text = reference(key, number, generation)
    assert len(text) <= REFERENCE_MAX_CHARS
    assert re.fullmatch(r"[A-Z0-9-]+", text)
    assert text == reference(key, number, generation)
    assert base_of(text) == order_base(key)


packages = st.tuples(keys, numbers, numbers)


@given(packages, packages)
def test_different_packages_never_share_a_reference(one, other):
    assert (reference(*one) == reference(*other)) == (one == other)


small = st.integers(1, 999)


@given(keys, small, small, numbers)
def test_a_document_never_has_a_package_s_reference(key, number, generation, other):
    text = document_reference(key, number, generation)
    assert len(text) <= REFERENCE_MAX_CHARS
    assert re.fullmatch(r"[A-Z0-9-]+", text)
    assert text != reference(key, number, generation)
    assert text != document_reference(key, number, generation % 999 + 1)
    assert base_of(text) == order_base(key)


@pytest.mark.parametrize(("number", "generation"), [(0, 1), (1, 0), (1000, 1), (1, 1000)])
def test_documents_have_numbers_of_three_digits(number, generation):
    with pytest.raises(ValueError, match="999"):
        document_reference(OrderKey("taobao", "s1", "1"), number, generation)


def test_it_stays_the_same_for_ever():
    # A restored backup asks the courier with this text: a change here doubles waybills.
    assert reference(OrderKey("taobao", "s1", "T1"), 1, 1) == "W7B73O67I4YV6HOQ4RJX-1-1"


def test_the_borders_of_the_key_count():
    assert order_base(OrderKey("taobao", "a", "bc")) != order_base(OrderKey("taobao", "ab", "c"))


@pytest.mark.parametrize(("number", "generation"), [(0, 1), (1, 0), (10000, 1), (1, 10000), (-1, 1)])
def test_numbers_out_of_bounds_are_refused(number, generation):
    with pytest.raises(ValueError, match="run from 1 to 9999"):
        reference(OrderKey("p", "s", "o"), number, generation)


FOREIGN = ["", "SF123", "A" * 20, *("A" * 20 + end for end in ("-1", "-0-1", "-W0-1", "-W1000-1")), "a" * 20 + "-1-1"]


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_references_are_told_apart(text):
    with pytest.raises(ValueError, match="not a reference of ours"):
        base_of(text)
