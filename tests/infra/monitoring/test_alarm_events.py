"""Events that open an alarm of their own: rarely written, and never in the way of what they are about."""

import subprocess
import sys

import pytest
import structlog

from domain.alarms import AlarmKind
from infra.config.secret import Secret
from infra.monitoring.alarm_events import note_event, note_uncaught
from infra.tables.pool import Database

DEADLINE_S = 60.0


def alarms(database):
    with database.connection() as connection:
        return connection.execute("SELECT kind, key, count FROM alarm ORDER BY key").fetchall()


def test_it_commits_beside_the_transaction_that_met_it(database):
    def meet():
        with database.transaction() as tx:
            tx.execute("SELECT 1")
            note_event(database, AlarmKind.LATE_SAVE_REFUSED, "label", 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        meet()
    assert alarms(database) == [("late_save_refused", "label", 2)]


def test_a_database_that_is_away_stops_nobody():
    with (
        structlog.testing.capture_logs() as lines,
        Database("host=/nowhere dbname=x", 1, checkout_timeout_s=0.1) as database,
    ):
        note_event(database, AlarmKind.WORKER_DIED, "label")
    assert [(line["event"], line["kind"]) for line in lines] == [("alarm_unrecorded", "worker_died")]


def test_what_nothing_expected_is_noted_by_its_type(database, database_url):
    note = note_uncaught(database_url, "worker")
    note("ValueError")
    note("ValueError")
    note("KeyError")
    assert alarms(database) == [("uncaught", "worker KeyError", 1), ("uncaught", "worker ValueError", 1)]


@pytest.mark.parametrize("url", ["host=/nowhere dbname=x connect_timeout=1", "no url"])
def test_without_a_database_the_log_has_to_do(url, monkeypatch):
    monkeypatch.setattr("infra.monitoring.alarm_events._CHECKOUT_S", 0.1)
    with structlog.testing.capture_logs() as lines:
        note_uncaught(Secret(url), "worker")("ValueError")
    assert [line["event"] for line in lines] == ["alarm_unrecorded"]


DYING = """
import sys
from infra.config.secret import Secret
from infra.monitoring.alarm_events import note_uncaught
from infra.telemetry.uncaught import log_uncaught
log_uncaught(note_uncaught(Secret(sys.argv[1]), "worker"))
raise ValueError("张三")
"""


def test_a_process_notes_the_error_that_ends_it(database, database_url):
    ended = subprocess.run(
        [sys.executable, "-c", DYING, database_url.reveal()],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 1
    assert alarms(database) == [(AlarmKind.UNCAUGHT, "worker ValueError", 1)]
