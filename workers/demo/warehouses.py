"""The warehouses that a demo plays: where they are, and how each of them behaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from infra.config.settings import OWN
from sandbox.places import BRAZILIAN_LOCATIONS, CHINESE_LOCATIONS
from sandbox.spec import Floor, Location


class PlayedWarehouses(StrEnum):
    """`FEED`: each location takes orders by the feed protocol. `EVERY`: one location of each kind that there is."""

    FEED = "feed"
    EVERY = "every"


@dataclass(frozen=True, slots=True)
class Cast:
    """Locations and, by name, how their warehouses behave; both empty for the usual ones."""

    locations: tuple[Location, ...] = ()
    floors: Mapping[str, Floor] = field(default_factory=dict)


# Locations that take no orders: their warehouses learn of an order by a way of their own, here from its label.
UNTOLD: Mapping[str, Floor] = MappingProxyType(
    {place.name: Floor(learns_from="courier") for place in (*CHINESE_LOCATIONS, *BRAZILIAN_LOCATIONS)}
)
_SHANGHAI, _GUANGZHOU = CHINESE_LOCATIONS
_MORE = (
    Location(
        name="hangzhou",
        province="浙江省",
        city="杭州市",
        district="余杭区",
        detail="良渚街道古墩路8号仓",
        contact="杭仓发货组",
        phone="057188880003",
    ),
    Location(
        name="wuhan",
        province="湖北省",
        city="武汉市",
        district="洪山区",
        detail="关山大道12号库",
        contact="汉仓发货组",
        phone="02787870004",
    ),
    Location(
        name="chengdu",
        province="四川省",
        city="成都市",
        district="武侯区",
        detail="武侯大道26号工作室",
        contact="蓉仓发货组",
        phone="02885850005",
    ),
)
EVERY = Cast(
    (_SHANGHAI, _GUANGZHOU, *_MORE),
    MappingProxyType(
        {
            "shanghai": Floor(is_idempotent=False, repeats_events=0.2, late_events_s=0.3),
            "guangzhou": Floor(books_waybill=True, repeats_events=0.2),
            "hangzhou": Floor(books_waybill=True, splits=True, late_events_s=0.3),
            "wuhan": Floor(refuses=0.15, refuses_late=0.1, picks_short=0.15, repeats_events=0.2),
            "chengdu": Floor(learns_from="people"),
        }
    ),
)


def cast_of(played: PlayedWarehouses) -> Cast:
    """The locations and warehouses of a demo."""
    return EVERY if played is PlayedWarehouses.EVERY else Cast()


def kind_and_options(floor: Floor) -> dict[str, object]:
    """The keys `kind` and `options` of a location whose warehouse behaves like this; none where nothing is to be said.

    An earlier version refuses settings with these keys, so a location that takes no orders has none.
    """
    if floor.learns_from == "people":
        return {"kind": OWN}
    if floor.learns_from != "orders":
        return {}
    flags = {
        "takes_orders": True,
        "books_waybill": floor.books_waybill,
        "splits": floor.splits,
        "is_idempotent": floor.is_idempotent,
    }
    options = {name: str(flag).lower() for name, flag in flags.items()} | {"find_lag_s": f"{floor.find_lag_s:.3f}"}
    return {"options": options}
