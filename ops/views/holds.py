"""Open holds, page by page, the first due first."""

from dataclasses import dataclass

from infra.tables.holds import HoldFilter, OpenHold, list_holds
from infra.tables.pool import Database
from ops.views.looking import looking


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPage:
    """`more_after`: the hold after which the next page begins; None: this was the last one."""

    holds: tuple[OpenHold, ...]
    more_after: int | None


def list_open(db: Database, wanted: HoldFilter, *, after: int = 0, limit: int) -> HoldPage:
    """A page of the open holds of a filter."""
    with looking(db) as tx:
        found = list_holds(tx, wanted, after=after, limit=limit + 1)
    return HoldPage(holds=tuple(found[:limit]), more_after=found[limit - 1].id if len(found) > limit else None)
