"""What to make of the waybills of a package and the documents of a fulfillment order that we may not know, as after a
restored backup.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class CourierShipment:
    """A courier's shipment under the reference of one generation."""

    generation: int
    waybill: str
    alive: bool


class Difference(StrEnum):
    """How our record and the courier's differ."""

    AGREES = "agrees"
    NOTHING_THERE = "nothing there"
    ADOPT = "adopt"
    GONE = "gone"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`keep` is the waybill the package travels with; `void` are living ones beside it."""

    finding: Difference
    keep: CourierShipment | None = None
    void: tuple[CourierShipment, ...] = ()


@dataclass(frozen=True, slots=True)
class WarehouseDocument:
    """A warehouse's document under the reference of one generation. `is_alive`: neither refused nor stopped."""

    location: str
    generation: int
    is_alive: bool


@dataclass(frozen=True, slots=True)
class ComparedDocuments:
    """`keep` is the document that is adopted; `further` are living ones beside it, or beside ours."""

    finding: Difference
    keep: WarehouseDocument | None = None
    further: tuple[WarehouseDocument, ...] = ()


def compare_documents(
    generation: int | None, location: str, found: Sequence[WarehouseDocument], *, is_placed: bool
) -> ComparedDocuments:
    """`generation` and `location` are our live document's, if we have one; `is_placed`: as far as we know.

    Ours is kept while it lives. Otherwise the highest living generation is adopted: it was placed after those below it
    had been refused or stopped. What we know as placed is not replaced by another one: a person decides.
    """
    living = sorted((one for one in found if one.is_alive), key=lambda one: one.generation)
    ours = next((one for one in living if (one.generation, one.location) == (generation, location)), None)
    if ours is not None:
        return ComparedDocuments(Difference.AGREES, ours, tuple(one for one in living if one is not ours))
    if is_placed:
        return ComparedDocuments(Difference.CONTRADICTS if living else Difference.GONE, further=tuple(living))
    if not living:
        return ComparedDocuments(Difference.NOTHING_THERE)
    return ComparedDocuments(Difference.ADOPT, living[-1], tuple(living[:-1]))


def compare(generation: int | None, waybill: str | None, found: Sequence[CourierShipment]) -> Comparison:
    """`generation` and `waybill` are our live shipment's, as far as we have them.

    The waybill we know is kept while it lives, because labels, platform and buyer may have it already.
    Otherwise the highest living generation is: it was booked after those below it were given up.
    """
    living = sorted((one for one in found if one.alive), key=lambda one: one.generation)
    if not living:
        return Comparison(Difference.GONE if waybill else Difference.NOTHING_THERE)
    if waybill is not None and any(one.generation == generation and one.waybill != waybill for one in living):
        return Comparison(Difference.CONTRADICTS)
    known = next((one for one in living if one.waybill == waybill), None)
    keep = known or living[-1]
    void = tuple(one for one in living if one is not keep)
    return Comparison(Difference.AGREES if known else Difference.ADOPT, keep, void)
