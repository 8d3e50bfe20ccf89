"""The sweeper's duties about alarms: open them, close them, and report both in the log."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from redis.exceptions import RedisError

from domain.alarms import AlarmKind
from infra.monitoring.alarm_conditions import Condition, of_kind, update_condition
from infra.monitoring.alarm_sinks import Sink, report_alarms
from infra.process.clock import Clock
from infra.sweeper.schedule import ALARMS_EVERY_S, Duty
from infra.tables.alarms import HeldCondition, close_quiet
from infra.tables.pool import Connection, Database

REPORT_EVERY_S = 5.0


def alarm_duties(
    db: Database, clock: Clock, conditions: Sequence[Condition], duties: Sequence[Duty], sink: Sink
) -> tuple[Duty, ...]:
    """A duty for each condition, so that one that fails keeps no other from being looked at; the quiet ones; the sink.

    `duties`: the sweeper's others. The failure of a duty is an alarm, of those that are made here too.
    """
    watched = list(duties)
    made = (
        *(
            Duty(f"alarm_{condition.kinds[0]}", ALARMS_EVERY_S, partial(update_condition, db, condition), clock)
            for condition in (*conditions, failed_duties(watched))
        ),
        Duty("quiet_alarms", ALARMS_EVERY_S, partial(_close_quiet, db), clock),
        Duty("tell_alarms", REPORT_EVERY_S, partial(report_alarms, db, sink), clock),
    )
    watched += made
    return made


def failed_duties(duties: Sequence[Duty]) -> Condition:
    """The duties whose last round failed. The state of a duty without a round in this process is unknown."""

    def look(_: Connection) -> Mapping[str, HeldCondition | None]:
        return {
            duty.name: None if duty.last_error is None else HeldCondition(facts={"error": duty.last_error})
            for duty in duties
            if duty.last_error != ""
        }

    return of_kind(AlarmKind.DUTY_FAILED, look)


def unreachable_redis(ping: Callable[[], object]) -> Condition:
    """Whether Redis answers this process."""

    def look(_: Connection) -> Mapping[str, HeldCondition | None]:
        try:
            ping()
        except RedisError as error:
            return {"": HeldCondition(facts={"error": type(error).__name__})}
        return {}

    return of_kind(AlarmKind.REDIS_UNREACHABLE, look)


def _close_quiet(db: Database) -> int:
    with db.transaction() as tx:
        return close_quiet(tx)
