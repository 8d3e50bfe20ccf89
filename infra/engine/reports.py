"""Which versions the running workers have. A process reads its rules and code at its start and keeps them until its
end.
"""

from infra.engine.worker_lock import LINES_CLASS, PRESENCE_CLASS
from infra.tables import reports
from infra.tables.pool import Connection, Database
from infra.tables.reports import NewReport, Report
from infra.telemetry.log import get_logger

# The due time of work that must wait while a worker runs whose version knows no parts. That worker looks for due work
# too, so a duty of the sweeper (`infra/sweeper/earlier_versions.py`) ends the wait, not a time.
UNTIL_WOKEN_S = 100 * 365 * 86_400.0

log = get_logger(__name__)


def report(db: Database, worker: int, *, pool: str, code: str, rules: str) -> None:
    """Record the versions of this process; one statement for each process. Removes workers that have ended."""
    with db.connection() as connection:
        reports.add_report(connection, PRESENCE_CLASS, NewReport(worker, pool, code, rules))


def has_worker_without_parts(tx: Connection) -> bool:
    """Whether a worker runs whose version knows no parts of orders: orders in parts wait until that worker has
    ended.
    """
    return reports.has_worker_without_parts(tx, PRESENCE_CLASS, LINES_CLASS)


def living(connection: Connection) -> list[Report]:
    """The reports of running workers, by their numbers."""
    return reports.living(connection, PRESENCE_CLASS)
