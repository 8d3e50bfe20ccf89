"""Workers say what they know of lines; parts of orders and workers that do not know them keep clear of each other."""

import threading

import psycopg
import pytest

from infra.engine.reports import UNTIL_WOKEN_S, has_worker_without_parts, report
from infra.engine.worker_lock import PRESENCE_CLASS, Presence
from infra.sweeper.earlier_versions import wake_waiting

# As a worker of the version before lines says it.
EARLIER = """
INSERT INTO worker_report (worker, pool, code_version, rules_version)
VALUES (%(worker)s, %(pool)s, %(code)s, %(rules)s)
ON CONFLICT (worker) DO UPDATE
SET pool = excluded.pool, code_version = excluded.code_version, rules_version = excluded.rules_version,
    started_at = excluded.started_at
"""
ORDER = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    VALUES ('taobao', 's1', 'T1', '', 'pull', 'bulk', '') RETURNING id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', 'T1', id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false, now(),
        now(), '', '', '', 0, now() FROM raw RETURNING id
)
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'paid', 'bulk' FROM made
"""
PART = """INSERT INTO fulfillment_order (order_id, number, state, lane)
          SELECT order_id, 2, 'paid', lane FROM fulfillment_order"""
WAITING = """SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def run(database, *statements):
    with database.transaction() as tx:
        for statement in statements:
            tx.execute(statement)


def start_earlier(database, worker):
    with database.connection() as connection:
        named = {"class": PRESENCE_CLASS, "worker": worker, "pool": "", "code": "0", "rules": "0"}
        connection.execute(EARLIER, named)


def start(database, worker):
    report(database, worker, pool="", code="1", rules="1")


def carries_whole(database):
    with database.transaction() as tx:
        return has_worker_without_parts(tx)


def end(database, presence):
    """Close it, and wait until the server has let go of its lock."""
    presence.close()
    run(database, f"SELECT pg_advisory_xact_lock({PRESENCE_CLASS}, {presence.worker})")


def test_orders_are_carried_whole_while_an_earlier_worker_lives_and_until_a_new_one_has_reported(database):
    earlier = Presence(database)
    assert carries_whole(database)
    start_earlier(database, earlier.worker)
    assert carries_whole(database)
    new = Presence(database)
    start(database, new.worker)
    assert carries_whole(database)
    end(database, earlier)
    assert not carries_whole(database)
    unreported = Presence(database)
    assert carries_whole(database)
    end(database, unreported)
    end(database, new)


def test_an_earlier_worker_does_not_start_while_an_order_in_parts_is_under_way(database):
    run(database, ORDER)
    start_earlier(database, 1)
    run(database, PART)
    with pytest.raises(psycopg.errors.RaiseException, match="orders in parts"):
        start_earlier(database, 2)
    start(database, 3)


def test_it_starts_again_once_the_parts_have_left_and_the_platform_knows(database):
    run(
        database,
        ORDER,
        PART,
        "UPDATE fulfillment_order SET state = 'in_transit'",
        """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
           SELECT id, number, 'sf', 'sf/main', 'east' FROM fulfillment_order""",
        """INSERT INTO writeback (package_id, order_id, shipped_at)
           SELECT p.id, f.order_id, now()
           FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id""",
    )
    with pytest.raises(psycopg.errors.RaiseException, match="orders in parts"):
        start_earlier(database, 1)
    run(database, "UPDATE writeback SET status = 'confirmed', confirmed_at = now()")
    start_earlier(database, 1)


def starts_between_look_and_parts(database):
    """Whether an earlier worker starts that comes after the look and before the parts can be seen."""
    refused = threading.Event()

    def try_to_start():
        try:
            start_earlier(database, 1)
        except psycopg.errors.RaiseException:
            refused.set()

    starting = threading.Thread(target=try_to_start)
    with database.transaction() as tx:
        assert not has_worker_without_parts(tx)
        starting.start()
        while starting.is_alive() and not tx.execute(WAITING).rowcount:
            pass
        tx.execute(PART)
    starting.join()
    return not refused.is_set()


def test_it_does_not_start_between_the_look_and_the_parts(database):
    run(database, ORDER)
    assert not starts_between_look_and_parts(database)


def test_control_without_the_lock_it_starts_between_the_look_and_the_parts(database):
    run(
        database,
        ORDER,
        """DO $$ BEGIN
               EXECUTE replace(pg_get_functiondef('refuse_earlier_version'::regproc),
                               'PERFORM pg_advisory_xact_lock(7305, 0);', '');
           END $$""",
    )
    assert starts_between_look_and_parts(database)


WORK = """INSERT INTO work (step, subject_id, lane, due_at)
          VALUES ('route', 1, 'bulk', now() + make_interval(secs => {})),
                 ('route', 2, 'bulk', now() + interval '1 year')"""
GATED = """INSERT INTO work (step, subject_id, lane, due_at, gate, gated_at)
           VALUES ('route', 3, 'bulk', 'infinity', 'sf/main', now())"""


def test_what_waits_is_woken_once_no_earlier_worker_lives_and_nothing_else_is(database):
    run(database, WORK.format(UNTIL_WOKEN_S), GATED)
    earlier = Presence(database)
    assert wake_waiting(database) == 0
    end(database, earlier)
    assert wake_waiting(database) == 1
    with database.connection() as connection:
        due = connection.execute("SELECT subject_id FROM work WHERE due_at <= now()").fetchall()
    assert due == [(1,)]
    assert wake_waiting(database) == 0
