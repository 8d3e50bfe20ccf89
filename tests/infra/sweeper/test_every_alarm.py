"""Every condition opens its alarm, and only its end closes the alarm: real stores, the real duties.

The code that meets an event opens its alarm: `EVENTS` names the test of each.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisAwayError

from domain.alarms import ALARMS, QUIET_S, AlarmKind
from infra.config.settings import Location, Sender, Settings, Shop
from infra.monitoring.alarm_conditions import conditions_of
from infra.monitoring.alarm_sinks import LogSink
from infra.monitoring.invariants import report_breaches
from infra.sweeper.open_alarms import alarm_duties, unreachable_redis
from infra.sweeper.schedule import ALARMS_EVERY_S, Duty
from infra.tables.locations import note_stock_fault

SENDER = Sender(contact="仓库", phone="02112345678", province="上海", city="上海市", district="嘉定区", detail="1号")
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Case:
    """How a condition comes to hold and ends, in SQL. `of`: the key and the count of its alarm."""

    begin: str | tuple[str, ...]
    end: str
    of: tuple[str, int]

    @property
    def beginning(self) -> tuple[str, ...]:
        return (self.begin,) if isinstance(self.begin, str) else self.begin


ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', '4711', '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, paid_at, ship_by, buyer_id, buyer_memo, seller_memo,
        seller_flag, received_at)
    SELECT 'taobao', 's1', '4711', id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 1000, 1000,
        false, false, now(), now(), now() - interval '%s hours', now() + interval '%s hours', '', '', '', 0, now()
    FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'paid', 'bulk' FROM made
"""
MARK = "INSERT INTO clock_alarm (order_id, percent) SELECT id, unnest('{%s}'::int[]) FROM orders"
HOLD = """
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
SELECT id, '%s', 'label', 'service', now() + interval '%s hours', '{"account": "sf/main"}' FROM fulfillment_order
"""
CASE_OF_EACH = """
INSERT INTO order_case (shop, case_id, kind, order_id, owner, due_at)
SELECT 'taobao/s1', n::text, 'lost', id, 'logistics', now() + make_interval(hours => n)
FROM orders, unnest('{-2,-1,1}'::int[]) AS n
"""
SHIPPED = "UPDATE fulfillment_order SET state = 'in_transit'"
RELEASED = "UPDATE hold SET released_at = now(), released_by = 'mei'"
CURSOR = """
WITH s AS (INSERT INTO shop (account, cursor_at, read_at, created_at)
           VALUES ('taobao/s1', now(), now(), now() - interval '9 days') RETURNING id)
INSERT INTO work (step, subject_id, lane, account) SELECT 'pull', id, 'p1', 'taobao/s1' FROM s
"""
SILENT = "UPDATE shop SET read_at = now() - interval '2 hours'"
DOCUMENT = """
INSERT INTO placement (fulfillment_order_id, location, generation, reference, status, placed_at)
SELECT id, 'east', 1, 'R', 'placed', now() - interval '25 hours' FROM fulfillment_order
"""
STALE = "UPDATE shop SET cursor_at = now() - interval '2 days'"

CASES = {
    AlarmKind.SHIP_BY_50: Case((ORDER % (24, 20), MARK % 50), SHIPPED, ("taobao/s1", 1)),
    AlarmKind.SHIP_BY_80: Case((ORDER % (40, 8), MARK % "50,80"), SHIPPED, ("taobao/s1", 1)),
    AlarmKind.SHIP_BY_100: Case((ORDER % (40, -1), MARK % "50,80,100"), SHIPPED, ("taobao/s1", 1)),
    AlarmKind.FEED_SILENT: Case((CURSOR, SILENT), "UPDATE shop SET read_at = now()", ("taobao/s1", 1)),
    AlarmKind.WAREHOUSE_SILENT: Case(
        (ORDER % (1, 40), DOCUMENT),
        "UPDATE placement SET heard_at = now()",
        ("warehouse/east", 1),
    ),
    AlarmKind.SHOP_BEHIND: Case((CURSOR, STALE), "UPDATE shop SET cursor_at = now()", ("taobao/s1", 1)),
    AlarmKind.FOUND_LATE: Case(
        (CURSOR, "UPDATE shop SET found_late = 3, found_late_at = now()"),
        "UPDATE shop SET found_late_at = now() - interval '25 hours'",
        ("taobao/s1", 3),
    ),
    AlarmKind.SECOND_READING_BEHIND: Case(
        (CURSOR, "UPDATE shop SET settled_at = now() - interval '25 hours'"),
        "UPDATE shop SET settled_at = now()",
        ("taobao/s1", 1),
    ),
    AlarmKind.HOLDS_EXPIRED: Case((ORDER % (1, 40), HOLD % ("address_vague", -1)), RELEASED, ("service", 1)),
    AlarmKind.CASES_EXPIRED: Case(
        (
            ORDER % (1, 40),
            CASE_OF_EACH,
        ),
        "UPDATE order_case SET closed_at = now(), closed_by = 'mei'",
        ("logistics", 2),
    ),
    AlarmKind.WAITING_ON_ACCOUNT: Case((ORDER % (1, 40), HOLD % ("waiting_on_account", 1)), RELEASED, ("sf/main", 1)),
    AlarmKind.ACCOUNT_PAUSED: Case(
        (
            "INSERT INTO gate (kind, name, reason, shut_by, probe_at) VALUES "
            "('account', 'sf/main', 'token_expired', 'engine', now()), ('account', 'sf/mei', 'x', 'mei', NULL)"
        ),
        "DELETE FROM gate WHERE name = 'sf/main'",
        ("sf/main", 1),
    ),
    AlarmKind.ENTRIES_UNREADABLE: Case(
        (
            "INSERT INTO unreadable_entry (source, account, position, code, field, owner, due_at) "
            "SELECT 'scan', 'warehouse/east', n, 'field_missing', 'at', 'warehouse', now() "
            "FROM generate_series(1, 2) AS n"
        ),
        "UPDATE unreadable_entry SET closed_at = now(), closed_by = 'mei'",
        ("scan warehouse/east", 2),
    ),
    AlarmKind.INPUT_REFUSED: Case(
        (
            "INSERT INTO refused_input (kind, name, count, account, platform_order_id) VALUES "
            "('contents', 'a', 9, 'taobao/s1', 'a'), ('contents', 'b', 9, 'taobao/s1', 'b')"
        ),
        "UPDATE refused_input SET last_at = now() - interval '25 hours'",
        ("contents taobao/s1", 2),
    ),
    AlarmKind.STOCK_COUNT_REFUSED: Case(
        "INSERT INTO stock_refusal (location, sku, on_hand, counted) SELECT 'east', unnest('{A,B}'::text[]), 3, 1",
        "DELETE FROM stock_refusal",
        ("east", 2),
    ),
    AlarmKind.BULK_STOPPED: Case(
        (
            "INSERT INTO bulk (who, reason, filter, per_second, again, state, note) "
            "VALUES ('mei', 'x', '{}', 1, false, 'paused', 'the canary failed again: sick')"
        ),
        "UPDATE bulk SET state = 'cancelled', ended_at = now()",
        ("1", 0),
    ),
}
SETTINGS = Settings(
    shops=(
        Shop(
            name="s1",
            platform="taobao",
            endpoint="",
            credentials={},
            lag_s=60.0,
            poll_every_s=40.0,
            cursor_age_max_s=500.0,
        ),
    ),
    locations=(Location(name="east", endpoint="http://127.0.0.1:1", sender=SENDER, credentials={}),),
)

# Kinds whose reason is not in a row that SQL could insert: each has a test below.
BY_HAND = {
    AlarmKind.DEAD_LETTERS,
    AlarmKind.INVARIANT_BREACHED,
    AlarmKind.STOCK_NOT_COUNTED,
    AlarmKind.RULES_BORROWED,
    AlarmKind.DUTY_FAILED,
    AlarmKind.REDIS_UNREACHABLE,
}
EVENTS = {
    AlarmKind.REJECTED_MESSAGES_DROPPED: "tests/infra/sweeper/test_rejected_messages.py",
    AlarmKind.ACCOUNT_THROTTLED: "tests/infra/accounts/test_gates.py",
    AlarmKind.NOTICE_UNKNOWN: "tests/actors/test_notify.py",
    AlarmKind.WORKER_DIED: "tests/infra/sweeper/test_stuck_work.py",
    AlarmKind.LEASES_FREED: "tests/infra/sweeper/test_stuck_work.py",
    AlarmKind.LATE_SAVE_REFUSED: "tests/infra/engine/test_remote.py",
    AlarmKind.EXCLUSIVE_RUN_PUT_OFF: "tests/infra/engine/test_exclusive.py",
    AlarmKind.POOL_AT_MAXIMUM: "tests/workers/test_autoscaler.py",
    AlarmKind.UNCAUGHT: "tests/infra/monitoring/test_alarm_events.py",
}


class Redis:
    """Answers, or does not."""

    is_away = False

    def ping(self) -> bool:
        if self.is_away:
            raise RedisAwayError
        return True


@pytest.fixture
def redis_server():
    return Redis()


@pytest.fixture
def looks(harness, stepped_clock, redis_server):
    """Makes the duties about alarms; what it makes is one round of them, and tells which alarms are open then."""

    def looks(settings, others=()):
        conditions = [*conditions_of(settings), unreachable_redis(redis_server.ping)]
        duties = alarm_duties(harness.db, stepped_clock, conditions, others, LogSink())

        def look():
            stepped_clock.at += ALARMS_EVERY_S
            for duty in duties:
                duty.tend()
                assert duty.last_error == "", duty.name
            return harness.rows("SELECT kind, key, count FROM alarm WHERE closed_at IS NULL ORDER BY id")

        return look

    return looks


@pytest.fixture
def look(looks):
    return looks(SETTINGS)


def test_every_kind_has_its_test():
    assert {*CASES, *BY_HAND, *EVENTS} == set(AlarmKind)
    assert set(EVENTS) == set(QUIET_S)
    for kind, file in EVENTS.items():
        assert re.search(rf"\bAlarmKind\.{kind.name}\b", (ROOT / file).read_text(encoding="utf-8")), kind


def test_where_nothing_is_wrong_no_alarm_is_open(look):
    assert look() == []


@pytest.mark.parametrize("kind", CASES)
def test_it_opens_stays_while_the_condition_holds_and_closes_when_that_is_over(harness, look, kind):
    case = CASES[kind]
    harness.script(*case.beginning)
    with structlog.testing.capture_logs() as lines:
        assert look() == [(kind, *case.of)]
        assert look() == [(kind, *case.of)], "nothing but the end of the condition closes it"
        harness.script(case.end)
        assert look() == []
    said = [line for line in lines if line["event"].startswith("alarm_")]
    assert [(line["event"], line["kind"], line["key"]) for line in said] == [
        ("alarm_opened", kind, case.of[0]),
        ("alarm_closed", kind, case.of[0]),
    ]
    assert said[0]["log_level"] == ALARMS[kind].severity
    assert all(line["owner"] for line in said)


def test_dead_letters(harness, look, dead):
    letters = dead(3)
    [[cause]] = harness.rows("SELECT DISTINCT fingerprint FROM dead_letter")
    assert look() == [(AlarmKind.DEAD_LETTERS, cause, 3)]
    harness.script("UPDATE letter_tally SET letters = 0, orders = 0")
    assert look() == []
    assert len(letters) == 3


def test_a_breached_invariant(harness, look):
    harness.order()
    report_breaches(harness.db)
    assert look() == [(AlarmKind.INVARIANT_BREACHED, "open_order_moves", 1)]
    harness.script("UPDATE fulfillment_order SET state = 'closed', finished_at = now(), closed_reason = 'test'")
    assert look() == [(AlarmKind.INVARIANT_BREACHED, "open_order_moves", 1)], "until the next check"
    report_breaches(harness.db)
    assert look() == []


def test_a_location_that_cannot_be_counted(harness, look):
    harness.script("INSERT INTO location (name) VALUES ('east'), ('west')")
    with harness.db.connection() as connection:
        note_stock_fault(connection, "east", "http_503")
        note_stock_fault(connection, "west", "http_503")
    assert look() == [(AlarmKind.STOCK_NOT_COUNTED, "east", 1)], "west is configured no more"
    with harness.db.connection() as connection:
        note_stock_fault(connection, "east", None)
    assert look() == []


def test_borrowed_rules(looks, tmp_path):
    packaged = (ROOT / "domain" / "default_rules.toml").read_text(encoding="utf-8")
    file = tmp_path / "rules.toml"
    older = re.sub(r"(?m)^held_flags .*\n", "", packaged)
    assert older != packaged
    look = looks(Settings(rules_file=str(file)))
    file.write_text(older, encoding="utf-8")
    assert look() == [(AlarmKind.RULES_BORROWED, "rules_file", 1)]
    file.write_text("[torn", encoding="utf-8")
    assert look() == [(AlarmKind.RULES_BORROWED, "rules_file", 1)], "of a file that is torn nobody knows"
    file.write_text(packaged, encoding="utf-8")
    assert look() == []


def test_a_duty_that_fails(looks, stepped_clock):
    answers = [ZeroDivisionError(), None, ZeroDivisionError()]

    def act():
        if (answer := answers.pop(0)) is not None:
            raise answer

    duty = Duty("harm", 1.0, act, stepped_clock)
    look = looks(SETTINGS, [duty])
    assert look() == []
    assert duty.tend()
    assert look() == [(AlarmKind.DUTY_FAILED, "harm", 1)]
    assert duty.tend()
    assert look() == []
    assert duty.tend()
    assert look() == [(AlarmKind.DUTY_FAILED, "harm", 1)]
    duty.last_error = None
    assert look() == [(AlarmKind.DUTY_FAILED, "harm", 1)], "of a duty that had no round yet nobody knows"


def test_a_look_that_fails_is_an_alarm_of_its_own_and_keeps_no_other_from_its_turn(harness, stepped_clock):
    harness.script(*CASES[AlarmKind.ACCOUNT_PAUSED].beginning)
    harness.script("ALTER TABLE stock_refusal RENAME TO stock_refusal_away")
    duties = alarm_duties(harness.db, stepped_clock, conditions_of(SETTINGS), [], LogSink())
    with structlog.testing.capture_logs():
        for _ in range(2):
            stepped_clock.at += ALARMS_EVERY_S
            for duty in duties:
                with suppress(AssertionError):
                    duty.tend()
    assert harness.rows("SELECT kind, key FROM alarm WHERE closed_at IS NULL ORDER BY id") == [
        ("account_paused", "sf/main"),
        ("duty_failed", "alarm_stock_count_refused"),
    ]


def test_redis_that_does_not_answer(look, redis_server):
    redis_server.is_away = True
    assert look() == [(AlarmKind.REDIS_UNREACHABLE, "", 1)]
    redis_server.is_away = False
    assert look() == []


def test_an_order_counts_at_the_mark_that_it_reached_last_and_not_once_its_ship_by_was_put_off(harness, look):
    harness.script(ORDER % (40, 8), MARK % "50,80")
    assert [kind for kind, *_ in look()] == [AlarmKind.SHIP_BY_80]
    harness.script("UPDATE orders SET ship_by = ship_by + interval '5 days'")
    assert look() == []
    harness.script("UPDATE orders SET ship_by = now() - interval '1 hour'")
    assert [kind for kind, *_ in look()] == [AlarmKind.SHIP_BY_80]
    harness.script(MARK % 100)
    assert [kind for kind, *_ in look()] == [AlarmKind.SHIP_BY_100]
    assert harness.rows("SELECT percent FROM clock_alarm WHERE over_at IS NULL") == [(100,)]
    harness.script(SHIPPED)
    assert look() == []
    assert harness.rows("SELECT percent FROM clock_alarm WHERE over_at IS NULL") == [], "it is not looked at again"


def test_a_shop_near_its_limit_stays_as_it_was(harness, look):
    harness.script(CURSOR, STALE)
    assert look() != []
    harness.script("UPDATE shop SET cursor_at = now() - interval '400 seconds'")
    assert look() != []
    harness.script("UPDATE shop SET cursor_at = now() - interval '100 seconds'")
    assert look() == []
    harness.script("UPDATE shop SET cursor_at = now() - interval '400 seconds'")
    assert look() == []


def test_a_shop_that_a_person_pauses_is_not_behind_any_more(harness, look):
    harness.script(CURSOR, STALE)
    assert look() != []
    harness.script("INSERT INTO gate (kind, name, reason, shut_by) VALUES ('account', 'taobao/s1', 'x', 'mei')")
    assert look() == []


BULK_ACT = """
INSERT INTO bulk_act (verb, who, role, source, request_id, reason, confirmed_by, state, note)
VALUES ('order.hold', 'mei', 'operator', 'cli', gen_random_uuid(), 'x', 'mei', 'paused', '%s')
"""


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE bulk_act SET state = 'running', note = ''",
        "UPDATE bulk_act SET state = 'cancelled', note = '', ended_at = now()",
    ],
)
def test_a_bulk_act_that_pauses_itself_is_an_alarm_until_it_goes_on_or_ends(harness, look, end):
    harness.script(BULK_ACT % "failing", "INSERT INTO bulk_item VALUES (1, 1, 7, 'waiting', ''), (1, 2, 8, 'done', '')")
    assert look() == [(AlarmKind.BULK_STOPPED, "1", 1)]
    harness.script(end)
    assert look() == []


def test_a_bulk_act_that_a_person_pauses_is_no_alarm(harness, look):
    harness.script(BULK_ACT % "")
    assert look() == []


def test_a_bulk_replay_that_pauses_itself_is_an_alarm_although_the_audit_has_it(harness, look):
    harness.script(
        *CASES[AlarmKind.BULK_STOPPED].beginning,
        "INSERT INTO audit (who, role, verb, object, reason) "
        "VALUES ('engine', 'machine', 'bulk_paused', 'bulk/1', 'x')",
    )
    assert look() == [(AlarmKind.BULK_STOPPED, "1", 0)]


def test_a_bulk_that_a_person_pauses_is_no_alarm(harness, look):
    harness.script(
        "INSERT INTO bulk (who, reason, filter, per_second, again, state, note) "
        "VALUES ('mei', 'x', '{}', 1, false, 'paused', 'by mei: lunch')",
        "INSERT INTO audit (who, verb, object, reason) VALUES ('mei', 'bulk_paused', 'bulk/1', 'lunch')",
    )
    assert look() == []
