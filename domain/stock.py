"""Reservations from the pool: each fulfillment order gets all of its pieces or none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from domain.order import Lane, OrderLine


class Reservation(StrEnum):
    """What stock is reserved for a fulfillment order; a dimension beside its state."""

    NONE = "none"
    UNMAPPED = "unmapped"
    SHORT = "short"
    RESERVED = "reserved"
    ALLOCATED = "allocated"
    CONSUMED = "consumed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Demand:
    """Pieces that one fulfillment order wants, by SKU; each count is at least one."""

    id: int
    lane: Lane
    paid_at: datetime | None
    pieces: Mapping[str, int]

    def __post_init__(self) -> None:
        # A count below one would give stock to later demands.
        if any(count < 1 for count in self.pieces.values()):
            raise ValueError("a demand asks for at least one piece of each SKU")


@dataclass(frozen=True, slots=True)
class StockGrant:
    """The answer to a demand: reserved, short or unmapped, and the SKUs at fault."""

    demand_id: int
    reservation: Reservation
    skus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StockGrants:
    """Answers in the order in which they were given, and the pieces taken by SKU."""

    grants: tuple[StockGrant, ...]
    taken: Mapping[str, int]


_LANE_ORDER = {Lane.P0: 0, Lane.P1: 1, Lane.BULK: 2}
_NEVER = datetime.max.replace(tzinfo=UTC)


def pieces_of(lines: Iterable[OrderLine]) -> dict[str, int]:
    """Pieces to ship by SKU. Refunded lines and lines without a quantity count as zero; a line without a SKU counts
    under ``""``.
    """
    pieces: dict[str, int] = {}
    for line in lines:
        if line.quantity > 0 and not line.refunded:
            pieces[line.sku] = pieces.get(line.sku, 0) + line.quantity
    return pieces


def available(*, on_hand: int, reserved: int, frozen: int, allocated: int) -> int:
    """Pieces that may still be promised; zero while a correction has cut below the promises."""
    return max(0, on_hand - reserved - frozen - allocated)


def covers(levels: Mapping[str, Mapping[str, int]], placed: Iterable[tuple[str, Mapping[str, int]]]) -> bool:
    """Whether there is enough by location and SKU for all (location, pieces by SKU) together."""
    wanted: dict[tuple[str, str], int] = {}
    for location, pieces in placed:
        for sku, count in pieces.items():
            wanted[location, sku] = wanted.get((location, sku), 0) + count
    return all(levels.get(location, {}).get(sku, 0) >= count for (location, sku), count in wanted.items())


def grant_stock(demands: Iterable[Demand], levels: Mapping[str, int]) -> StockGrants:
    """Serve demands by lane, then payment time (unpaid last), then id.

    `levels`: available pieces by SKU; a SKU that is not in it is unknown to our stock. A demand that
    cannot be met whole takes nothing, so that a smaller one behind it may still be met.
    """
    left = dict(levels)
    taken: dict[str, int] = {}
    grants: list[StockGrant] = []
    for demand in sorted(demands, key=_turn):
        grant = _grant(demand, left)
        grants.append(grant)
        if grant.reservation is Reservation.RESERVED:
            for sku, count in demand.pieces.items():
                left[sku] -= count
                taken[sku] = taken.get(sku, 0) + count
    return StockGrants(tuple(grants), taken)


def _turn(demand: Demand) -> tuple[int, datetime, int]:
    return _LANE_ORDER[demand.lane], demand.paid_at or _NEVER, demand.id


def _grant(demand: Demand, left: Mapping[str, int]) -> StockGrant:
    unmapped = tuple(sorted(sku for sku in demand.pieces if sku not in left))
    if unmapped:
        return StockGrant(demand.id, Reservation.UNMAPPED, unmapped)
    short = tuple(sorted(sku for sku, count in demand.pieces.items() if left[sku] < count))
    if short:
        return StockGrant(demand.id, Reservation.SHORT, short)
    return StockGrant(demand.id, Reservation.RESERVED)


def fill(pieces: Mapping[str, int], levels: Mapping[str, int]) -> bool:
    """Whether one location with these available pieces can ship all of it."""
    return all(levels.get(sku, 0) >= count for sku, count in pieces.items())
