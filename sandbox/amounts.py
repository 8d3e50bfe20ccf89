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
    """Fen. `promotion` is the trade's own discount, the sum of the lines' shares."""

    lines: tuple[LineAmounts, ...]
    promotion: int
    freight: int

    @property
    def goods(self) -> int:
        return sum(line.gross for line in self.lines)

    @property
    def payment(self) -> int:
        return sum(line.divided for line in self.lines) + self.freight


def amounts_of(order: PlannedOrder) -> TradeAmounts:
    """The order's sums; the same order always has the same ones."""
    gross = [line.price * line.quantity for line in order.lines]
    if order.is_plain:
        return TradeAmounts(tuple(LineAmounts(sum_, 0, 0) for sum_ in gross), 0, order.freight)
    draw = random.Random(order.seed)
    discounts = [_line_discount(draw, sum_) for sum_ in gross]
    left = [sum_ - discount for sum_, discount in zip(gross, discounts, strict=True)]
    promotion = sum(left) * draw.randint(3, 15) // 100 if draw.random() < _PROMOTION_SHARE else 0
    shares = spread(promotion, left)
    lines = tuple(LineAmounts(*row) for row in zip(gross, discounts, shares, strict=True))
    return TradeAmounts(lines, promotion, order.freight)


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
