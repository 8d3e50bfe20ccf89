"""The sweeper's duty about days from which orders ship: a worker of an earlier version stores orders without theirs."""

from dataclasses import dataclass

from infra.queue.keys import BellKey, Bells
from infra.tables.orders import read_days_again
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

# Due at once; the others follow in the next rounds.
_AT_ONCE = 500
# Orders that are looked at, the newest.
_NEWEST = 100_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnreadDays:
    """Safe to run twice and side by side. `shops`: accounts of the shops whose presale orders wait for their day."""

    db: Database
    bells: Bells
    shops: tuple[str, ...]

    def tend(self) -> int:
        """Have contents read again of which nobody has read the day; how many."""
        with self.db.transaction() as tx:
            lanes = read_days_again(tx, self.shops, newest=_NEWEST, limit=_AT_ONCE)
        if lanes:
            log.info("days_read_again", orders=len(lanes))
        self.bells.ring({BellKey("normalize", lane, "") for lane in lanes})
        return len(lanes)
