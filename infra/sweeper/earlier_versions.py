"""The sweeper's duty about workers of an earlier version: what had to wait for their end goes on."""

from infra.engine.reports import carry_whole
from infra.tables import reports, work
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

log = get_logger(__name__)


def wake_waiting(db: Database) -> int:
    """Let work that waited for the end of earlier versions be due, if no such worker lives; how much that was."""
    with db.transaction() as tx:
        if not reports.is_waiting(tx) or carry_whole(tx):
            return 0
        woken = work.wake_waiting(tx)
    log.info("earlier_version_ended", woken=woken)
    return woken
