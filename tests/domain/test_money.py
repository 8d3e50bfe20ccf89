from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import Money, exponent_of, parse_money

currencies = st.sampled_from(["CNY", "USD", "JPY", "KWD"])
minors = st.integers(1 - 10**12, 10**12 - 1)


@given(minors, currencies)
def test_printed_amount_reads_back(minor, currency):
    money = Money(minor, currency)
    amount, _, code = str(money).partition(" ")
    assert parse_money(amount, code) == money


@given(minors, minors, currencies)
def test_sums_are_exact(left, right, currency):
    total = Money(left, currency) + Money(right, currency)
    assert total.minor == left + right
    assert total - Money(right, currency) == Money(left, currency)


def test_multiplied_by_a_quantity():
    assert Money(1999, "CNY") * 3 == Money(5997, "CNY")


@pytest.mark.parametrize("mix", [lambda a, b: a + b, lambda a, b: a - b])
def test_currencies_never_mix(mix):
    with pytest.raises(ValueError, match="cannot mix CNY and USD"):
        mix(Money(1, "CNY"), Money(1, "USD"))


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("323.58", "CNY", 32358),
        (" 323.5 ", "CNY", 32350),
        ("323.5800", "CNY", 32358),
        ("-0.01", "CNY", -1),
        ("+7", "CNY", 700),
        (".5", "CNY", 50),
        ("5.", "CNY", 500),
        ("500", "JPY", 500),
        ("500.0", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("000000000000000012.00", "CNY", 1200),
        ("999999999999.99", "CNY", 99_999_999_999_999),
    ],
)
def test_reads_plain_amounts(text, currency, minor):
    assert parse_money(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "abc", "1e3", "NaN", "Infinity", "1_000", "1,000", "１２", "1.2.3", "0.001", "1000000000000"],
)
def test_refuses_everything_else(text):
    with pytest.raises(ValueError, match=r"amount|places"):
        parse_money(text, "CNY")


def test_a_place_too_many_is_refused_however_long_the_text():
    text = "1." + "0" * 40 + "1"
    # Decimal's context would round the surplus away and accept the amount.
    assert Decimal(text).scaleb(2) == 100
    with pytest.raises(ValueError, match="more decimal places than CNY has"):
        parse_money(text, "CNY")


def test_minor_units_follow_the_currency():
    assert [exponent_of(code) for code in ("CNY", "JPY", "KWD")] == [2, 0, 3]
