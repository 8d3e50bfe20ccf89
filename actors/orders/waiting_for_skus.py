"""Orders that waited for a SKU go on, stretch by stretch: the duty of the sweeper, and the same for a command."""

from dataclasses import dataclass, field

from actors.orders.listings import ResumedOrders, send_on
from infra.process.failpoints import failpoints
from infra.tables.listings import waiting
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

_WRITTEN, _COMMITTED = "listings.written", "listings.committed"
# Fulfillment orders that are looked at in one transaction.
STRETCH = 200

log = get_logger(__name__)


@dataclass(slots=True)
class WaitingForSkus:
    """The sweeper's duty: whatever a command that was killed has left, and what came to wait while it ran.

    A round looks at one stretch of the waiting orders; the next round takes the next.
    """

    db: Database
    stretch: int = STRETCH
    _after: int = field(default=0, init=False)

    def run(self) -> int:
        """Return how many orders go on."""
        ids, sent = _stretch(self.db, self._after, self.stretch)
        self._after = ids[-1] if len(ids) == self.stretch else 0
        if sent.going:
            log.info("waiting_orders_sent_on", orders=len(sent.going))
        return len(sent.going)


def send_all_on(db: Database, stretch: int = STRETCH) -> int:
    """Look at every waiting order once, in transactions of a stretch each; how many go on. Safe to run twice."""
    after, going = 0, 0
    while True:
        ids, sent = _stretch(db, after, stretch)
        going += len(sent.going)
        if len(ids) < stretch:
            return going
        after = ids[-1]


def _stretch(db: Database, after: int, limit: int) -> tuple[list[int], ResumedOrders]:
    with db.connection() as connection:
        ids = waiting(connection, after, limit)
    if not ids:
        return [], ResumedOrders()
    with db.transaction() as tx:
        sent = send_on(tx, ids)
        failpoints(_WRITTEN, sorted(sent.going), tx)
    failpoints(_COMMITTED, sorted(sent.going))
    return ids, sent
