"""Which pieces each of some chosen sites ships.

Numbers only: a site is its rank (0 is best), an item the index of a line. What is best, in this order: the fewest SKUs
of which a line is divided (none where lines must stay whole), then the most pieces from the best-ranked site, then from
the next. SKUs do not compete for stock, so each SKU is packed separately. Only the least value of a site's goods
concerns all SKUs together.

Small inputs are searched exactly. Above a number of nodes first fit decides: the largest lines first, each at the
best-ranked site that has room. First fit may miss a packing; `is_cut_off` is then true.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

_Answer = TypeVar("_Answer")

_SKU_NODES = 4_000
_VALUE_NODES = 4_000
# Above these numbers of lines no recursion is tried.
_EXACT_LINES_OF_SKU = 12
_EXACT_LINES = 24

# Pieces by site and item.
Loads = dict[int, dict[int, int]]


@dataclass(frozen=True, slots=True)
class PackItem:
    """A line's pieces of one SKU. `value`: minor units of all `quantity` pieces; a share of it is rounded down."""

    sku: str
    quantity: int
    value: int

    def share(self, count: int) -> int:
        return self.value * count // self.quantity


class CutOff(Exception):
    """The budget of nodes is spent."""


@dataclass(slots=True)
class Budget:
    """Nodes that a search may still visit; one takes about a microsecond."""

    left: int

    def spend(self, nodes: int = 1) -> None:
        """Raises CutOff."""
        self.left -= nodes
        if self.left < 0:
            raise CutOff

    def within(self, most: int, question: Callable[["Budget"], _Answer]) -> _Answer:
        """The answer to a question that may spend a part of the budget, `most` nodes. Raises CutOff."""
        granted = max(0, min(most, self.left))
        own = Budget(granted)
        try:
            return question(own)
        finally:
            self.left -= granted - max(0, own.left)


class Packing:
    """Packs `items` into sites with this `stock` (available pieces by SKU). `divides`: a line may be divided."""

    def __init__(self, items: Sequence[PackItem], stock: Sequence[Mapping[str, int]], *, divides: bool) -> None:
        self.is_cut_off = False
        self.items = items
        self.stock = stock
        self.divides = divides
        self.of_sku: dict[str, list[int]] = {}
        for index, item in enumerate(items):
            self.of_sku.setdefault(item.sku, []).append(index)

    def fits(self, sku: str, sites: Sequence[int], budget: Budget) -> bool:
        """Whether these sites can ship all of a SKU. Never raises CutOff."""
        counts = [self.items[index].quantity for index in self.of_sku[sku]]
        room = [self.stock[site].get(sku, 0) for site in sites]
        if self.divides or sum(room) < sum(counts):
            return sum(room) >= sum(counts)
        return _first_fit_of(counts, room) is not None or self._keep_whole(counts, room, budget) is not None

    def pack(self, sites: Sequence[int], budget: Budget) -> Loads | None:
        """The best loads of these sites, or None where they cannot ship everything. Never raises CutOff."""
        loads: Loads = {site: {} for site in sites}
        for sku in self.of_sku:
            placed = self.pack_sku(sku, sites, budget)
            if placed is None:
                return None
            for site, index, count in placed:
                loads[site][index] = count
        return loads

    def pack_sku(self, sku: str, sites: Sequence[int], budget: Budget) -> list[tuple[int, int, int]] | None:
        """(site, item, pieces) of one SKU, or None."""
        of = self.of_sku[sku]
        counts = [self.items[index].quantity for index in of]
        room = [self.stock[site].get(sku, 0) for site in sites]
        if sum(room) < sum(counts):
            return None
        whole = self._keep_whole(counts, room, budget)
        if whole is not None:
            return [(sites[slot], index, count) for index, slot, count in zip(of, whole, counts, strict=True)]
        return list(_spread(of, counts, sites, room)) if self.divides else None

    def _keep_whole(self, counts: Sequence[int], room: Sequence[int], budget: Budget) -> Sequence[int] | None:
        """The place of each count so that none is divided and the first places are the fullest, or None."""
        if len(counts) == 1 or room[0] >= sum(counts):
            slot = next((slot for slot, free in enumerate(room) if free >= sum(counts)), None)
            return None if slot is None else [slot] * len(counts)
        if len(counts) <= _EXACT_LINES_OF_SKU:
            try:
                return budget.within(_SKU_NODES, lambda own: _Whole(counts, own).places(room))
            except CutOff:
                pass
        slots = _first_fit_of(counts, room)
        self.is_cut_off = self.is_cut_off or slots is None
        return slots

    def values(self, loads: Mapping[int, Mapping[int, int]]) -> dict[int, int]:
        """Minor units by site."""
        return {
            site: sum(self.items[index].share(count) for index, count in load.items()) for site, load in loads.items()
        }

    def keep_least_value(self, loads: Loads, least: int, budget: Budget) -> Loads | None:
        """The best loads of the same sites of which none is worth less than `least`, or None. Never raises CutOff.

        One site alone may be worth anything: nothing is split.
        """
        if len(loads) == 1 or min(self.values(loads).values()) >= least:
            return loads
        if sum(item.value for item in self.items) < least * len(loads):
            return None
        if len(self.items) <= _EXACT_LINES:
            try:
                return budget.within(_VALUE_NODES, lambda own: _WithLeastValue(self, tuple(loads), least, own).best())
            except CutOff:
                pass
        topped_up = self._top_up(loads, least)
        self.is_cut_off = self.is_cut_off or topped_up is None
        return topped_up

    def _top_up(self, loads: Loads, least: int) -> Loads | None:
        """Gives sites below the least value pieces that others can spare, the dearest pieces first."""
        loads = {site: dict(load) for site, load in loads.items()}
        values = self.values(loads)
        for poor in loads:
            others = [(index, donor) for donor, load in loads.items() if donor != poor for index in load]
            for index, donor in sorted(others, key=self._dearest):
                if values[poor] >= least:
                    break
                count = self._spare(loads, values, (donor, poor), index, least)
                if count:
                    loads[donor][index] -= count
                    if not loads[donor][index]:
                        del loads[donor][index]
                    loads[poor][index] = loads[poor].get(index, 0) + count
                    values = self.values(loads)
        return loads if min(values.values()) >= least else None

    def _dearest(self, move: tuple[int, int]) -> tuple[int, int, int]:
        index, donor = move
        # A thousandth of a minor unit decides between prices of one piece well enough.
        return -self.items[index].value * 1000 // self.items[index].quantity, index, donor

    def _spare(self, loads: Loads, values: Mapping[int, int], move: tuple[int, int], index: int, least: int) -> int:
        """How many pieces of an item the donor can give to the poor site, about as many as that site lacks."""
        donor, poor = move
        item, has = self.items[index], loads[donor][index]
        used = sum(count for other, count in loads[poor].items() if self.items[other].sku == item.sku)
        count = min(has, self.stock[poor].get(item.sku, 0) - used)
        if not item.value or (not self.divides and count < has):
            return 0
        if self.divides:
            # One piece more than by the price: shares are rounded down.
            count = min(count, (least - values[poor]) * item.quantity // item.value + 1)
        while count > 0 and values[donor] - item.share(has) + item.share(has - count) < least:
            count = count - 1 if self.divides else 0
        return count


def _spread(
    of: Sequence[int], counts: Sequence[int], sites: Sequence[int], room: list[int]
) -> Iterator[tuple[int, int, int]]:
    """Fills one site after the other with one line after the other; together they have room for all."""
    slot = 0
    for index, count in zip(of, counts, strict=True):
        wanted = count
        while wanted:
            takes = min(wanted, room[slot])
            if takes:
                yield sites[slot], index, takes
            room[slot] -= takes
            wanted -= takes
            slot += wanted > 0


def _first_fit_of(counts: Sequence[int], room: Sequence[int]) -> Sequence[int] | None:
    # What was filled in the order of the lines packs in that order again.
    largest_first = sorted(range(len(counts)), key=lambda index: -counts[index])
    return _first_fit(counts, room, largest_first) or _first_fit(counts, room, range(len(counts)))


def _first_fit(counts: Sequence[int], room: Sequence[int], turns: Sequence[int]) -> Sequence[int] | None:
    left = list(room)
    slots = [0] * len(counts)
    for index in turns:
        slot = next((slot for slot, free in enumerate(left) if free >= counts[index]), None)
        if slot is None:
            return None
        left[slot] -= counts[index]
        slots[index] = slot
    return slots


_Load = tuple[int, ...]


class _Whole:
    """The exact packing of undivided lines of one SKU."""

    def __init__(self, counts: Sequence[int], budget: Budget) -> None:
        self._counts = counts
        self._budget = budget
        self._rest = [sum(counts[index:]) for index in range(len(counts) + 1)]
        self._known: dict[tuple[int, tuple[int, ...]], tuple[_Load, tuple[int, ...]] | None] = {}

    def places(self, room: Sequence[int]) -> Sequence[int] | None:
        """Raises CutOff."""
        best = self._best(0, tuple(room))
        return None if best is None else best[1]

    def _best(self, index: int, room: tuple[int, ...]) -> tuple[_Load, tuple[int, ...]] | None:
        """Negated pieces by place, and the place of each line from `index` on."""
        if index == len(self._counts):
            return (0,) * len(room), ()
        # More room than all lines together need makes no difference.
        key = index, tuple(min(free, self._rest[index]) for free in room)
        if key in self._known:
            return self._known[key]
        self._budget.spend(len(room))
        best: tuple[_Load, tuple[int, ...]] | None = None
        count = self._counts[index]
        for slot, free in enumerate(room):
            if free < count:
                continue
            rest = self._best(index + 1, (*room[:slot], free - count, *room[slot + 1 :]))
            if rest is None:
                continue
            load = (*rest[0][:slot], rest[0][slot] - count, *rest[0][slot + 1 :])
            if best is None or load < best[0]:
                best = load, (slot, *rest[1])
        self._known[key] = best
        return best


class _WithLeastValue:
    """The exact packing of all lines under a least value: branch and bound over lines in their order."""

    def __init__(self, packing: Packing, sites: Sequence[int], least: int, budget: Budget) -> None:
        self._items = packing.items
        self._divides = packing.divides
        self._sites = sites
        self._least = least
        self._budget = budget
        self._room = {sku: [packing.stock[site].get(sku, 0) for site in sites] for sku in packing.of_sku}
        # What the lines from an index on can still add at most: value by place, and pieces at the first place.
        self._value_to_come = [[0] * len(sites)]
        self._first_to_come = [0]
        for item in reversed(self._items):
            most = [self._most(item, free) for free in self._room[item.sku]]
            to_come = zip(self._value_to_come[-1], most, strict=True)
            self._value_to_come.append([value + item.share(count) for value, count in to_come])
            self._first_to_come.append(self._first_to_come[-1] + most[0])
        self._value_to_come.reverse()
        self._first_to_come.reverse()
        self._chosen: list[_Load] = []
        self._best: tuple[tuple[int, _Load], list[_Load]] | None = None

    def _most(self, item: PackItem, free: int) -> int:
        return min(item.quantity, free) if self._divides else item.quantity * (free >= item.quantity)

    def best(self) -> Loads | None:
        """Raises CutOff."""
        slots = (0,) * len(self._sites)
        self._visit(0, slots, slots, frozenset())
        if self._best is None:
            return None
        loads: Loads = {site: {} for site in self._sites}
        for index, counts in enumerate(self._best[1]):
            for site, count in zip(self._sites, counts, strict=True):
                if count:
                    loads[site][index] = count
        return loads

    def _visit(self, index: int, pieces: _Load, values: _Load, divided: frozenset[str]) -> None:
        self._budget.spend()
        to_come = zip(values, self._value_to_come[index], strict=True)
        if any(value + more < self._least for value, more in to_come) or self._is_hopeless(index, pieces, divided):
            return
        if index == len(self._items):
            key = len(divided), tuple(-count for count in pieces)
            if self._best is None or key < self._best[0]:
                self._best = key, list(self._chosen)
            return
        item = self._items[index]
        room = self._room[item.sku]
        for counts in self._options(item.quantity, tuple(room)):
            self._chosen.append(counts)
            for slot, count in enumerate(counts):
                room[slot] -= count
            self._visit(
                index + 1,
                tuple(map(sum, zip(pieces, counts, strict=True))),
                tuple(value + item.share(count) for value, count in zip(values, counts, strict=True)),
                divided | {item.sku} if max(counts) < item.quantity else divided,
            )
            for slot, count in enumerate(counts):
                room[slot] += count
            self._chosen.pop()

    def _is_hopeless(self, index: int, pieces: _Load, divided: frozenset[str]) -> bool:
        if self._best is None:
            return False
        (least_divided, load), _ = self._best
        most_at_first = pieces[0] + self._first_to_come[index]
        return (len(divided), -most_at_first) > (least_divided, load[0])

    def _options(self, count: int, room: _Load) -> Iterator[_Load]:
        """Every way to place a line: whole ones first, then those with the most pieces at the first places."""
        whole = [slot for slot, free in enumerate(room) if free >= count]
        for slot in whole:
            yield tuple(count * (other == slot) for other in range(len(room)))
        if self._divides and sum(room) >= count:
            yield from (counts for counts in _divisions(count, room) if max(counts) < count)


def _divisions(count: int, room: _Load) -> Iterator[_Load]:
    """Every way to place pieces; there is room for all of them."""
    if len(room) == 1:
        yield (count,)
        return
    elsewhere = sum(room[1:])
    for takes in range(min(count, room[0]), max(0, count - elsewhere) - 1, -1):
        for rest in _divisions(count - takes, room[1:]):
            yield (takes, *rest)
