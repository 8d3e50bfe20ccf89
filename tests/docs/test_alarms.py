"""The page on alarms has a row for each kind, and every warning in the log opens an alarm or says why it does not."""

import ast
import re
from pathlib import Path

from domain.alarms import ALARMS, AlarmKind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "alarms.md").read_text(encoding="utf-8")
LEVELS = {"warning", "error", "exception", "critical"}
ROOMS = ("infra", "adapters", "actors", "ops", "workers")


def rows_of(title):
    table = PAGE.partition(f"## {title}")[2].partition("\n## ")[0]
    return [line for line in table.splitlines() if line.startswith("| `")]


def row(kind):
    rule = ALARMS[kind]
    events = ", ".join(f"`{event}`" for event in rule.events)
    owner = rule.owner or "(its key)"
    return (
        f"| `{kind}` | {rule.severity} | {owner} | {rule.key} | {rule.opens} | {rule.closes} | {rule.act} | {events} |"
    )


def test_every_kind_has_its_row_and_nothing_else_has_one():
    assert rows_of("Kinds") == [row(kind) for kind in AlarmKind]


def warnings_in(text):
    """Events at warning and above. Sentences are of the broker, which knows nothing of the house."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and getattr(node.func.value, "id", "") in {"log", "logger"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and str(node.args[0].value).isidentifier()
        ):
            yield node.args[0].value


def test_control_a_warning_is_seen():
    assert list(warnings_in('log.warning("a_new_one", x=1)\nlog.info("b")\nlog.error("%s of them", 3)')) == [
        "a_new_one"
    ]


def test_every_warning_in_the_log_opens_an_alarm_or_says_why_not():
    said = {
        event
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        for event in warnings_in(file.read_text(encoding="utf-8"))
    }
    alarms = {event for rule in ALARMS.values() for event in rule.events}
    excused = {
        event
        for line in rows_of("Log events without an alarm")
        for event in re.findall(r"`(\w+)`", line.split(" | ")[0])
    }
    # Marks of the clock choose their level while the program runs.
    assert said | {"clock_alarm"} == alarms | excused
    assert alarms & excused == set()
