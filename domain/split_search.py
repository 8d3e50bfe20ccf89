"""Which sites together ship an order that no single site can ship.

Numbers only, as in `domain/packing.py`. What is best, in this order: the fewest sites; the best-ranked ones (of two
sets of a size the one that is smaller as a sorted list); the best packing of their pieces.

The search is exact within a budget of nodes. Beyond it sites are chosen greedily: again and again the one that ships
the most of the pieces still open, the best-ranked one of equals. Then fewer sites may be possible, or a split that the
greedy choice misses; `is_cut_off` tells so. An answer depends on the input alone, never on a clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import accumulate

from domain.packing import Budget, CutOff, Loads, Packing, PackItem

NODES = 40_000


@dataclass(frozen=True, slots=True)
class FoundSplit:
    """Pieces by site and item; sites in the order of their rank, none without a piece."""

    loads: Mapping[int, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class RefusedSplit:
    """A limit forbids every split that was found. `parts`: sites of the best one without limits.

    `value`: minor units at its poorest site. `by_value`: it has few enough parts, and the least value refused it.
    """

    parts: int
    value: int
    by_value: bool


class Search:
    """One search over `items` and the `stock` of each site (available pieces by SKU, the best-ranked site first).

    `divides`: the pieces of an item may come from several sites; without it one site ships an item whole.
    """

    def __init__(
        self, items: Sequence[PackItem], stock: Sequence[Mapping[str, int]], *, divides: bool, nodes: int = NODES
    ) -> None:
        self._packing = Packing(items, stock, divides=divides)
        self._sites = range(len(stock))
        self._budget = Budget(nodes)
        self._is_greedy = False
        self._unplaceable: tuple[str, ...] | None = None
        # The best split without limits, once one is found.
        self._unlimited: Loads | None = None
        self._every = (1 << len(self._packing.of_sku)) - 1
        self._reach = [self._reached(levels) for levels in stock]
        # What the sites from a rank on reach together.
        self._reach_to_come = [0] * (len(stock) + 1)
        for site in reversed(self._sites):
            self._reach_to_come[site] = self._reach_to_come[site + 1] | self._reach[site]

    @property
    def is_cut_off(self) -> bool:
        """Whether not everything was tried."""
        return self._is_greedy or self._packing.is_cut_off

    def unplaceable(self) -> tuple[str, ...]:
        """SKUs that all sites together cannot ship."""
        if self._unplaceable is None:
            packing, budget = self._packing, Budget(NODES)
            self._unplaceable = tuple(sku for sku in packing.of_sku if not packing.fits(sku, self._sites, budget))
        return self._unplaceable

    def best(self, max_parts: int, least_value: int = 0) -> FoundSplit | RefusedSplit:
        """The best split within the limits. Raises ValueError where something is unplaceable."""
        if self.unplaceable():
            raise ValueError("all sites together cannot ship everything")
        self._unlimited = None
        try:
            answer = self._exactly(max_parts, least_value)
        except CutOff:
            answer = None
        if answer is None:
            self._is_greedy = True
            answer = self._greedily(max_parts, least_value)
        return answer

    def fill(self, sites: Sequence[int]) -> dict[int, int]:
        """Pieces by item that `sites` ship together, not all of them as a rule.

        Items take their turn in their order, each at the best-ranked site that has room for it whole; where items are
        divided, each takes what is there.
        """
        packing = self._packing
        budget = Budget(NODES)
        now: dict[int, int] = {}
        for sku, of in packing.of_sku.items():
            room = [packing.stock[site].get(sku, 0) for site in sites]
            if packing.fits(sku, sites, budget):
                now |= {index: packing.items[index].quantity for index in of}
                continue
            for index, count in _by_turns(packing, of, room):
                now[index] = now.get(index, 0) + count
        return dict(sorted(now.items()))

    def fullest(self, count: int) -> tuple[int, ...]:
        """At most `count` sites that ship much together, chosen greedily."""
        return tuple(sorted(self._fill_up(count)))

    def _exactly(self, max_parts: int, least_value: int) -> FoundSplit | RefusedSplit | None:
        """Raises CutOff; None where a packing was missed for want of nodes."""
        value = sum(item.value for item in self._packing.items)
        for sites in self._all_sets():
            if self._unlimited is not None and (len(sites) > max_parts or value < least_value * len(sites)):
                break
            loads = self._pack(sites)
            if loads is None:
                continue
            self._unlimited = self._unlimited or loads
            if len(sites) <= max_parts:
                kept = self._packing.keep_least_value(loads, least_value, self._budget)
                if kept is not None:
                    return FoundSplit({site: load for site, load in kept.items() if load})
        return None if self._unlimited is None else self._refused(self._unlimited, max_parts)

    def _reached(self, levels: Mapping[str, int]) -> int:
        """One bit for each SKU of which the site can ship an item, or a piece where items are divided."""
        packing = self._packing
        bits = 0
        for bit, (sku, of) in enumerate(packing.of_sku.items()):
            least = 1 if packing.divides else min(packing.items[index].quantity for index in of)
            bits |= (levels.get(sku, 0) >= least) << bit
        return bits

    def _all_sets(self) -> Iterator[tuple[int, ...]]:
        for size in range(self._least_size(), len(self._sites) + 1):
            yield from self._sets(size, 0, 0)

    def _least_size(self) -> int:
        """No fewer sites can ship any one SKU: the fullest ones of each are counted."""
        packing = self._packing
        least = 1
        for sku, of in packing.of_sku.items():
            room = sorted((levels.get(sku, 0) for levels in packing.stock), reverse=True)
            need = sum(packing.items[index].quantity for index in of)
            least = max(least, next(size for size, sum_ in enumerate(accumulate(room), start=1) if sum_ >= need))
        return least

    def _sets(self, size: int, start: int, reached: int) -> Iterator[tuple[int, ...]]:
        """Sets of `size` sites that reach every SKU, the best-ranked first."""
        self._budget.spend(len(self._sites) - start)
        for site in range(start, len(self._sites) - size + 1):
            if reached | self._reach_to_come[site] != self._every:
                return
            now = reached | self._reach[site]
            if size > 1:
                for rest in self._sets(size - 1, site + 1, now):
                    yield (site, *rest)
            elif now == self._every:
                yield (site,)

    def _pack(self, sites: Sequence[int]) -> Loads | None:
        self._budget.spend(1 + 2 * len(self._packing.items))
        return self._packing.pack(sites, self._budget)

    def _refused(self, loads: Loads, max_parts: int) -> RefusedSplit:
        return RefusedSplit(len(loads), min(self._packing.values(loads).values()), len(loads) <= max_parts)

    def _greedily(self, max_parts: int, least_value: int) -> FoundSplit | RefusedSplit:
        loads = self._slimmed(self._fill_up(len(self._sites)))
        if len(loads) <= max_parts:
            kept = self._packing.keep_least_value(loads, least_value, Budget(NODES))
            if kept is not None:
                return FoundSplit({site: load for site, load in kept.items() if load})
        return self._refused(self._unlimited or loads, max_parts)

    def _slimmed(self, chosen: Sequence[int]) -> Loads:
        """The loads of the chosen sites, without sites that the others can replace; the worst-ranked site is tried
        first.
        """
        packing, budget = self._packing, Budget(NODES)
        loads = packing.pack(sorted(chosen), budget) or packing.pack(self._sites, Budget(NODES)) or {}
        for site in reversed([site for site, load in loads.items() if load]):
            others = [other for other, load in loads.items() if load and other != site]
            budget.left -= len(packing.items) * (2 + len(others) // 8)
            if budget.left < 0:
                break
            loads = packing.pack(others, budget) or loads
        return {site: load for site, load in loads.items() if load}

    def _fill_up(self, count: int) -> list[int]:
        """At most `count` sites, each the one that ships the most of what is open after those before it."""
        packing = self._packing
        open_pieces = {
            sku: {index: packing.items[index].quantity for index in of} for sku, of in packing.of_sku.items()
        }
        chosen: list[int] = []
        # A site never ships more when less is open, so only the first of the heap must be asked again.
        heap = [(-self._gain(site, open_pieces), site) for site in self._sites]
        heapify(heap)
        while open_pieces and heap and len(chosen) < count:
            _, site = heappop(heap)
            gain = -self._gain(site, open_pieces)
            if heap and (gain, site) > heap[0]:
                heappush(heap, (gain, site))
            elif gain:
                chosen.append(site)
                for sku, index, takes in self._takes(site, open_pieces):
                    open_pieces[sku][index] -= takes
                    if not open_pieces[sku][index]:
                        del open_pieces[sku][index]
                    if not open_pieces[sku]:
                        del open_pieces[sku]
        return chosen

    def _gain(self, site: int, open_pieces: Mapping[str, Mapping[int, int]]) -> int:
        return sum(takes for _, _, takes in self._takes(site, open_pieces))

    def _takes(self, site: int, open_pieces: Mapping[str, Mapping[int, int]]) -> list[tuple[str, int, int]]:
        """(SKU, item, pieces) that a site would ship of what is open."""
        takes = []
        for sku, free in self._packing.stock[site].items():
            left = free
            for index, wanted in open_pieces.get(sku, {}).items():
                count = min(wanted, left) if self._packing.divides or left >= wanted else 0
                if count > 0:
                    takes.append((sku, index, count))
                    left -= count
        return takes


def _by_turns(packing: Packing, of: Sequence[int], room: list[int]) -> Iterator[tuple[int, int]]:
    for index in of:
        wanted = packing.items[index].quantity
        for slot, free in enumerate(room):
            takes = min(wanted, free) if packing.divides or free >= wanted else 0
            room[slot] -= takes
            wanted -= takes
            if takes:
                yield index, takes
