"""Load the counted stock of every warehouse, before the first order asks for it."""

from collections.abc import Iterable

import psycopg

from domain.errors import FulfilmentError, Malformed
from infra.config.settings import Location, Settings
from infra.process.clock import Clock
from infra.tables.pool import Database
from ops.guarded_calls import guarded_calls
from ops.verbs.stock import Loaded, load_stock


def stock_up(
    settings: Settings, db: Database, clock: Clock, locations: Iterable[Location]
) -> dict[str, Loaded | FulfilmentError]:
    """Count in what each location reports of SKUs that are unknown there.

    By location: what was loaded, or why its warehouse could not be read. Whatever one of them says, the others are
    loaded. A location whose gate is shut is not asked: GateShut. Raises only what our own database being away raises.
    """
    loaded: dict[str, Loaded | FulfilmentError] = {}
    with guarded_calls(settings, db, clock) as calls:
        for location in locations:
            try:
                loaded[location.name] = load_stock(db, calls.outside, location, calls.warehouse(location))
            except FulfilmentError as error:
                loaded[location.name] = error
            except psycopg.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever one count raises, nobody else waits for it
                loaded[location.name] = Malformed("stock_unreadable", type(error).__name__)
    return loaded
