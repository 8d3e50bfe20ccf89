"""The clocks that run: of which order or parcel, until when, and whose each is."""

import heapq
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from domain.clocks import CLOCKS, ClockName
from domain.ship_by import ON_THE_CLOCK, used_percent
from infra.tables.clock import RunningRow, load_running
from infra.tables.pool import Database
from ops.views.looking import looking


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningClock:
    """A clock of an order, or of the parcel with `waybill`. `seen_at`: the database's time.

    `order_id`: None where the order of a platform's case is not stored yet; `state` is empty then.
    """

    clock: ClockName
    order_id: int | None
    order_name: str
    state: str
    waybill: str | None
    since: datetime
    until: datetime
    owner: str
    used_percent: int
    seen_at: datetime

    @property
    def is_late(self) -> bool:
        return self.until <= self.seen_at


def running_clocks(
    db: Database,
    clocks: Collection[ClockName] = tuple(ClockName),
    *,
    shop: str | None = None,
    within_h: float | None = None,
    limit: int,
) -> list[RunningClock]:
    """The clocks of these kinds that run, the first due first, `limit` at most.

    `shop` is a shop's name or its account; `within_h` keeps what is late or ends within so many hours.
    """
    states = sorted(ON_THE_CLOCK)
    with looking(db) as tx:
        rows = {clock: load_running(tx, clock, states, shop=shop, within_h=within_h, limit=limit) for clock in clocks}
    found = ([_running(clock, row) for row in some] for clock, some in rows.items())
    return list(islice(heapq.merge(*found, key=lambda one: (one.until, one.order_id or 0)), limit))


def _running(clock: ClockName, row: RunningRow) -> RunningClock:
    return RunningClock(
        clock=clock,
        order_id=row.order_id,
        order_name=row.order_name,
        state=row.state,
        waybill=row.waybill,
        since=row.since,
        until=row.until,
        owner=CLOCKS[clock].owner,
        used_percent=used_percent(row.since, row.until, row.seen_at),
        seen_at=row.seen_at,
    )
