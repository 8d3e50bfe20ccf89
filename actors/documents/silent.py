"""The sweeper's duty about documents: those of which nothing was heard are asked about, and none stays unplaced."""

from dataclasses import dataclass

from infra.queue.keys import BellKey, Bells
from infra.tables.placements import ask_quiet, dispatch_forgotten
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

# Due at once; the others follow in the next rounds.
_AT_ONCE = 500
# Fulfillment orders that a worker of an earlier version may have labelled last.
_NEWEST = 100_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QuietDocuments:
    """Safe to run twice and side by side: work that is there already stays as it is.

    `own`: locations of our own, where a quiet document waits for people and there is no system to ask.
    """

    db: Database
    bells: Bells
    quiet_s: float
    own: tuple[str, ...] = ()

    def tend(self) -> int:
        """Make dispatch due where it is needed; how often that was."""
        with self.db.transaction() as tx:
            asked = ask_quiet(tx, quiet_s=self.quiet_s, limit=_AT_ONCE, without=self.own)
            late = dispatch_forgotten(tx, newest=_NEWEST, limit=_AT_ONCE)
        if asked or late:
            log.info("documents_asked_about", quiet=len(asked), forgotten=len(late))
        self.bells.ring({BellKey("dispatch", lane, account) for lane, account in [*asked, *late]})
        return len(asked) + len(late)
