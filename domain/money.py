"""Money as an integer count of minor units (fen, cents) with its currency. Never a float."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

# ISO 4217 exponents that differ from two.
_EXPONENTS = {"JPY": 0, "KRW": 0, "VND": 0, "KWD": 3}
_INTEGER_DIGITS_MAX = 12


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

    Raises ValueError for anything that is not a finite decimal with at most the currency's places
    and at most `_INTEGER_DIGITS_MAX` integer digits.
    """
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError("not a decimal amount") from None
    if not amount.is_finite() or amount.adjusted() >= _INTEGER_DIGITS_MAX:
        raise ValueError("amount out of range")
    minor = amount.scaleb(exponent_of(currency))
    if minor != minor.to_integral_value():
        raise ValueError(f"more decimal places than {currency} has")
    return Money(int(minor), currency)
