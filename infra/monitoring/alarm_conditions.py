"""Conditions of alarms: each finds the set of keys for which it is true now. The leading sweeper asks once a minute.

A key that is missing from the set is over, so no alarm can be forgotten.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.alarms import CLOCK_ALARMS, AlarmKind
from domain.errors import Misconfigured
from domain.gates import ENGINE, GateKind
from infra.config.directory import directory_of
from infra.config.rules import load_rules
from infra.config.settings import Settings
from infra.monitoring.alarms import SILENT_S
from infra.monitoring.cursor_age import cursor_ages
from infra.tables.alarm_conditions import (
    orders_waiting,
    refused_counts,
    refused_inputs,
    running_clocks,
    stock_faults,
    stopped_bulks,
)
from infra.tables.alarms import HeldCondition, update_alarms
from infra.tables.breaches import load_breaches
from infra.tables.cases import expired_cases
from infra.tables.gates import load_pauses
from infra.tables.holds import expired_holds
from infra.tables.letters import load_causes
from infra.tables.locations import silent_feeds
from infra.tables.placements import silent_warehouses
from infra.tables.pool import Connection, Database
from infra.tables.shops import found_late, unsettled
from infra.tables.unreadable import count_by_account

# How long a change that only the second reading found counts as a reason for a longer overlap.
LATE_RECENT_H = 24
# How far the second reading of a shop may be behind the first.
UNSETTLED_H = 24
RULES_KEY = "rules_file"

# By kind and key; None: nobody knows whether the condition holds for this key.
Found = Mapping[AlarmKind, Mapping[str, HeldCondition | None]]


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds now for the keys of some kinds. A kind that `look` leaves out holds for no key."""

    kinds: tuple[AlarmKind, ...]
    look: Callable[[Connection], Found]


def update_condition(db: Database, condition: Condition) -> None:
    """Look, then open, renew and close the alarms of its kinds. Safe to run twice and side by side."""
    with db.connection() as connection:
        found = condition.look(connection)
    with db.transaction() as tx:
        for kind in condition.kinds:
            update_alarms(tx, kind, found.get(kind, {}))


def of_kind(kind: AlarmKind, look: Callable[[Connection], Mapping[str, HeldCondition | None]]) -> Condition:
    """A condition of one kind."""
    return Condition((kind,), lambda connection: {kind: look(connection)})


def conditions_of(settings: Settings) -> tuple[Condition, ...]:
    """All conditions that are known from Postgres and the settings."""
    locations = list(directory_of(settings).locations)
    return (
        Condition(tuple(CLOCK_ALARMS.values()), _clocks),
        of_kind(AlarmKind.DEAD_LETTERS, _letters),
        of_kind(AlarmKind.FEED_SILENT, _silent_feeds),
        of_kind(AlarmKind.WAREHOUSE_SILENT, lambda connection: _silent_warehouses(connection, settings)),
        of_kind(AlarmKind.SHOP_BEHIND, lambda connection: _behind(connection, settings)),
        of_kind(AlarmKind.FOUND_LATE, lambda connection: _found_late(connection, settings)),
        of_kind(AlarmKind.SECOND_READING_BEHIND, lambda connection: _unsettled(connection, settings)),
        of_kind(AlarmKind.HOLDS_EXPIRED, _expired_holds),
        of_kind(AlarmKind.CASES_EXPIRED, _expired_cases),
        of_kind(AlarmKind.WAITING_ON_ACCOUNT, orders_waiting),
        of_kind(AlarmKind.ACCOUNT_PAUSED, _paused_accounts),
        of_kind(AlarmKind.INVARIANT_BREACHED, _breaches),
        of_kind(AlarmKind.ENTRIES_UNREADABLE, _unreadable),
        of_kind(AlarmKind.INPUT_REFUSED, refused_inputs),
        of_kind(AlarmKind.STOCK_COUNT_REFUSED, refused_counts),
        of_kind(AlarmKind.STOCK_NOT_COUNTED, lambda connection: stock_faults(connection, locations)),
        of_kind(AlarmKind.BULK_STOPPED, stopped_bulks),
        of_kind(AlarmKind.RULES_BORROWED, lambda _: _borrowed(settings.rules_file)),
    )


def _clocks(connection: Connection) -> Found:
    return {CLOCK_ALARMS[percent]: shops for percent, shops in running_clocks(connection).items()}


def _letters(connection: Connection) -> Mapping[str, HeldCondition]:
    return {
        cause.fingerprint: HeldCondition(
            cause.letters,
            {"at_step": cause.step, "adapter": cause.adapter, "code": cause.code, "orders": cause.orders},
        )
        for cause in load_causes(connection)
    }


def _silent_feeds(connection: Connection) -> Mapping[str, HeldCondition]:
    silent = silent_feeds(connection, SILENT_S)
    return {account: HeldCondition(facts={"since": since.isoformat()}) for account, since, _ in silent}


def _silent_warehouses(connection: Connection, settings: Settings) -> Mapping[str, HeldCondition]:
    locations = directory_of(settings).locations
    return {
        locations[one.location].account: HeldCondition(one.documents, {"since": one.since.isoformat()})
        for one in silent_warehouses(connection, patience_of(settings))
    }


def patience_of(settings: Settings) -> Mapping[str, float]:
    """Hours that the warehouse of each location may be silent; without those that may be for ever."""
    locations = directory_of(settings).locations
    return {name: one.silent_after_h for name, one in locations.items() if one.silent_after_h > 0}


def _behind(connection: Connection, settings: Settings) -> Mapping[str, HeldCondition | None]:
    """A shop near its limit is neither behind nor caught up: its alarm stays as it is."""
    return {
        one.account: HeldCondition(facts={"allowed_min": round(one.patience_s / 60)}) if one.is_behind else None
        for one in cursor_ages(connection, settings.shops)
        if one.is_behind or not (one.is_calm or one.is_paused)
    }


def _found_late(connection: Connection, settings: Settings) -> Mapping[str, HeldCondition]:
    rows = found_late(connection, LATE_RECENT_H)
    shops = directory_of(settings).shops
    return {account: HeldCondition(count) for account, count, _, is_recent in rows if is_recent and account in shops}


def _unsettled(connection: Connection, settings: Settings) -> Mapping[str, HeldCondition]:
    rows = unsettled(connection, UNSETTLED_H)
    shops = directory_of(settings).shops
    return {account: HeldCondition() for account, _ in rows if account in shops}


def _expired_holds(connection: Connection) -> Mapping[str, HeldCondition]:
    return {owner: HeldCondition(holds, owner=owner) for owner, holds in expired_holds(connection)}


def _expired_cases(connection: Connection) -> Mapping[str, HeldCondition]:
    return {owner: HeldCondition(cases, owner=owner) for owner, cases in expired_cases(connection)}


def _paused_accounts(connection: Connection) -> Mapping[str, HeldCondition]:
    return {
        pause.name: HeldCondition(facts={"code": pause.reason})
        for pause in load_pauses(connection)
        if pause.kind is GateKind.ACCOUNT and pause.shut_by == ENGINE
    }


def _breaches(connection: Connection) -> Mapping[str, HeldCondition]:
    return {name: HeldCondition(examples) for name, examples in load_breaches(connection).items()}


def _unreadable(connection: Connection) -> Mapping[str, HeldCondition]:
    rows = count_by_account(connection)
    return {f"{source} {account}": HeldCondition(entries) for account, source, entries in rows}


def _borrowed(rules_file: str) -> Mapping[str, HeldCondition | None]:
    """The condition is unknown for a file that cannot be read: `orderlane doctor` says what is wrong with the file."""
    try:
        rules = load_rules(rules_file)
    except Misconfigured:
        return {RULES_KEY: None}
    if not rules.borrowed:
        return {}
    return {RULES_KEY: HeldCondition(len(rules.borrowed), {"keys": list(rules.borrowed), "version": rules.version})}
