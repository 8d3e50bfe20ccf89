"""An alarm is one open row for its kind and key."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.alarms import QUIET_S, AlarmKind
from infra.tables.alarms import (
    EVENT_EVERY_S,
    RENEW_S,
    STRANGE_S,
    HeldCondition,
    close_quiet,
    count_open,
    note_reported,
    open_alarm,
    open_alarms,
    unreported,
    update_alarms,
)

SILENT, DIED = AlarmKind.FEED_SILENT, AlarmKind.WORKER_DIED


@pytest.fixture
def settle(database):
    def settle(held, kind=SILENT):
        with database.transaction() as tx:
            update_alarms(tx, kind, held)

    return settle


@pytest.fixture
def rows(database):
    def rows(query, *values):
        with database.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    return rows


@pytest.fixture
def open_keys(rows):
    return lambda: [row[0] for row in rows("SELECT key FROM alarm WHERE closed_at IS NULL ORDER BY key")]


@pytest.fixture
def age(rows):
    """Let so many seconds pass for all alarms."""
    return lambda seconds: rows(
        """UPDATE alarm SET first_at = first_at - make_interval(secs => %s),
                            last_at = last_at - make_interval(secs => %s)""",
        *(seconds, seconds),
    )


def test_what_is_new_is_opened_what_goes_on_stays_what_is_over_is_closed(settle, rows, open_keys):
    settle({"taobao/a": HeldCondition(), "taobao/b": HeldCondition()})
    [(first, *_)] = rows("SELECT id FROM alarm WHERE key = 'taobao/b'")
    settle({"taobao/b": HeldCondition(), "taobao/c": HeldCondition()})
    assert open_keys() == ["taobao/b", "taobao/c"]
    assert rows("SELECT id FROM alarm WHERE key = 'taobao/b'") == [(first,)]
    settle({})
    assert open_keys() == []
    settle({"taobao/b": HeldCondition()})
    assert rows("SELECT count(*), count(*) FILTER (WHERE closed_at IS NULL) FROM alarm WHERE key = 'taobao/b'") == [
        (2, 1)
    ]


def test_of_what_is_unknown_the_alarm_stays_as_it_is(settle, open_keys):
    settle({"taobao/a": HeldCondition(), "taobao/b": HeldCondition()})
    settle({"taobao/a": None, "taobao/c": None})
    assert open_keys() == ["taobao/a"]


def test_another_kind_is_left_alone(settle, open_keys):
    settle({"sf/main": HeldCondition()}, AlarmKind.ACCOUNT_PAUSED)
    settle({})
    assert open_keys() == ["sf/main"]


def test_what_goes_on_unchanged_is_written_rarely(settle, rows, age):
    def version():
        return rows("SELECT xmin::text, count FROM alarm")

    settle({"a": HeldCondition(3, {"code": "x"})})
    for seconds, is_written in ((0, False), (RENEW_S - 60, False), (60, True)):
        age(seconds)
        before = version()
        settle({"a": HeldCondition(3, {"code": "x"})})
        assert (version() != before) is is_written
    before = version()
    settle({"a": HeldCondition(4, {"code": "x"})})
    assert version() != before, "another count is written at once"
    assert rows("SELECT count, last_at > now() - interval '1 minute', first_at < last_at FROM alarm") == [
        (4, True, True)
    ]


def test_owner_and_severity_are_the_kinds_unless_the_key_has_its_own_owner(settle, rows):
    settle({"a": HeldCondition(), "b": HeldCondition(owner="service")})
    assert rows("SELECT key, owner, severity FROM alarm ORDER BY key") == [
        ("a", "engineering", "error"),
        ("b", "service", "error"),
    ]


def test_many_settle_the_same_set_at_once(database, rows):
    held = {f"taobao/{n}": HeldCondition(n) for n in range(30)}

    def settle(turn):
        with database.transaction() as tx:
            update_alarms(tx, SILENT, held if turn % 2 else dict(reversed(held.items())))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(settle, range(32)))
    assert rows("SELECT count(*), count(closed_at) FROM alarm") == [(30, 0)]


def note(database, kind=DIED, key="label", count=1):
    with database.transaction() as tx:
        open_alarm(tx, kind, key, count=count)


def test_an_event_that_happens_again_raises_the_count_of_the_open_alarm(database, rows, age):
    note(database, count=2)
    age(EVENT_EVERY_S + 1)
    note(database)
    assert rows("SELECT count, last_at - first_at > interval '10 seconds' FROM alarm") == [(3, True)]


def test_of_many_at_once_one_is_written_and_nobody_waits(database, rows):
    note(database)
    with database.transaction() as tx:
        tx.execute("SELECT FROM alarm FOR UPDATE")
        with database.connection() as other:
            other.execute("SET lock_timeout = '1ms'")
            open_alarm(other, DIED, "label")
            other.execute("RESET lock_timeout")
    assert rows("SELECT count FROM alarm") == [(1,)]


def test_a_first_event_from_many_places_at_once_is_one_alarm(database, rows):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: note(database), range(16)))
    assert rows("SELECT count(*) FROM alarm") == [(1,)]


@pytest.mark.parametrize("kind", QUIET_S)
def test_an_event_is_closed_after_its_quiet_time_and_not_before(database, open_keys, age, kind):
    note(database, kind)
    age(QUIET_S[kind] - 60)
    with database.transaction() as tx:
        assert close_quiet(tx) == 0
    assert open_keys() == ["label"]
    age(61)
    with database.transaction() as tx:
        assert close_quiet(tx) == 1
    assert open_keys() == []


def test_quiet_closes_no_condition(database, settle, open_keys, age):
    settle({"taobao/a": HeldCondition()})
    age(10 * STRANGE_S)
    with database.transaction() as tx:
        assert close_quiet(tx) == 0
    assert open_keys() == ["taobao/a"]


def test_what_only_a_newer_version_knows_is_listed_and_closed_when_nobody_renews_it(database, rows, age):
    rows("INSERT INTO alarm (kind, key, severity, owner) VALUES ('of_tomorrow', 'x', 'error', 'engineering')")
    with database.transaction() as tx:
        assert [one.kind for one in open_alarms(tx)] == ["of_tomorrow"]
        assert close_quiet(tx) == 0
    age(STRANGE_S + 1)
    with database.transaction() as tx:
        assert close_quiet(tx) == 1


def test_the_gravest_come_first_and_among_them_the_oldest(database, settle):
    note(database)
    settle({"taobao/1": HeldCondition()})
    settle({"taobao/2": HeldCondition()}, AlarmKind.SHIP_BY_50)
    settle({"taobao/1": HeldCondition(), "taobao/0": HeldCondition()})
    with database.connection() as connection:
        assert [(one.kind, one.key) for one in open_alarms(connection)] == [
            ("feed_silent", "taobao/1"),
            ("feed_silent", "taobao/0"),
            ("worker_died", "label"),
            ("ship_by_50", "taobao/2"),
        ]
        assert [one.key for one in open_alarms(connection, SILENT, limit=1)] == ["taobao/1"]
        assert {(one.kind, one.severity): one.alarms for one in count_open(connection)} == {
            ("feed_silent", "error"): 2,
            ("worker_died", "warning"): 1,
            ("ship_by_50", "info"): 1,
        }


def heard(database):
    with database.connection() as connection:
        return [
            (news.alarm.key, news.is_opening, news.alarm.closed_at is not None) for news in unreported(connection, 10)
        ]


def tell(database):
    with database.transaction() as tx:
        note_reported(tx, [news.alarm for news in unreported(tx, 10)])


def test_opening_and_closing_are_news_once_each(database, settle):
    settle({"a": HeldCondition(), "b": HeldCondition()})
    assert heard(database) == [("a", True, False), ("b", True, False)]
    tell(database)
    assert heard(database) == []
    settle({"a": HeldCondition(9)})
    assert heard(database) == [("b", False, True)], "what goes on is no news"
    tell(database)
    assert heard(database) == []


def test_an_alarm_that_closed_before_anybody_told_of_it_is_told_whole(database, settle):
    settle({"a": HeldCondition()})
    settle({})
    assert heard(database) == [("a", True, True)]
    tell(database)
    assert heard(database) == []


def test_what_closes_while_its_opening_is_told_is_news_again(database, settle):
    settle({"a": HeldCondition()})
    with database.connection() as connection:
        news = unreported(connection, 10)
    settle({})
    with database.transaction() as tx:
        note_reported(tx, [one.alarm for one in news])
    assert heard(database) == [("a", False, True)]
    with database.transaction() as tx:
        note_reported(tx, [one.alarm for one in unreported(tx, 10)])
        note_reported(tx, [one.alarm for one in news])
    assert heard(database) == [], "a slower sweeper takes nothing back"
