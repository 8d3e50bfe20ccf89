"""What is to be picked at a location: packages with their pieces, without a word of the receiver."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.tables.picking import load_picks, load_pieces
from infra.tables.pool import Database
from ops.views.looking import looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A package to pick. `pieces`: by SKU. `waybill`: the number to print in the courier's own tool."""

    package_id: int
    location: str
    courier: str
    lane: str
    state: str
    ship_by: datetime | None
    order_id: int
    order: str
    reference: str
    waybill: str
    pieces: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Packages that are picked in one walk: of one location, courier and lane. `pieces`: of all, by SKU."""

    location: str
    courier: str
    lane: str
    ship_by: datetime | None
    pieces: Mapping[str, int]
    packages: Sequence[Pick]


@dataclass(frozen=True, slots=True)
class Picks:
    """The most urgent packages first. `is_cut`: there are more than were asked for."""

    packages: Sequence[Pick]
    is_cut: bool


def picks(db: Database, locations: Sequence[str], limit: int) -> Picks:
    """What waits to be picked at these locations, `limit` packages at most."""
    with looking(db) as tx:
        rows = load_picks(tx, locations, limit + 1)
        pieces = load_pieces(tx, [row.package_id for row in rows[:limit]])
    found = [
        Pick(
            package_id=row.package_id,
            location=row.location,
            courier=row.courier,
            lane=row.lane,
            state=row.state,
            ship_by=row.ship_by,
            order_id=row.order_id,
            order=f"{row.platform}/{row.shop}/{row.platform_order_id}",
            reference=row.reference,
            waybill=row.waybill,
            pieces=_sum({one.sku: one.quantity} for one in pieces.get(row.package_id, ())),
        )
        for row in rows[:limit]
    ]
    return Picks(found, len(rows) > limit)


def waves(packages: Iterable[Pick]) -> list[Wave]:
    """The packages by wave; a wave stands where its most urgent package stands."""
    members: dict[tuple[str, str, str], list[Pick]] = {}
    for one in packages:
        members.setdefault((one.location, one.courier, one.lane), []).append(one)
    return [
        Wave(
            location=location,
            courier=courier,
            lane=lane,
            ship_by=min((one.ship_by for one in of if one.ship_by is not None), default=None),
            pieces=dict(sorted(_sum(one.pieces for one in of).items())),
            packages=of,
        )
        for (location, courier, lane), of in members.items()
    ]


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for sku, count in one.items():
            total[sku] = total.get(sku, 0) + count
    return total
