import pytest

from infra.config.rules import load_rules
from infra.config.settings import Settings, Stores
from infra.engine.reports import living, report
from infra.engine.worker_lock import PRESENCE_CLASS, Presence
from ops.doctor import workers
from ops.doctor.check import Level
from workers.wiring import wired_worker

HANG_UP = """SELECT pg_terminate_backend(pid, 20000) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %(class)s::integer::oid AND objid = %(worker)s::integer::oid
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture
def worker(database):
    """Start a worker that says which rules it runs."""
    started = []

    def start(rules, pool="main"):
        presence = Presence(database, pool)
        report(database, presence.worker, pool=pool, code=workers.version("orderlane"), rules=rules)
        started.append(presence)
        return presence

    yield start
    for presence in started:
        presence.close()


def look(database):
    with database.connection() as session:
        return {check.name: check for check in workers.versions(session, Settings())}


def test_a_worker_with_other_rules_than_the_file_is_named(database, worker) -> None:
    current = load_rules().version
    worker(current)
    old = worker("00000000", "urgent")
    found = look(database)
    assert found["worker rules"].level is Level.WARN
    assert f"1 of 2 workers do not run version {current}: worker {old.worker} (urgent) runs 00000000" in (
        found["worker rules"].message
    )
    assert found["worker code"].level is Level.OK


def test_workers_with_the_rules_of_the_file_are_in_order(database, worker) -> None:
    worker(load_rules().version)
    assert {check.level for check in look(database).values()} == {Level.OK}


def test_control_without_reports_nothing_tells_what_workers_run(database, worker) -> None:
    worker("00000000")
    with database.connection() as session:
        session.execute("DELETE FROM worker_report")
    assert look(database) == {}


def test_a_worker_that_is_gone_is_not_shown_and_its_row_goes_with_the_next_start(database, worker) -> None:
    gone = worker("00000000")
    with database.connection() as session:
        # Waits until the server has let go of the lock, as it does a moment after any end of a session.
        session.execute(HANG_UP, {"class": PRESENCE_CLASS, "worker": gone.worker})
        assert living(session) == []
    worker(load_rules().version)
    with database.connection() as session:
        assert session.execute("SELECT count(*) FROM worker_report").fetchone() == (1,)


def test_every_worker_says_at_its_start_what_it_runs(database, database_url, redis_url) -> None:
    settings = Settings(stores=Stores(database_url=database_url, redis_url=redis_url))
    with wired_worker(settings) as runtime, database.connection() as session:
        [one] = living(session)
    assert (one.worker, one.rules_version) == (runtime.presence.worker, load_rules().version)
