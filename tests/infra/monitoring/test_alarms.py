import itertools
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.ship_by import MARKS, used_percent
from infra.config.settings import Shop
from infra.monitoring import alarms as alarms_module
from infra.monitoring.alarms import (
    alarm_on_expired_cases,
    alarm_on_expired_holds,
    alarm_on_old_cursors,
    alarm_on_silent_feeds,
    is_news,
    raise_alarms,
    repeat_alarms,
)
from infra.tables.letters import LastReport

NUMBERS = itertools.count(1)
ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', %(number)s, '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
        seller_flag, received_at)
    SELECT 'taobao', 's1', %(number)s, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 1000, 1000,
        false, false, now(), now(), now() - make_interval(hours => %(paid_h)s),
        now() + make_interval(hours => %(left_h)s), '', '', '', 0, now() FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, %(state)s, 'bulk' FROM made RETURNING order_id
"""


@pytest.fixture
def order(database):
    """An order paid so many hours ago that must leave in so many hours; its id."""

    def plant(paid_h: int, left_h: int, state: str = "paid") -> int:
        with database.connection() as connection:
            named = {"number": str(next(NUMBERS)), "paid_h": paid_h, "left_h": left_h, "state": state}
            return connection.execute(ORDER, named).fetchone()[0]

    return plant


@pytest.fixture
def alarms(database):
    def look() -> list[tuple[int, int]]:
        with database.connection() as connection:
            return connection.execute("SELECT order_id, percent FROM clock_alarm ORDER BY 1, 2").fetchall()

    return look


def test_each_mark_that_is_reached_is_raised_once(database, order, alarms):
    early, half, late = order(20, 28), order(24, 24), order(60, -12)
    assert raise_alarms(database) == 4
    assert alarms() == [(half, 50), (late, 50), (late, 80), (late, 100)]
    assert raise_alarms(database) == 0
    with database.connection() as connection:
        connection.execute("UPDATE orders SET paid_at = paid_at - interval '1 day' WHERE id = %s", [early])
    assert raise_alarms(database) == 1
    assert alarms()[0] == (early, 50)


def test_the_clock_of_an_order_that_waits_for_a_day_begins_on_that_day(database, order, alarms):
    waits, runs = order(60, 12), order(60, 12)
    with database.connection() as connection:
        for id_, hours in ((waits, 1), (runs, -14)):
            connection.execute(
                "UPDATE orders SET ship_from = now() + make_interval(hours => %s) WHERE id = %s", [hours, id_]
            )
    assert raise_alarms(database) == 1
    assert alarms() == [(runs, 50)]


@pytest.mark.parametrize(
    ("state", "count"), [("paid", 3), ("packed", 3), ("pending_payment", 0), ("in_transit", 0), ("delivered", 0)]
)
def test_only_orders_that_wait_in_the_house_have_a_running_clock(database, order, state, count):
    order(60, -12, state)
    assert raise_alarms(database) == count


def test_an_order_that_comes_in_late_for_ages_is_heard_of_too(database, order, monkeypatch):
    order(24 * 30, -24 * 8)
    assert raise_alarms(database) == 3
    order(24 * 30, -24 * 8)
    monkeypatch.setattr(alarms_module, "_NEWEST", 0)
    assert raise_alarms(database) == 0, "what is neither new nor late of late costs nothing"


@pytest.fixture
def pass_time(database):
    """Let so many hours pass."""

    def pass_time(hours: float) -> None:
        span = timedelta(hours=hours)
        with database.connection() as connection:
            connection.execute("UPDATE orders SET ship_by = ship_by - %s, paid_at = paid_at - %s", [span, span])
            connection.execute("UPDATE clock_alarm SET next_at = next_at - %s", [span])
            connection.execute("UPDATE hold SET due_at = due_at - %s", [span])

    return pass_time


def set_states(database, state: str) -> None:
    with database.connection() as connection:
        connection.execute("UPDATE fulfillment_order SET state = %s", [state])


def test_a_late_order_is_repeated_once_a_day_until_it_leaves(database, order, pass_time):
    order(60, -1)
    raise_alarms(database)
    heard = []
    for _ in range(20):
        pass_time(12)
        heard.append(repeat_alarms(database))
        assert repeat_alarms(database) == 0, "twice on a day"
    assert heard == [0, 1] * 10
    set_states(database, "in_transit")
    pass_time(24)
    assert repeat_alarms(database) == 0
    set_states(database, "packed")
    pass_time(240)
    assert repeat_alarms(database) == 0, "what has left is not looked at again"


def test_what_somebody_has_in_hand_is_theirs_until_the_due_time(database, order, pass_time):
    late = order(60, -1)
    raise_alarms(database)
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
               SELECT id, 'address_vague', 'review', 'service', now() + interval '30 hours'
               FROM fulfillment_order WHERE order_id = %s""",
            [late],
        )
    pass_time(25)
    assert repeat_alarms(database) == 0
    pass_time(6)
    with structlog.testing.capture_logs() as lines:
        assert repeat_alarms(database) == 1
    [line] = lines
    assert (line["event"], line["percent"], line["days_late_max"], line["log_level"]) == (
        "clock_alarm",
        100,
        1,
        "error",
    )


HOLD = """
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
SELECT id, 'address_vague', 'review', %s, now() + make_interval(hours => %s) FROM fulfillment_order WHERE order_id = %s
"""


def test_owners_are_reminded_of_holds_past_their_due_time(database, order):
    with database.connection() as connection:
        for owner, hours in (("service", -1), ("service", -2), ("finance", -1), ("finance", 1)):
            connection.execute(HOLD, [owner, hours, order(1, 20)])
    with structlog.testing.capture_logs() as lines:
        assert alarm_on_expired_holds(database) == 3
    assert [(line["event"], line["owner"], line["holds"]) for line in lines] == [
        ("holds_expired", "finance", 1),
        ("holds_expired", "service", 2),
    ]


CASE = """
INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at)
VALUES ('taobao/s1', %s, 'lost', %s, %s, now() + make_interval(hours => %s))
"""


def test_owners_are_reminded_of_open_cases_past_their_due_time(database, order):
    order_id = order(1, 20)
    with database.connection() as connection:
        for number, (owner, hours) in enumerate((("logistics", -1), ("service", -1), ("service", -2), ("service", 1))):
            connection.execute(CASE, [str(number), order_id, owner, hours])
        connection.execute("UPDATE order_case SET closed_at = now(), closed_by = 'li' WHERE case_id = '2'")
    with structlog.testing.capture_logs() as lines:
        assert alarm_on_expired_cases(database) == 2
    assert [(line["event"], line["owner"], line["cases"]) for line in lines] == [
        ("cases_expired", "logistics", 1),
        ("cases_expired", "service", 1),
    ]


def test_a_feed_that_falls_silent_is_named(database):
    with database.connection() as connection:
        connection.execute(
            """WITH s AS (INSERT INTO shop (account, read_at) VALUES ('taobao/s1', now() - interval '90 minutes')
                         RETURNING id)
               INSERT INTO work (step, subject_id, lane, account) SELECT 'pull', id, 'p1', 'taobao/s1' FROM s"""
        )
    with structlog.testing.capture_logs() as lines:
        assert alarm_on_silent_feeds(database) == 1
    [line] = lines
    assert (line["event"], line["account"], line["silent_h"]) == ("feed_silent", "taobao/s1", 1.5)


TAOBAO = Shop(
    name="s1",
    platform="taobao",
    endpoint="",
    credentials={},
    lag_s=60.0,
    poll_every_s=40.0,
    cursor_age_max_s=500.0,
)


@pytest.fixture
def cursor(database):
    """Plant the shop, or let its cursor be so many seconds old; what is heard of it then."""

    def heard(age_s: float | None, created_s: float = 100_000.0) -> list[tuple[str, str, int]]:
        with database.connection() as connection:
            connection.execute(
                """INSERT INTO shop (account, cursor_at, created_at)
                   VALUES ('taobao/s1', now() - make_interval(secs => %(age)s), now() - make_interval(secs => %(made)s))
                   ON CONFLICT (account) DO UPDATE
                   SET cursor_at = excluded.cursor_at, created_at = excluded.created_at""",
                {"age": age_s, "made": created_s},
            )
        with structlog.testing.capture_logs() as lines:
            alarm_on_old_cursors(database, [TAOBAO])
        return [(line["event"], line["account"], line["behind_min"]) for line in lines]

    return heard


def test_somebody_hears_of_a_shop_that_falls_behind_and_once_it_has_caught_up(cursor):
    assert cursor(595) == []
    assert cursor(605) == [("shop_behind", "taobao/s1", 10)]
    assert cursor(1200) == [], "it was said"
    assert cursor(400) == [], "near the limit it is neither"
    assert cursor(700) == []
    assert cursor(100) == [("shop_caught_up", "taobao/s1", 2)]
    assert cursor(100) == []
    assert cursor(700) == [("shop_behind", "taobao/s1", 12)]


def test_while_it_stays_behind_it_is_said_again_every_hour(cursor, database):
    assert len(cursor(5000)) == 1
    for minutes, said in ((59, 0), (2, 1), (59, 0), (2, 1)):
        with database.connection() as connection:
            connection.execute("UPDATE shop SET behind_told_at = behind_told_at - make_interval(mins => %s)", [minutes])
        assert len(cursor(5000)) == said


def test_a_new_shop_has_time_to_catch_up(cursor):
    assert cursor(7 * 86_400, created_s=300) == []
    assert cursor(7 * 86_400, created_s=700) == [("shop_behind", "taobao/s1", 12)]


def test_a_shop_that_was_never_read_falls_behind_too(cursor):
    assert cursor(None, created_s=300) == []
    assert cursor(None, created_s=700) == [("shop_behind", "taobao/s1", 12)]


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (("account", "taobao/s1", "mei", None), 0),
        (("step", "pull", "mei", None), 0),
        (("account", "taobao/s2", "mei", None), 1),
        (("step", "label", "mei", None), 1),
        (("account", "taobao/s1", "engine", "now"), 1),
    ],
)
def test_nobody_is_behind_whom_a_person_has_paused(cursor, database, gate, said):
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO gate (kind, name, reason, shut_by, probe_at) VALUES (%s, %s, 'x', %s, %s)", gate
        )
    assert len(cursor(5000)) == said


def test_a_shop_that_is_configured_no_more_is_not_behind(cursor, database):
    cursor(100)
    with database.connection() as connection:
        connection.execute("UPDATE shop SET cursor_at = now() - interval '1 day'")
    assert alarm_on_old_cursors(database, []) == 0
    assert alarm_on_old_cursors(database, [TAOBAO]) == 1


def test_only_the_last_mark_is_repeated(database, order, pass_time):
    order(24, 100)
    assert raise_alarms(database) == 0
    order(24, 20)
    assert raise_alarms(database) == 1
    pass_time(1)
    assert repeat_alarms(database) == 0


@pytest.mark.parametrize(
    ("letters", "told", "news"),
    [
        (1, None, True),
        (1, LastReport(1, timedelta()), False),
        (2, LastReport(1, timedelta()), True),
        (59, LastReport(30, timedelta()), False),
        (60, LastReport(30, timedelta()), True),
        (5, LastReport(30, timedelta(hours=23)), False),
        (5, LastReport(30, timedelta(hours=24)), True),
    ],
)
def test_a_cause_is_news_when_it_is_new_grows_or_stays(letters, told, news):
    assert is_news(letters, told) is news


def test_the_log_says_how_much_money_is_at_risk_and_the_timeline_that_somebody_heard(database, order):
    late = [order(60, -12), order(60, -1)]
    with structlog.testing.capture_logs() as lines:
        raise_alarms(database)
    shown = [(line["percent"], line["orders"], line["at_risk_minor"], line["log_level"]) for line in lines]
    assert shown == [(50, 2, 2000, "warning"), (80, 2, 2000, "warning"), (100, 2, 2000, "error")]
    with database.connection() as connection:
        told = connection.execute("SELECT order_id, cause, count(*) FROM event GROUP BY 1, 2 ORDER BY 1").fetchall()
    assert told == [(id_, "timer", 3) for id_ in late]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paid_h=st.integers(-5, 100), left_h=st.integers(-100, 100))
@example(paid_h=-1, left_h=0)
def test_the_database_reaches_a_mark_when_the_rule_does(database, order, alarms, paid_h, left_h):
    order_id = order(paid_h, left_h)
    raise_alarms(database)
    now = datetime(2026, 11, 22, tzinfo=UTC)
    # The planting's own moment is a little earlier than the alarm's.
    used = used_percent(now - timedelta(hours=paid_h), now + timedelta(hours=left_h), now + timedelta(milliseconds=1))
    assert [percent for id_, percent in alarms() if id_ == order_id] == [mark for mark in MARKS if used >= mark]
