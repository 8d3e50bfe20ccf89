"""Conditions of alarms that no other module queries. Each is one statement."""

from collections.abc import Iterable, Mapping

from domain.ship_by import ON_THE_CLOCK
from infra.tables.alarms import HeldCondition
from infra.tables.pool import Connection
from infra.tables.sql import load

ALARM_CONDITIONS = load("alarm_conditions")

_REFUSED_RECENT_H = 24


def running_clocks(tx: Connection) -> Mapping[int, Mapping[str, HeldCondition]]:
    """Shops with orders in the house at each mark of the ship-by clock, by percent; the facts say the money at risk.

    An order counts at the mark that it reached last. Marks that are over are noted as such.
    """
    orders: dict[int, dict[str, int]] = {}
    at_risk: dict[int, dict[str, dict[str, int]]] = {}
    for percent, shop, currency, count, minor in tx.execute(
        ALARM_CONDITIONS["running_clocks"], {"states": sorted(ON_THE_CLOCK)}
    ).fetchall():
        shops = orders.setdefault(percent, {})
        shops[shop] = shops.get(shop, 0) + count
        at_risk.setdefault(percent, {}).setdefault(shop, {})[currency] = minor
    return {
        percent: {
            shop: HeldCondition(count, {"at_risk_minor": at_risk[percent][shop]}) for shop, count in shops.items()
        }
        for percent, shops in orders.items()
    }


def orders_waiting(connection: Connection) -> Mapping[str, HeldCondition]:
    """Accounts that orders wait for past their clock."""
    rows = connection.execute(ALARM_CONDITIONS["orders_waiting"]).fetchall()
    return {account: HeldCondition(orders) for account, orders in rows}


def refused_counts(connection: Connection) -> Mapping[str, HeldCondition]:
    """Locations that count fewer pieces of some SKUs than are promised; `count` is the number of these SKUs."""
    rows = connection.execute(ALARM_CONDITIONS["refused_counts"]).fetchall()
    return {location: HeldCondition(skus) for location, skus in rows}


def stock_faults(connection: Connection, locations: Iterable[str]) -> Mapping[str, HeldCondition]:
    """The locations whose last count could not be read, with the code of the error."""
    rows = connection.execute(ALARM_CONDITIONS["stock_faults"], {"names": list(locations)}).fetchall()
    return {location: HeldCondition(facts={"code": code}) for location, code in rows}


def refused_inputs(connection: Connection) -> Mapping[str, HeldCondition]:
    """Limits that were reached within a day: the limit, and whose input it was."""
    rows = connection.execute(ALARM_CONDITIONS["refused_inputs"], {"recent_h": _REFUSED_RECENT_H}).fetchall()
    return {f"{kind} {name}": HeldCondition(count) for kind, name, count in rows}


def stopped_bulks(connection: Connection) -> Mapping[str, HeldCondition]:
    """Bulk replays and bulk acts that paused themselves, by number; `count`: how many of their items wait."""
    rows = connection.execute(ALARM_CONDITIONS["stopped_bulks"]).fetchall()
    return {str(bulk_id): HeldCondition(waiting) for bulk_id, waiting in rows}
