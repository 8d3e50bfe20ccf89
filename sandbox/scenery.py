"""Gives a share of the planned orders several lines, stock at two locations, or something that happens on the way."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from domain.errors import Misconfigured
from sandbox.model import Expected, PlannedLine, PlannedOrder, Scene, Ships, Sku
from sandbox.spec import Scenes

_QUANTITIES = (5, 2, 1)
_POOL_MAX, _ORDERS_PER_SKU = 200, 20
_LINES_MIN, _LINES_MAX = 2, 3
_ONE_LINE_SHARE = 0.5
_TWO_LOCATIONS = 2
_VIRTUAL = Sku("VIRTUAL-CARD", 690_000_000_000, 4_990_000_000_000, "会员月卡(自动发放)", "面值:月卡", 1500)

_Change = Callable[[PlannedOrder], PlannedOrder]


def with_scenes(
    draw: random.Random, orders: Sequence[PlannedOrder], scenes: Scenes, skus: Sequence[Sku], locations: int
) -> list[PlannedOrder]:
    """The orders; some of the orders that must ship are changed as `scenes` says, all others stay unchanged.

    `locations`: how many there are. Raises Misconfigured ``split_needs_two_locations``.
    """
    if (scenes.split or scenes.undividable) and locations < _TWO_LOCATIONS:
        raise Misconfigured("split_needs_two_locations", "orders can be split only over two locations or more")
    changed = list(orders)
    free = [place for place, order in enumerate(orders) if order.expected is Expected.SHIP and not order.is_presale]
    draw.shuffle(free)
    for share, change in _changes(draw, len(orders), scenes, skus):
        for _ in range(min(round(len(orders) * share), len(free))):
            place = free.pop()
            changed[place] = change(changed[place])
    return changed


def _changes(draw: random.Random, count: int, scenes: Scenes, skus: Sequence[Sku]) -> list[tuple[float, _Change]]:
    halves = _Halves(draw, _halves(skus, round(count * scenes.split)))
    remainders = _Remainders(draw, skus)

    def happens(scene: Scene) -> _Change:
        return lambda order: _among(draw, order, skus, lambda lines, place: (lines, scene, place))

    return [
        (scenes.split, halves),
        (scenes.undividable, remainders),
        (scenes.line_closed, lambda order: _among(draw, order, skus, _closed)),
        (scenes.refund_withdrawn, happens(Scene.REFUND_WITHDRAWN)),
        (scenes.refund_paid, happens(Scene.REFUND_PAID)),
        (scenes.refund_all, happens(Scene.REFUND_ALL)),
        (scenes.shipped_by_hand, happens(Scene.SHIPPED_BY_HAND)),
        (scenes.platform_line, lambda order: _platform_line(draw, order, skus)),
        (scenes.virtual_line, lambda order: _among(draw, order, skus, _virtual)),
    ]


_Lines = tuple[PlannedLine, ...]
_Told = Callable[[_Lines, int], tuple[_Lines, Scene | None, int]]


def _among(draw: random.Random, order: PlannedOrder, skus: Sequence[Sku], tell: _Told) -> PlannedOrder:
    """The order with two or three lines, one of them chosen for what `tell` makes of it."""
    chosen = draw.sample(range(len(skus)), draw.randint(_LINES_MIN, _LINES_MAX))
    lines = tuple(PlannedLine(skus[place], draw.randint(1, 2), skus[place].price) for place in chosen)
    lines, scene, place = tell(lines, draw.randrange(len(lines)))
    return replace(order, lines=lines, scene=scene, scene_line=place)


def _with(lines: _Lines, place: int, line: PlannedLine) -> _Lines:
    return (*lines[:place], line, *lines[place + 1 :])


def _closed(lines: _Lines, place: int) -> tuple[_Lines, Scene | None, int]:
    return _with(lines, place, replace(lines[place], is_closed=True)), None, place


def _platform_line(draw: random.Random, order: PlannedOrder, skus: Sequence[Sku]) -> PlannedOrder:
    """One of several lines, or the whole order."""
    if draw.random() < _ONE_LINE_SHARE:
        lines = tuple(replace(line, ships=Ships.PLATFORM) for line in order.lines)
        return replace(order, expected=Expected.NOT_OURS, lines=lines, scene=Scene.PLATFORM_SHIPS)
    return _among(draw, order, skus, _of_platform)


def _of_platform(lines: _Lines, place: int) -> tuple[_Lines, Scene | None, int]:
    return _with(lines, place, replace(lines[place], ships=Ships.PLATFORM)), Scene.PLATFORM_SHIPS, place


def _virtual(lines: _Lines, place: int) -> tuple[_Lines, Scene | None, int]:
    line = PlannedLine(_VIRTUAL, 1, _VIRTUAL.price, Ships.NOBODY)
    return _with(lines, place, line), Scene.DELIVERED, place


def _halves(skus: Sequence[Sku], orders: int) -> tuple[list[Sku], list[Sku]]:
    """SKUs that lie at the first location alone, and at the second alone."""
    count = min(_POOL_MAX, max(len(_QUANTITIES), orders // _ORDERS_PER_SKU))
    return _pool(skus, "FIRST", count, (1, 0)), _pool(skus, "SECOND", count, (0, 1))


def _pool(skus: Sequence[Sku], name: str, count: int, shares: tuple[int, ...]) -> list[Sku]:
    return [_sibling(skus[place % len(skus)], f"{name}-{place:05d}", shares) for place in range(count)]


def _sibling(sku: Sku, name: str, shares: tuple[int, ...]) -> Sku:
    """A SKU of its own with the look and the price of another."""
    code = f"SKU-{name}"
    return replace(sku, code=code, title=f"{sku.title} {name}", shares=shares)


@dataclass(frozen=True, slots=True)
class _Halves:
    """Orders of which the two locations have one line and two."""

    draw: random.Random
    pools: tuple[list[Sku], list[Sku]]

    def __call__(self, order: PlannedOrder) -> PlannedOrder:
        few, many = self.draw.sample(self.pools, 2)
        chosen = [*self.draw.sample(few, 1), *self.draw.sample(many, 2)]
        self.draw.shuffle(chosen)
        quantities = self.draw.sample(_QUANTITIES, len(_QUANTITIES))
        lines = tuple(PlannedLine(sku, count, sku.price) for sku, count in zip(chosen, quantities, strict=True))
        return replace(order, lines=lines)


@dataclass(slots=True)
class _Remainders:
    """Orders of one line with a SKU of its own: three of its five pieces lie at one location, two at another."""

    draw: random.Random
    skus: Sequence[Sku]
    made: int = 0

    def __call__(self, order: PlannedOrder) -> PlannedOrder:
        sku = _sibling(self.draw.choice(self.skus), f"APART-{self.made:05d}", (3, 2))
        self.made += 1
        return replace(order, lines=(PlannedLine(sku, sum(sku.shares), sku.price),), expected=Expected.UNDIVIDABLE)
