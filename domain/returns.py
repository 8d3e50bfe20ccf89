"""Parcels that come back: what is expected, and what a count of one means. Pure rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class ReturnReason(StrEnum):
    """Why a parcel is expected back. `UNEXPECTED`: it came back, and nobody had expected it."""

    INTERCEPTED = "intercepted"
    BROUGHT_BACK = "brought_back"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Back:
    """Pieces of a line, or of a SKU, that were counted: fit for sale, and damaged."""

    sellable: int = 0
    damaged: int = 0

    @property
    def pieces(self) -> int:
        return self.sellable + self.damaged


@dataclass(frozen=True, slots=True)
class SentLine:
    """Pieces of a line that a package held when it left."""

    line_id: str
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class CountedLine:
    """A row of a count as it was told: by line id, or by SKU where the line is empty."""

    line_id: str
    sku: str
    back: Back


@dataclass(frozen=True, slots=True)
class BackLine:
    """What came back of a line. Pieces that are neither sellable nor damaged did not come back."""

    line_id: str
    sku: str
    sent: int
    back: Back


@dataclass(frozen=True, slots=True)
class Surplus:
    """Pieces that were counted and that the package never held, by line id or SKU: no stock follows from them."""

    pieces: Mapping[str, int]


def spread(sent: Sequence[SentLine], counted: Iterable[CountedLine]) -> tuple[tuple[BackLine, ...], Surplus]:
    """What came back of each line, and what is left over.

    A SKU that several lines share fills them in their order, sellable pieces first.
    """
    left = {one.line_id: one.quantity for one in sent}
    back = {one.line_id: Back() for one in sent}
    surplus: dict[str, int] = {}
    for row in counted:
        mine = [one for one in sent if (one.line_id == row.line_id if row.line_id else one.sku == row.sku)]
        sellable, damaged = row.back.sellable, row.back.damaged
        for one in mine:
            good = min(sellable, left[one.line_id])
            bad = min(damaged, left[one.line_id] - good)
            left[one.line_id] -= good + bad
            sellable, damaged = sellable - good, damaged - bad
            was = back[one.line_id]
            back[one.line_id] = Back(was.sellable + good, was.damaged + bad)
        if sellable + damaged:
            name = row.line_id or row.sku
            surplus[name] = surplus.get(name, 0) + sellable + damaged
    lines = tuple(BackLine(one.line_id, one.sku, one.quantity, back[one.line_id]) for one in sent)
    return lines, Surplus(surplus)


def everything(sent: Sequence[SentLine], *, is_damaged: bool) -> list[CountedLine]:
    """A count that finds all that was sent, fit for sale or damaged."""
    return [
        CountedLine(one.line_id, one.sku, Back(damaged=one.quantity) if is_damaged else Back(sellable=one.quantity))
        for one in sent
    ]
