import io
import re
from dataclasses import replace

import msgspec
import psycopg
import pytest
from redis import Redis
from rich.console import Console

from domain.alarms import AlarmKind
from domain.errors import Transient
from infra.accounts.shared_breaker import SharedGates
from infra.config.settings import Settings, Shop
from infra.config.worker_settings import WorkerPool, Workers
from infra.engine.worker_lock import Presence
from infra.monitoring.signals import DEPTH_MAX, Signal, Signals, measure_signals
from infra.process.clock import SystemClock
from infra.tables.alarms import HeldCondition, open_alarm, update_alarms
from infra.tables.gates import GATES
from infra.tables.take_over import KeptOutCount
from infra.tables.work import WORK
from ops.faces.terminal.status import status_view
from ops.views import status as module
from ops.views.status import ALARMS_SHOWN, PoolStatus, Status, status

SETTINGS = Settings(workers=Workers(pools=(WorkerPool(name="main", processes=1, processes_max=3),)))
SIGNAL = Signal(
    group="label",
    lane="bulk",
    depth=120,
    oldest_s=75.0,
    ship_by_s=None,
    inflow_per_min=1234.4,
    drain_per_min=0,
    inflow=9,
    drain=0,
)
CALM = Status(
    signals=Signals(3.2, (SIGNAL,)),
    is_measured=True,
    under_way={},
    pools=(PoolStatus("main", 2, 1, 3), PoolStatus("p0", 1, 1, 1)),
    holds={},
    letters=(),
    gates=(),
    breaches={},
    gaps={},
    late={},
    cursors=(),
)


@pytest.fixture
def shared(redis: Redis) -> SharedGates:
    return SharedGates(redis)


@pytest.fixture
def look(database, shared):
    return lambda: status(database, shared, SETTINGS, SystemClock())


@pytest.fixture
def run(database):
    def run(query, *values):
        with database.connection() as connection:
            connection.execute(query, values or None)

    return run


@pytest.fixture
def told():
    """A status as a person reads it."""

    def told(now):
        out = io.StringIO()
        Console(file=out, width=120, highlight=False, markup=False, emoji=False).print(status_view(now))
        return out.getvalue()

    return told


def test_kept_out_orders_are_counted_for_a_person_and_not_at_each_scrape(look, told, database, shared, monkeypatch):
    one = KeptOutCount(account="taobao/s1", reason="watched", orders=9, would_ship=7, would_hold=1, is_all=False)
    monkeypatch.setattr("ops.views.status.count_kept_out", lambda _: [one])
    assert "kept out: taobao/s1 watched at least 9 (would ship 7, hold 1)" in told(look())
    scraped = status(database, shared, SETTINGS, SystemClock(), counts_kept_out=False)
    assert "kept out: none" in told(scraped)


def test_a_house_that_was_never_measured_says_so(look) -> None:
    now = look()
    assert (now.is_measured, now.signals.age_s, now.oldest_s) == (False, None, 0.0)


def test_an_old_measurement_is_none(look, database, run) -> None:
    measure_signals(database, SETTINGS.workers.step_groups())
    assert look().is_measured
    run("UPDATE signal SET at = at - interval '1 minute'")
    assert not look().is_measured


def test_processes_are_counted_by_pool_also_those_of_a_pool_that_is_configured_no_more(look, database) -> None:
    living = [Presence(database, pool) for pool in ("main", "main", "old")]
    try:
        assert look().pools == (PoolStatus("main", 2, 1, 3), PoolStatus("p0", 0, 1, 1), PoolStatus("old", 1, 0, 0))
    finally:
        for each in living:
            each.close()


def test_holds_letters_gates_breaches_and_work_in_hand_are_counted(look, run) -> None:
    run("INSERT INTO gate (kind, name, reason, shut_by) VALUES ('lane', 'bulk', 'peak', 'ada')")
    run("INSERT INTO breach (name, examples) VALUES ('never_oversold', 2)")
    run(
        """INSERT INTO flight (token, worker, step, subject_ids, is_alone)
           VALUES (gen_random_uuid(), 1, 'label', '{1,2,3}', false)"""
    )
    now = look()
    assert [(gate.kind, gate.name, gate.why, gate.resting) for gate in now.gates or ()] == [
        ("lane", "bulk", "paused", None)
    ]
    assert now.breaches == {"never_oversold": 2}
    assert now.under_way == {"label": 3}
    assert (now.holds, now.letters) == ({}, ())


def test_a_look_never_counts_what_rests(look, run, monkeypatch) -> None:
    """It is asked for again and again, also while a million pieces of work rest."""
    run("INSERT INTO gate (kind, name, reason, shut_by) VALUES ('account', 'sf/main', 'peak', 'ada')")
    asked = []
    execute = psycopg.Cursor.execute

    def note(cursor, query, *given, **named):
        asked.append(query)
        return execute(cursor, query, *given, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", note)
    assert look().gates
    assert GATES["load_pauses"] in asked
    assert WORK["count_behind_gates"] not in asked


HELD = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', 'T1', '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', 'T1', id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false,
        now(), now(), '', '', '', 0, now() FROM raw RETURNING id
), placed AS (
    INSERT INTO fulfillment_order (order_id, state, resume_state, lane) SELECT id, 'on_hold', 'paid', 'bulk' FROM made
    RETURNING id
)
INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, released_at, released_by)
SELECT id, code, 'review', 'ops', now(), released_at, released_by
FROM placed, (VALUES ('address_vague', NULL, NULL), ('sensitive_word', NULL, NULL), ('seller_flag', now(), 'ada'))
     AS h(code, released_at, released_by)
"""
LETTERS = """
WITH told AS (
    INSERT INTO letter_tally (fingerprint, currency, letters, orders, at_risk_minor) VALUES (%s, '', %s, 0, 0)
    RETURNING fingerprint, letters
)
INSERT INTO dead_letter (step, subject_id, lane, account, code, fingerprint, causes, attempts, crashes, owner, due_at)
SELECT 'label', hashtext(fingerprint) + n, 'bulk', 'sf/main', fingerprint, fingerprint, '[{}]', 1, 0, 'ops', now()
FROM told, generate_series(1, letters) AS n
"""


def test_open_holds_are_counted_by_code(look, run) -> None:
    run(HELD)
    assert look().holds == {"address_vague": 1, "sensitive_word": 1}


def test_open_dead_letters_are_counted_by_cause_and_beyond_a_bound_as_one(look, run, monkeypatch) -> None:
    for code, letters in (("sick", 3), ("odd", 2), ("rare", 1)):
        run(LETTERS, code, letters)
    counted = [(one.step, one.adapter, one.code, one.letters) for one in look().letters]
    assert counted == [("label", "sf", "sick", 3), ("label", "sf", "odd", 2), ("label", "sf", "rare", 1)]
    monkeypatch.setattr(module, "CAUSES_MAX", 1)
    assert [(one.code, one.letters) for one in look().letters] == [("sick", 3), ("other", 3)]


def test_a_shop_that_is_behind_is_named_with_its_age(database, shared, run, told) -> None:
    shop = Shop(name="s1", platform="taobao", endpoint="", credentials={})
    settings = msgspec.structs.replace(SETTINGS, shops=(shop,))
    run(
        """INSERT INTO shop (account, cursor_at, created_at)
           VALUES ('taobao/s1', now() - interval '2 hours', now() - interval '1 day')"""
    )
    now = status(database, shared, settings, SystemClock())
    assert "behind: taobao/s1 2 h 0 min" in told(now)
    run("UPDATE shop SET cursor_at = now()")
    now = status(database, shared, settings, SystemClock())
    assert [one.account for one in now.cursors] == ["taobao/s1"]
    assert "behind: none" in told(now)


def test_without_redis_the_gates_are_unknown_and_the_rest_is_there(database, told, monkeypatch) -> None:
    def away(*_):
        raise Transient("redis_unavailable", "away")

    monkeypatch.setattr(module, "uncounted_gates", away)
    with Redis(port=1) as client:
        now = status(database, SharedGates(client), SETTINGS, SystemClock())
    assert now.gates is None
    assert "gates shut: unknown" in told(now)


def test_the_view_has_a_line_for_each_lane_and_says_what_is_elastic(told) -> None:
    text = told(CALM)
    assert "measured 3 s ago" in text
    assert ["label", "bulk", "120", "1", "min", "15", "s", "1,234", "0"] in [line.split() for line in text.splitlines()]
    assert "workers: main 2 of 1 to 3, p0 1" in text
    assert "gates shut: none" in text


def test_a_depth_at_its_bound_says_that_there_may_be_more(told) -> None:
    full = Signals(1.0, (replace(SIGNAL, depth=DEPTH_MAX), replace(SIGNAL, depth=DEPTH_MAX - 1)))
    shown = told(replace(CALM, signals=full))
    assert "≥ 10,000" in shown
    assert "≥ 9,999" not in shown


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"signals": Signals(None, ()), "is_measured": False}, "never measured"),
        ({"signals": Signals(3700.0, ()), "is_measured": False}, "last measured 1 h 1 min ago: is a sweeper running?"),
        ({"breaches": {"never_oversold": 1}}, "invariants breached: never_oversold"),
    ],
)
def test_what_is_wrong_comes_first(told, changed, line) -> None:
    assert told(replace(CALM, **changed)).splitlines()[0].startswith(line)


def test_it_can_be_read_by_machines() -> None:
    tree = msgspec.json.decode(msgspec.json.encode(CALM))
    assert tree["signals"]["lanes"][0]["depth"] == 120
    assert tree["is_measured"] is True


def test_open_alarms_are_shown_with_age_count_and_owner_the_gravest_first(look, told, database):
    assert "open alarms: none" in told(CALM)
    with database.connection() as connection:
        open_alarm(connection, AlarmKind.WORKER_DIED, "label", count=3)
        update_alarms(connection, AlarmKind.FEED_SILENT, {"taobao/s1": HeldCondition()})
        connection.execute("UPDATE alarm SET first_at = now() - interval '125 minutes'")
    now = look()
    assert [(one.kind, one.key, one.count, one.owner) for one in now.alarms] == [
        ("feed_silent", "taobao/s1", 1, "engineering"),
        ("worker_died", "label", 3, "engineering"),
    ]
    shown = told(now)
    assert "open alarms: 2" in shown
    assert re.search(r"error +feed_silent +taobao/s1 +2 h 5 min +1 +engineering", shown)
    assert re.search(r"warning +worker_died +label +2 h 5 min +3 +engineering", shown)


def test_of_many_alarms_the_gravest_are_shown_and_the_others_counted(look, told, database):
    with database.connection() as connection:
        update_alarms(
            connection, AlarmKind.FEED_SILENT, {f"taobao/{n}": HeldCondition() for n in range(ALARMS_SHOWN + 2)}
        )
    assert len(look().alarms) == ALARMS_SHOWN
    assert "and 2 more: orderlane alarm list" in told(look())
