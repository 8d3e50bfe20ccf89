"""Receivers of alarms; the first one is the log.

Code that opens or closes an alarm only writes a row. Changes are reported from the rows, after their commit and at
least once: a process that dies between the report and its record reports again.
"""

from collections.abc import Sequence
from typing import Protocol

from domain.alarms import Severity
from infra.tables.alarms import Alarm, News, note_reported, unreported
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

_AT_ONCE = 200

log = get_logger(__name__)


class Sink(Protocol):
    """Receives changes of alarms. May receive the same change again."""

    def report(self, news: Sequence[News]) -> None:
        """Report all changes, or raise: then all are reported again."""
        ...


class LogSink:
    """Log events `alarm_opened`, at the level of its severity, and `alarm_closed`."""

    def report(self, news: Sequence[News]) -> None:
        for one in news:
            if one.is_opening:
                _say_opened(one.alarm)
            if one.alarm.closed_at is not None:
                _say_closed(one.alarm)


def _say_opened(alarm: Alarm) -> None:
    say = {Severity.ERROR: log.error, Severity.WARNING: log.warning}.get(Severity(alarm.severity), log.info)
    say(
        "alarm_opened",
        kind=alarm.kind,
        key=alarm.key,
        owner=alarm.owner,
        count=alarm.count,
        since=alarm.first_at,
        facts=dict(alarm.facts),
    )


def _say_closed(alarm: Alarm) -> None:
    log.info(
        "alarm_closed",
        kind=alarm.kind,
        key=alarm.key,
        owner=alarm.owner,
        count=alarm.count,
        lasted_s=round(alarm.age_s),
    )


def report_alarms(db: Database, sink: Sink) -> int:
    """Report changes that were not reported yet; return the number of alarms. No transaction is open while the sink
    works.
    """
    total = 0
    while True:
        with db.connection() as connection:
            news = unreported(connection, _AT_ONCE)
        if not news:
            return total
        sink.report(news)
        with db.transaction() as tx:
            note_reported(tx, [one.alarm for one in news])
        total += len(news)
