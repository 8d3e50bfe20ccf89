"""Which versions the living workers run. Rules and code are read at a process's start and stay until its end."""

from infra.engine.worker_lock import LINES_CLASS, PRESENCE_CLASS
from infra.tables import reports
from infra.tables.pool import Connection, Database
from infra.tables.reports import NewReport, Report
from infra.telemetry.log import get_logger

# For what must go in parts while a worker lives that knows none. That worker looks for due work as well, so the wait is
# ended by a duty of the sweeper (`infra/sweeper/earlier_versions.py`), not by time.
UNTIL_WOKEN_S = 100 * 365 * 86_400.0

log = get_logger(__name__)


def report(db: Database, worker: int, *, pool: str, code: str, rules: str) -> None:
    """Say what this process runs; one statement in its life. Forgets workers that are gone."""
    with db.connection() as connection:
        reports.add_report(connection, PRESENCE_CLASS, NewReport(worker, pool, code, rules))


def carry_whole(tx: Connection) -> bool:
    """Whether a worker lives whose version knows no parts of orders: what must go in parts waits until it has gone."""
    return reports.carry_whole(tx, PRESENCE_CLASS, LINES_CLASS)


def living(connection: Connection) -> list[Report]:
    """The reports of workers that live, by their numbers."""
    return reports.living(connection, PRESENCE_CLASS)
