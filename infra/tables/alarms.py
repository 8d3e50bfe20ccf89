"""Alarms in Postgres: a row for each kind and key, open as long as its reason lasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import dict_row

from domain.alarms import ALARMS, QUIET_S, AlarmKind
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

ALARM = load("alarms")

# Seconds after which an unchanged open alarm is written again.
RENEW_S = 600.0
# Events of one key within this many seconds are written once.
EVENT_EVERY_S = 10.0
# Seconds without a renewal after which an alarm of an unknown kind is closed.
STRANGE_S = 86_400.0
OPEN_MAX = 1000

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HeldCondition:
    """A key for which a condition holds. `count`: how many things it is about. `owner`: the kind's own when empty.

    `facts` are codes, names and numbers of ours, nothing of a person and no foreign text.
    """

    count: int = 1
    facts: Facts = field(default_factory=dict)
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm as it stands. `kind` and `severity` are text: a newer version may know more of them.

    `count`: of a condition how many things it is about now, of an event how often it happened. `age_s`: seconds since
    it was opened, until it was closed.
    """

    id: int
    kind: str
    key: str
    severity: str
    owner: str
    facts: Facts
    count: int
    first_at: datetime
    last_at: datetime
    closed_at: datetime | None
    age_s: float


@dataclass(frozen=True, slots=True)
class News:
    """An alarm with a change that is not in the log yet. `is_opening`: the log does not have its opening."""

    alarm: Alarm
    is_opening: bool


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """Open alarms of one kind and severity."""

    kind: str
    severity: str
    alarms: int


def update_alarms(tx: Connection, kind: AlarmKind, held: Mapping[str, HeldCondition | None]) -> None:
    """Open alarms of the keys for which a condition holds now, renew open ones whose condition still holds, close all
    others of the kind.

    None: it is unknown whether the condition holds for the key, and its alarm stays unchanged. One statement; safe to
    run twice and side by side.
    """
    rule = ALARMS[kind]
    rows = [
        {"key": key, "owner": one.owner or rule.owner, "facts": dict(one.facts), "count": one.count}
        for key, one in held.items()
        if one is not None
    ]
    named = {
        "kind": kind,
        "severity": rule.severity,
        "rows": rows_json(rows),
        "unknown": [key for key, one in held.items() if one is None],
        "renew_s": RENEW_S,
    }
    tx.execute(ALARM["settle"], named)


def open_alarm(
    tx: Connection, kind: AlarmKind, key: str = "", owner: str = "", facts: Facts | None = None, *, count: int = 1
) -> None:
    """Note that something happened `count` times: open its alarm, or raise the count of the open one.

    What happens within `EVENT_EVERY_S` of the last write is not counted. `owner`: the kind's own when empty.
    """
    rule = ALARMS[kind]
    named = {
        "kind": kind,
        "key": key,
        "severity": rule.severity,
        "owner": owner or rule.owner,
        "facts": msgspec.json.encode(dict(facts or {})).decode(),
        "count": count,
        "renew_s": EVENT_EVERY_S,
    }
    tx.execute(ALARM["open"], named)


def close_quiet(tx: Connection) -> int:
    """Close the alarms of events that have not happened for as long as their kind says; return how many there were."""
    named = {
        "kinds": list(QUIET_S),
        "quiet_s": list(QUIET_S.values()),
        "known": list(AlarmKind),
        "strange_s": STRANGE_S,
    }
    return len(tx.execute(ALARM["close_quiet"], named).fetchall())


def open_alarms(connection: Connection, kind: str | None = None, limit: int = OPEN_MAX) -> list[Alarm]:
    """Open alarms, of one kind or all, the gravest first and among these the oldest."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [Alarm(**row) for row in cursor.execute(ALARM["open_alarms"], {"kind": kind, "limit": limit})]


def count_open(connection: Connection) -> tuple[AlarmCount, ...]:
    """How many alarms are open, by kind and severity."""
    return tuple(AlarmCount(*row) for row in connection.execute(ALARM["count_open"]).fetchall())


def unreported(connection: Connection, limit: int) -> list[News]:
    """Openings and closings of alarms that are not written to the log yet, in the order of the openings."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(ALARM["unreported"], {"limit": limit}).fetchall()
    return [News(is_opening=not row.pop("is_reported"), alarm=Alarm(**row)) for row in rows]


def note_reported(tx: Connection, told: Sequence[Alarm]) -> None:
    """Record that the log has these changes."""
    named = {"ids": [one.id for one in told], "uptos": [one.closed_at or one.first_at for one in told]}
    tx.execute(ALARM["note_reported"], named)
