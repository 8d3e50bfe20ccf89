"""Load the counted stock of every warehouse, before the first order asks for it."""

from collections.abc import Iterable

from adapters import registry
from adapters.door import Door
from domain.errors import FulfilmentError
from infra.clock import Clock
from infra.db.pool import Database
from infra.outside import Outside
from infra.settings import Location, Settings
from ops.stock import load_stock


def stock_up(
    settings: Settings, db: Database, clock: Clock, locations: Iterable[Location]
) -> dict[str, int | FulfilmentError]:
    """Count in what each location reports of SKUs that are unknown there.

    By location: the number of SKUs reported, or why its warehouse could not be read; one that is away
    does not keep the others from being loaded.
    """
    loaded: dict[str, int | FulfilmentError] = {}
    with Outside() as outside:
        door = Door(settings.door, registry.hosts(settings), clock)
        outside.run(door.open())
        try:
            for location in locations:
                try:
                    warehouse = registry.warehouse().connect(location, door, clock)
                    loaded[location.name] = load_stock(db, outside, location.name, warehouse)
                except FulfilmentError as error:
                    loaded[location.name] = error
        finally:
            outside.run(door.close())
    return loaded
