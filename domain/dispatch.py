"""What is handed to a warehouse, and what becomes of an order that the warehouse refuses or picks short. Pure rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class PlacementStatus(StrEnum):
    """Where a document stands. `INTENDED`: not known to be at the warehouse. `FINAL`: the warehouse told the end."""

    INTENDED = "intended"
    PLACED = "placed"
    REFUSED = "refused"
    STOPPED = "stopped"
    FINAL = "final"


# The warehouse has the document, or has worked it off: no further one is placed for the fulfillment order.
AT_WAREHOUSE = frozenset({PlacementStatus.PLACED, PlacementStatus.FINAL})

SHORT, UNKNOWN_SKU, CAPACITY, OTHER = "short", "unknown_sku", "capacity", "other"
_KNOWN_CODES = frozenset({SHORT, UNKNOWN_SKU, CAPACITY, OTHER})
# Refusals that say that our figure of the stock there is wrong.
_CORRECTS = frozenset({SHORT, UNKNOWN_SKU})


def code_of(text: object) -> str:
    """A refusal's code in our words; what we do not know is `OTHER`."""
    return str(text) if text in _KNOWN_CODES else OTHER


@dataclass(frozen=True, slots=True)
class DocumentRefusal:
    """A warehouse does not do a document. `missing`: pieces by SKU that are not there; empty where it does not say.

    `text`: its own words.
    """

    code: str
    missing: Mapping[str, int] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a refusal says of a location's stock, by SKU.

    `lost`: pieces that were allocated to the order and are not on the shelf. `nothing_free`: SKUs of which the shelf
    has no piece beyond what other documents were promised, or the order would have been filled.
    """

    lost: Mapping[str, int] = field(default_factory=dict)
    nothing_free: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        return not self.lost and not self.nothing_free


def correction(refusal: DocumentRefusal, pieces: Mapping[str, int]) -> Correction:
    """What a refusal does to the stock of the location; `pieces`: of the document, by SKU.

    Capacity and other reasons leave the stock. A shortage that names no SKU is the only SKU's; among several nobody
    knows which, and the stock is left: the location is not asked again for this order.
    """
    if refusal.code not in _CORRECTS:
        return Correction()
    named = frozenset(refusal.missing.keys() & pieces.keys())
    if not named and len(pieces) == 1:
        named = frozenset(pieces)
    if refusal.code == UNKNOWN_SKU:
        lost = {sku: pieces[sku] for sku in sorted(named)}
    else:
        lost = {sku: min(pieces[sku], max(0, refusal.missing.get(sku, pieces[sku]))) for sku in sorted(named)}
    return Correction({sku: count for sku, count in lost.items() if count}, named)


@dataclass(frozen=True, slots=True)
class Picked:
    """Pieces of a line: `planned` by the document, `actual` in the end."""

    line: str
    planned: int
    actual: int


def shortfall(picked: Iterable[Picked], planned: Mapping[str, int]) -> dict[str, int]:
    """Pieces by line that the warehouse has not picked, of what the document planned.

    A line that the event leaves out is unknown, not short. More than planned is no shortfall.
    """
    short: dict[str, int] = {}
    for one in picked:
        if one.line in planned:
            missing = min(planned[one.line], max(0, planned[one.line] - max(0, one.actual)))
            if missing:
                short[one.line] = missing
    return short


@dataclass(frozen=True, slots=True)
class EventBox:
    """A package that a warehouse tells of. `lines`: pieces by line, empty where it does not say."""

    waybill: str
    courier: str = ""
    weight_g: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filled:
    """A package with the pieces that it is taken to hold."""

    box: EventBox
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Packed:
    """New packages. `differs`: by line, what the packages hold beyond or below what the lines say (for a warning)."""

    boxes: tuple[Filled, ...]
    differs: Mapping[str, int] = field(default_factory=dict)


def fill_boxes(boxes: Sequence[EventBox], left: Mapping[str, int], *, is_final: bool) -> Packed:
    """Put what is `left` to pack, by line, into packages that are new.

    Packages rule the waybills, so every box becomes a package. Lines rule the stock: no box holds more than is left.
    A box that does not say what it holds gets all that no other box claims; of several such boxes the first one.
    `is_final`: no package comes after these, so what none claims is a difference.
    """
    rest = {line: count for line, count in left.items() if count > 0}
    differs: dict[str, int] = {}
    filled: dict[int, dict[str, int]] = {}
    for index, box in enumerate(boxes):
        for line, count in box.lines.items():
            taken = min(max(0, count), rest.get(line, 0))
            if taken:
                filled.setdefault(index, {})[line] = taken
                rest[line] -= taken
            if count != taken:
                differs[line] = differs.get(line, 0) + count - taken
    silent = [index for index, box in enumerate(boxes) if not box.lines]
    if silent:
        filled[silent[0]] = {line: count for line, count in rest.items() if count}
        rest = {}
    if is_final:
        for line, count in rest.items():
            if count:
                differs[line] = differs.get(line, 0) - count
    return Packed(tuple(Filled(box, filled.get(index, {})) for index, box in enumerate(boxes)), differs)


def known_waybill(text: str) -> str:
    """A waybill as it is compared: without blanks, whatever its case."""
    return "".join(text.split()).casefold()
