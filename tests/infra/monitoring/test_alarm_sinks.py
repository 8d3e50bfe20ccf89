"""Changes are reported after their commit, at least once, also if a process dies in between."""

import pytest
import structlog

from domain.alarms import AlarmKind
from infra.monitoring import alarm_sinks
from infra.monitoring.alarm_sinks import LogSink, report_alarms
from infra.tables.alarms import HeldCondition, update_alarms
from infra.tables.pool import in_transaction

FACTS = {"since": "2026-11-30T00:00:00+00:00"}


@pytest.fixture
def settle(database):
    def settle(held):
        with database.transaction() as tx:
            update_alarms(tx, AlarmKind.FEED_SILENT, held)

    return settle


class Ears:
    """A sink that remembers, or dies of its first news."""

    def __init__(self, *, dies=False):
        self.heard, self.dies = [], dies

    def report(self, news):
        assert not in_transaction()
        self.heard += [(one.alarm.key, one.is_opening, one.alarm.closed_at is not None) for one in news]
        if self.dies:
            raise ConnectionError


def test_the_log_says_that_an_alarm_opened_and_that_it_closed(database, settle):
    settle({"taobao/a": HeldCondition(2, FACTS)})
    with structlog.testing.capture_logs() as lines:
        assert report_alarms(database, LogSink()) == 1
        assert report_alarms(database, LogSink()) == 0
        settle({})
        assert report_alarms(database, LogSink()) == 1
    opened, closed = lines
    assert opened.pop("since") is not None
    assert opened.pop("module") == closed.pop("module")
    assert opened == {
        "event": "alarm_opened",
        "log_level": "error",
        "kind": "feed_silent",
        "key": "taobao/a",
        "owner": "engineering",
        "count": 2,
        "facts": FACTS,
    }
    assert closed == {
        "event": "alarm_closed",
        "log_level": "info",
        "kind": "feed_silent",
        "key": "taobao/a",
        "owner": "engineering",
        "count": 2,
        "lasted_s": 0,
    }


def test_what_was_told_and_not_noted_is_told_again(database, settle):
    settle({"a": HeldCondition()})
    dying, next_one = Ears(dies=True), Ears()
    with pytest.raises(ConnectionError):
        report_alarms(database, dying)
    report_alarms(database, next_one)
    report_alarms(database, next_one)
    assert dying.heard == next_one.heard == [("a", True, False)]


def test_what_is_not_committed_is_not_told(database, settle):
    ears = Ears()
    with database.transaction() as tx:
        update_alarms(tx, AlarmKind.FEED_SILENT, {"a": HeldCondition()})
        assert report_alarms(database, ears) == 0
    assert report_alarms(database, ears) == 1


def test_more_than_one_page_is_told_in_order(database, settle, monkeypatch):
    monkeypatch.setattr(alarm_sinks, "_AT_ONCE", 2)
    settle({f"taobao/{n}": HeldCondition() for n in range(5)})
    ears = Ears()
    assert report_alarms(database, ears) == 5
    assert [key for key, *_ in ears.heard] == [f"taobao/{n}" for n in range(5)]


def test_an_alarm_of_a_newer_version_is_told_too(database):
    with database.connection() as connection:
        connection.execute("INSERT INTO alarm (kind, key, severity, owner) VALUES ('of_tomorrow', '', 'info', 'x')")
    with structlog.testing.capture_logs() as lines:
        report_alarms(database, LogSink())
    assert [(line["kind"], line["log_level"]) for line in lines] == [("of_tomorrow", "info")]
