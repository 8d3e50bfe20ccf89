"""The sweeper's duty about workers of an earlier version: continues work that had to wait for their end."""

from infra.engine.reports import has_worker_without_parts
from infra.tables import reports, work
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

log = get_logger(__name__)


def wake_waiting(db: Database) -> int:
    """Make work due that waited for the end of earlier versions, if no such worker runs; returns how much."""
    with db.transaction() as tx:
        if not reports.is_waiting(tx) or has_worker_without_parts(tx):
            return 0
        woken = work.wake_waiting(tx)
    log.info("earlier_version_ended", woken=woken)
    return woken
