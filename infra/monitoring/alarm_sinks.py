"""Who hears of alarms: the log first.

Who opens or closes an alarm writes a row and nothing else. What changed is told from the rows, after their commit and
at least once: whoever dies between telling and noting it tells it again.
"""

from collections.abc import Sequence
from typing import Protocol

from domain.alarms import Severity
from infra.tables.alarms import Alarm, News, note_told, untold
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

_AT_ONCE = 200

log = get_logger(__name__)


class Sink(Protocol):
    """Hears what changed. May hear the same again."""

    def tell(self, news: Sequence[News]) -> None:
        """Tell it all, or raise: then it is told again."""
        ...


class LogSink:
    """Log events `alarm_opened`, at the level of its severity, and `alarm_closed`."""

    def tell(self, news: Sequence[News]) -> None:
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


def tell_alarms(db: Database, sink: Sink) -> int:
    """Tell what was not told yet; return how many alarms there were. No transaction is open while the sink works."""
    total = 0
    while True:
        with db.connection() as connection:
            news = untold(connection, _AT_ONCE)
        if not news:
            return total
        sink.tell(news)
        with db.transaction() as tx:
            note_told(tx, [one.alarm for one in news])
        total += len(news)
