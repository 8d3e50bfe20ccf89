import json
import re

import pytest

from domain.alarms import ALARMS, AlarmKind
from infra.tables.alarms import OPEN_MAX, HeldCondition, open_alarm, update_alarms


@pytest.fixture(autouse=True)
def _configured(monkeypatch, tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text("")
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


@pytest.fixture
def _alarms(database):
    with database.connection() as connection:
        open_alarm(connection, AlarmKind.WORKER_DIED, "label", count=3)
        update_alarms(connection, AlarmKind.FEED_SILENT, {"taobao/s1": HeldCondition(facts={"since": "2026-11-30"})})
        connection.execute("UPDATE alarm SET first_at = now() - interval '2 hours'")


def test_without_an_alarm_it_says_so(orderlane):
    shown = orderlane("alarm", "list")
    assert (shown.exit_code, shown.stdout) == (0, "no alarm is open\n")
    assert json.loads(orderlane("alarm", "list", "--json").stdout) == {"alarms": [], "open": 0}


@pytest.mark.usefixtures("_alarms")
def test_each_alarm_is_a_line_and_each_kind_says_what_to_do(orderlane):
    shown = orderlane("alarm", "list")
    assert shown.exit_code == 0, shown.output
    assert re.search(r"error +feed_silent +taobao/s1 +2 h 0 min +1 +engineering", shown.stdout)
    assert re.search(r"warning +worker_died +label +2 h 0 min +3 +engineering", shown.stdout)
    assert shown.stdout.index("feed_silent") < shown.stdout.index("worker_died")
    words = " ".join(shown.stdout.split())
    assert "a shop or a location could not be read for an hour. Do: log events" in words
    assert ALARMS[AlarmKind.WORKER_DIED].opens in words


@pytest.mark.usefixtures("_alarms")
def test_a_script_gets_codes_and_facts(orderlane):
    found = json.loads(orderlane("alarm", "list", "--kind", "feed_silent", "--json").stdout)
    assert found["open"] == 1
    [one] = found["alarms"]
    assert one["facts"] == {"since": "2026-11-30"}
    assert (one["kind"], one["key"], one["severity"], one["owner"], one["count"], one["closed_at"]) == (
        *("feed_silent", "taobao/s1", "error", "engineering", 1, None),
    )
    assert one["age_s"] == pytest.approx(7200, abs=600)


def test_a_kind_that_does_not_exist_is_refused(orderlane):
    assert orderlane("alarm", "list", "--kind", "nonsense").exit_code == 2


def test_more_than_are_listed_are_counted(orderlane, database):
    with database.connection() as connection:
        held = {str(number): HeldCondition() for number in range(OPEN_MAX + 1)}
        update_alarms(connection, AlarmKind.DEAD_LETTERS, held)
    found = json.loads(orderlane("alarm", "list", "--json").stdout)
    assert (len(found["alarms"]), found["open"]) == (OPEN_MAX, OPEN_MAX + 1)
    assert "and 1 more" in orderlane("alarm", "list").stdout
