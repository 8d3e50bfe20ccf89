"""The sums of a Douyin order, and what each line has in them. All amounts are fen.

pay_amount = shares of the lines + freight (+ tax and packing, where the lines do not hold them).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.payload import Fields
from adapters.platforms.douyin.describe import CURRENCY
from domain.money import Money
from domain.order import Totals

ZERO = Money(0, CURRENCY)
_AMOUNT_MAX = 10**14
# The most that rounding may remove from the lines' shares, in minor units.
_ROUNDING_MINOR = 1


def fen(fields: Fields, name: str) -> Money:
    """A required amount in fen, zero or more."""
    return Money(fields.whole(name, 0, _AMOUNT_MAX), CURRENCY)


def fen_or(fields: Fields, name: str, default: Money) -> Money:
    return fen(fields, name) if fields.has(name) else default


@dataclass(frozen=True, slots=True)
class DouyinSums:
    """The order's sums, and the share of each of its lines in their order."""

    payable: Money
    freight: Money
    tax: Money
    fees: Money
    shares: tuple[Money, ...]


def read_sums(order: Fields, rows: Sequence[Fields]) -> DouyinSums:
    """Raises Poison for an amount that cannot be read.

    Nobody says whether a line's `pay_amount` holds its part of the freight, or whether the lines hold the tax and what
    packing costs. The first reading whose parts make the sum counts; where none does, the parts stand as they are
    named, and the sums do not add up.
    """
    payable, freight = fen(order, "pay_amount"), fen_or(order, "post_amount", ZERO)
    tax, packing = fen_or(order, "tax_amount", ZERO), fen_or(order, "packing_amount", ZERO)
    plain = tuple(fen(row, "pay_amount") for row in rows)
    own = [fen_or(row, "post_amount", ZERO).minor for row in rows]
    less_freight = tuple(Money(max(share.minor - part, 0), CURRENCY) for share, part in zip(plain, own, strict=True))
    beside = ((ZERO, ZERO), (tax, ZERO), (ZERO, packing), (tax, packing))
    for shares in (plain, less_freight):
        off = sum(share.minor for share in shares) + freight.minor - payable.minor
        for taxes, fees in beside:
            if abs(off + taxes.minor + fees.minor) <= _ROUNDING_MINOR:
                return DouyinSums(payable, freight, taxes, fees, shares)
    return DouyinSums(payable, freight, tax, packing, plain)


def totals_of(rows: Sequence[Fields], sums: DouyinSums, paid: Money) -> Totals:
    """`discount` is what lies between the goods with all beside them and the sum owed: whoever bears it."""
    beside = sums.freight + sums.tax + sums.fees
    gross = _total(
        fen(row, "sum_amount") if row.has("sum_amount") else share for row, share in zip(rows, sums.shares, strict=True)
    )
    goods = max(gross, sums.payable - beside)
    return Totals(
        goods=goods,
        discount=goods + beside - sums.payable,
        freight=sums.freight,
        tax=sums.tax,
        payable=sums.payable,
        paid=paid,
        services=ZERO,
        fees=sums.fees,
    )


def _total(amounts: Iterable[Money]) -> Money:
    return sum(amounts, ZERO)
