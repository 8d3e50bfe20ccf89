"""What a buyer pays: every sum of a generated order adds up to the fen.

Line discounts come off a line's goods; a promotion of the whole trade is shared over its lines; what is
left of a line is its `divided` share. Shares and freight together are the payment.
"""

import random
from dataclasses import dataclass

from sandbox.model import PlannedOrder

_LINE_DISCOUNT_SHARE = 0.25
_PROMOTION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """Fen. `gross` goods before discounts, `share` of the trade's promotion, `divided` what was paid for it."""

    gross: int
    discount: int
    share: int

    @property
    def divided(self) -> int:
        return self.gross - self.discount - self.share


@dataclass(frozen=True, slots=True)
class TradeAmounts:
    """Fen. `promotion` is the trade's own discount, the sum of the lines' shares.

    `goods` and `payment` leave out the lines that were closed before the buyer paid.
    """

    lines: tuple[LineAmounts, ...]
    promotion: int
    freight: int
    closed: frozenset[int] = frozenset()
    """Places of the lines that count in no sum."""

    @property
    def counted(self) -> tuple[LineAmounts, ...]:
        return tuple(line for place, line in enumerate(self.lines) if place not in self.closed)

    @property
    def goods(self) -> int:
        return sum(line.gross for line in self.counted)

    @property
    def payment(self) -> int:
        return sum(line.divided for line in self.counted) + self.freight


def amounts_of(order: PlannedOrder) -> TradeAmounts:
    """The order's sums; the same order always has the same ones."""
    gross = [line.price * line.quantity for line in order.lines]
    closed = frozenset(place for place, line in enumerate(order.lines) if line.is_closed)
    if order.is_plain:
        return TradeAmounts(tuple(LineAmounts(sum_, 0, 0) for sum_ in gross), 0, order.freight, closed)
    draw = random.Random(order.seed)
    discounts = [_line_discount(draw, sum_) for sum_ in gross]
    discounts = [0 if place in closed else discount for place, discount in enumerate(discounts)]
    left = [gross[place] - discounts[place] for place in range(len(gross)) if place not in closed]
    promotion = sum(left) * draw.randint(3, 15) // 100 if draw.random() < _PROMOTION_SHARE else 0
    spread_ = iter(spread(promotion, left)) if left else iter(())
    shares = [0 if place in closed else next(spread_) for place in range(len(gross))]
    lines = tuple(LineAmounts(*row) for row in zip(gross, discounts, shares, strict=True))
    return TradeAmounts(lines, promotion, order.freight, closed)


def spread(total: int, weights: list[int]) -> list[int]:
    """Divide `total` in proportion to `weights`, the odd fen to the last; the parts sum up exactly."""
    whole = sum(weights)
    if whole == 0:
        return [0] * (len(weights) - 1) + [total]
    parts = [total * weight // whole for weight in weights]
    parts[-1] += total - sum(parts)
    return parts


def yuan(fen: int) -> str:
    """TOP's money text: yuan with two places."""
    return f"{fen // 100}.{fen % 100:02d}"


def _line_discount(draw: random.Random, gross: int) -> int:
    return gross * draw.randint(1, 20) // 100 if draw.random() < _LINE_DISCOUNT_SHARE else 0
