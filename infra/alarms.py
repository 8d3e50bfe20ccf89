"""Alarms on the ship-by clock: somebody hears before it runs out."""

from domain.clock import MARKS, ON_THE_CLOCK
from infra.db.pool import Database
from infra.db.sql import load
from infra.log import get_logger

CLOCK = load("clock")

# An order that has been late for longer has had its alarms.
LATE_DAYS = 7
_AT_ONCE = 5000

log = get_logger(__name__)


def raise_alarms(db: Database) -> int:
    """Raise every mark that an open order has reached since the last round; return how many alarms there were.

    Safe to run twice and side by side: a mark of an order is one row.
    """
    named = {
        "percents": list(MARKS),
        "states": sorted(ON_THE_CLOCK),
        "days": LATE_DAYS,
        "limit": _AT_ONCE,
    }
    total = 0
    while True:
        with db.transaction() as tx:
            raised = tx.execute(CLOCK["raise_alarms"], named).fetchall()
        for percent, currency, orders, at_risk_minor in raised:
            say = log.error if percent == MARKS[-1] else log.warning
            say("clock_alarm", percent=percent, orders=orders, at_risk_minor=at_risk_minor, currency=currency)
        found = sum(int(orders) for _, _, orders, _ in raised)
        total += found
        if found < _AT_ONCE:
            return total
