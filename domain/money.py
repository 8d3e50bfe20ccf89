"""Money as an integer count of minor units (fen, cents) with its currency. Never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal

# ISO 4217 exponents that differ from two.
_EXPONENTS = {"JPY": 0, "KRW": 0, "VND": 0, "KWD": 3}
_INTEGER_DIGITS_MAX = 12
# Plain ASCII digits only: Decimal itself would also read exponents, underscores and other scripts' digits.
_AMOUNT = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?")


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """`minor` minor units of `currency`; arithmetic refuses to mix currencies."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other).minor, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.minor * quantity, self.currency)

    def __str__(self) -> str:
        exponent = exponent_of(self.currency)
        return f"{Decimal(self.minor).scaleb(-exponent):.{exponent}f} {self.currency}"

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")
        return other


def exponent_of(currency: str) -> int:
    """Number of decimal places of the currency's minor unit (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def parse_money(text: str, currency: str) -> Money:
    """Read a plain decimal amount such as ``"323.58"``.

    Raises ValueError for anything else: exponents, grouping, more decimal places than the currency has
    (zeros aside), more than `_INTEGER_DIGITS_MAX` integer digits.
    """
    plain = text.strip()
    match = _AMOUNT.fullmatch(plain)
    if match is None or not any(map(str.isdigit, plain)):
        raise ValueError("not a plain decimal amount")
    sign, units, places = match[1], match[2], (match[3] or "").rstrip("0")
    exponent = exponent_of(currency)
    if len(units) > _INTEGER_DIGITS_MAX:
        raise ValueError("amount out of range")
    if len(places) > exponent:
        raise ValueError(f"more decimal places than {currency} has")
    minor = int(f"{units}{places:0<{exponent}}" or "0")
    return Money(-minor if sign == "-" else minor, currency)
