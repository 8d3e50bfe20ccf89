"""The platform's memory: which trades are visible, and which of a shop's changed in a window of time."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from sandbox.model import Plan, PlannedOrder
from sandbox.refunds import Casebook
from sandbox.trades import Trade

_Row = tuple[int, int]


class Tradebook:
    """Trades by number and by shop in order of change; times are unix seconds.

    Planned orders become visible as time goes by: every question names the time it is asked at.
    """

    def __init__(self, plan: Plan, opened_at: float) -> None:
        self._waiting = plan.orders
        self._next = 0
        self._opened_at = opened_at
        self._rows: dict[str, list[_Row]] = {shop.name: [] for shop in plan.shops}
        self.trades: dict[int, Trade] = {}
        self.cases = Casebook()

    def advance(self, now: float) -> None:
        """Make visible what has arrived by `now`."""
        while self._next < len(self._waiting):
            order = self._waiting[self._next]
            visible_at = self._opened_at + order.offset_s
            if visible_at > now:
                return
            self._next += 1
            self._show(Trade(order, visible_at))

    def add(self, order: PlannedOrder, changed_at: float) -> Trade:
        """Make an unplanned order visible at once, as changed at that time."""
        trade = Trade(order, changed_at)
        self._show(trade)
        return trade

    def find(self, shop: str, tid: int) -> Trade | None:
        """A visible trade of that shop."""
        trade = self.trades.get(tid)
        return trade if trade is not None and trade.order.shop == shop else None

    def touch(self, trade: Trade, now: float) -> None:
        """The trade changed: it moves to the new end of its shop's list."""
        rows = self._rows[trade.order.shop]
        del rows[bisect_left(rows, (trade.modified, trade.order.tid))]
        trade.modified = max(int(now), trade.modified)
        insort(rows, (trade.modified, trade.order.tid))
        self.cases.follow(trade, now)

    def changed(self, shop: str, start: int, end: int) -> Sequence[_Row]:
        """(modified, tid) of the shop's trades changed from `start` to `end`, both inclusive, oldest first."""
        rows = self._rows[shop]
        return rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end + 1, 0))]

    def _show(self, trade: Trade) -> None:
        self.trades[trade.order.tid] = trade
        insort(self._rows[trade.order.shop], (trade.modified, trade.order.tid))
        self.cases.follow(trade, trade.modified)
