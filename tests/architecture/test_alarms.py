"""Every kind of alarm has an opener and a closer. Its row is checked in tests/docs, its life in tests/infra."""

import ast
from collections import Counter

import pytest

from domain.alarms import ALARMS, CLOCK_ALARMS, QUIET_S, AlarmKind
from domain.ship_by import MARKS
from infra.config.settings import Settings
from infra.monitoring.alarm_conditions import conditions_of
from infra.sweeper.open_alarms import failed_duties, unreachable_redis

OPENERS = {"note_event", "open_alarm"}


def opened_in(tree):
    """Kinds that a module opens as events."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in OPENERS:
            for argument in node.args:
                if isinstance(argument, ast.Attribute) and getattr(argument.value, "id", "") == "AlarmKind":
                    yield AlarmKind[argument.attr]


@pytest.fixture(scope="module")
def events(modules, tree_of):
    return {kind for file in modules for kind in opened_in(tree_of(file))}


def test_every_kind_is_declared_once():
    assert list(ALARMS) == list(AlarmKind)
    assert set(CLOCK_ALARMS) == set(MARKS)


def test_every_condition_is_looked_at_by_one_duty_which_closes_it_too():
    conditions = [*conditions_of(Settings()), failed_duties([]), unreachable_redis(bool)]
    looked_at = Counter(kind for condition in conditions for kind in condition.kinds)
    assert looked_at == dict.fromkeys(set(AlarmKind) - set(QUIET_S), 1)


def test_every_event_is_opened_where_it_is_met_and_closed_by_quiet(events):
    assert events == set(QUIET_S)


def test_control_an_opener_is_seen():
    tree = ast.parse("note_event(self.db, AlarmKind.WORKER_DIED, step)\nother(AlarmKind.UNCAUGHT)")
    assert list(opened_in(tree)) == [AlarmKind.WORKER_DIED]


def test_every_kind_says_whose_it_is_and_what_to_do():
    silent = [
        kind
        for kind, rule in ALARMS.items()
        if not (rule.key and rule.opens and rule.act and rule.closes and rule.events)
    ]
    assert silent == []
    # The owner of a hold or a case is the owner of its alarm.
    ownerless = [kind for kind, rule in ALARMS.items() if not rule.owner]
    assert ownerless == [AlarmKind.HOLDS_EXPIRED, AlarmKind.CASES_EXPIRED]
