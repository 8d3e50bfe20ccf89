"""The sums of a TOP trade, and what each line has in them.

payment = shares of the lines + services + freight + the buyer's fee of cash on delivery + tax.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.payload import Fields
from adapters.platforms.taobao import describe
from domain.money import Money
from domain.order import OrderLine, OrderType, Totals

ZERO = Money(0, describe.CURRENCY)
# The most that rounding may remove from the lines' shares, in minor units.
_ROUNDING_MINOR = 1


@dataclass(frozen=True, slots=True)
class Sums:
    """The parts that the trade names. `tax`: of imports; it may stand inside the lines' shares as well."""

    payable: Money
    freight: Money
    services: Money
    fees: Money
    tax: Money

    @property
    def beside_goods(self) -> Money:
        return self.freight + self.services + self.fees + self.tax


def read_sums(trade: Fields, services: Iterable[OrderLine], order_type: OrderType) -> Sums:
    """The sums that the trade names, in minor units. Raises Poison for an amount that cannot be read."""
    return Sums(
        payable=trade.amount("payment", describe.CURRENCY),
        freight=trade.amount_or("post_fee", describe.CURRENCY, ZERO),
        services=_total(services),
        fees=_buyers_fee(trade) if order_type is OrderType.COD else ZERO,
        tax=trade.amount_or("order_tax_fee", describe.CURRENCY, ZERO),
    )


def share_of(sub: Fields, sums: Sums, *, is_only: bool) -> Money:
    """A line's share of the payment. Raises Poison.

    Without `divide_order_fee` it is what the line costs less its part of the trade's promotions. The `payment` of an
    only line is the trade's, with all that stands beside the goods.
    """
    if sub.has("divide_order_fee"):
        return sub.amount("divide_order_fee", describe.CURRENCY)
    if is_only and sub.has("payment") and sums.payable >= sums.beside_goods:
        payment = sub.amount("payment", describe.CURRENCY)
        if payment == sums.payable:
            return payment - sums.beside_goods
    cost = sub.amount("total_fee" if sub.has("total_fee") else "payment", describe.CURRENCY)
    return max(cost - sub.amount_or("part_mjz_discount", describe.CURRENCY, ZERO), ZERO)


def totals_of(trade: Fields, sums: Sums, lines: Iterable[OrderLine], paid: Money) -> Totals:
    """`discount` is what lies between goods with all beside them and the sum owed; a raised price raises the goods.

    TOP repeats one discount on trade, line and promotion, so its own fields cannot be added up. Nor does it say whether
    the lines' shares hold the tax: they do where they make the sum owed without it.
    """
    off = _total(lines) + sums.freight + sums.fees - sums.payable
    tax = ZERO if abs(off.minor) <= _ROUNDING_MINOR else sums.tax
    beside = sums.freight + sums.services + sums.fees + tax
    goods = max(trade.amount("total_fee", describe.CURRENCY), sums.payable - beside)
    return Totals(
        goods=goods,
        discount=goods + beside - sums.payable,
        freight=sums.freight,
        tax=tax,
        payable=sums.payable,
        paid=paid,
        services=sums.services,
        fees=sums.fees,
    )


def _buyers_fee(trade: Fields) -> Money:
    """The buyer does not pay the seller's part of the fee."""
    if trade.has("buyer_cod_fee"):
        return trade.amount("buyer_cod_fee", describe.CURRENCY)
    if not (trade.has("cod_fee") and trade.has("seller_cod_fee")):
        return ZERO
    sellers = trade.amount("seller_cod_fee", describe.CURRENCY)
    return max(trade.amount("cod_fee", describe.CURRENCY) - sellers, ZERO)


def _total(lines: Iterable[OrderLine]) -> Money:
    return sum((line.paid for line in lines), ZERO)
