"""Orders die while the backlog is empty: somebody hears of their causes, each once, until there is news."""

import pytest
import structlog

from infra.engine.author import Author
from infra.monitoring.alarms import alarm_on_letters
from ops.verbs.letters import discard

LI = Author("li", "test orders")


@pytest.fixture
def heard(harness):
    """One round; the causes it named."""

    def heard():
        with structlog.testing.capture_logs() as lines:
            count = alarm_on_letters(harness.db)
        assert count == len(lines)
        return [(line["at_step"], line["adapter"], line["code"], line["letters"]) for line in lines]

    return heard


def test_thirty_orders_that_die_without_a_backlog_are_heard_of(harness, dead, heard):
    assert heard() == []
    dead(30, "worn_out")
    assert harness.work() == {}, "there is no backlog"
    assert heard() == [("label", "sf", "worn_out", 30)]
    assert heard() == [], "heard before"


def test_every_new_cause_is_heard_of_and_one_that_doubles(dead, heard):
    dead(4, "worn_out")
    heard()
    dead(1, "strange")
    assert heard() == [("label", "sf", "strange", 1)]
    dead(3, "worn_out")
    assert heard() == []
    dead(1, "worn_out")
    assert heard() == [("label", "sf", "worn_out", 8)]


def test_what_stays_open_is_heard_of_daily(harness, dead, heard):
    dead(4)
    heard()
    harness.rows("UPDATE letter_alarm SET raised_at = raised_at - interval '1 day'")
    assert heard() == [("label", "sf", "sick", 4)]
    assert heard() == []


def test_a_cause_that_comes_back_is_new(harness, dead, heard):
    for letter_id in dead(4).values():
        heard()
        discard(harness.db, letter_id, LI)
    assert heard() == []
    assert harness.rows("SELECT * FROM letter_alarm") == []
    dead(1)
    assert heard() == [("label", "sf", "sick", 1)]


def test_the_alarm_names_the_command_that_shows_the_letters(harness, dead):
    dead(2)
    with structlog.testing.capture_logs() as lines:
        alarm_on_letters(harness.db)
    cause = harness.one("SELECT DISTINCT fingerprint FROM dead_letter")
    assert lines[0]["look"] == f"orderlane dlq list --cause {cause}"
