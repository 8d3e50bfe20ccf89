import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.alarms import AlarmKind
from domain.order import Lane
from domain.outcomes import Later
from infra.engine.remote import Intended
from infra.engine.results import Finished, SubjectRef
from infra.engine.worker_lock import PRESENCE_CLASS, Presence, take_lead
from infra.process.clock import SystemClock
from infra.queue.bells import QUEUE, BellKey, BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.sweeper.stuck_work import Sweeper
from infra.tables.claims import CLAIMS
from infra.tables.letters import load_subjects
from infra.tables.pool import Database

LANES = ("p0", "p1", "bulk")
GONE = 999_999


@pytest.fixture
def sweeper(harness):
    return Sweeper(harness.db, harness.bells, SystemClock(), harness.limits.crashes_max)


@pytest.fixture
def living(harness):
    """A worker whose presence lock is held during the test."""
    presence = Presence(harness.db)
    yield presence.worker
    presence.close()


def fly(harness, step, ids, *, worker=GONE, alone=False, leased=False):
    """A flight as a worker leaves it; returns its token."""
    token = harness.one(
        """INSERT INTO flight (token, worker, step, subject_ids, is_alone)
           VALUES (gen_random_uuid(), %s, %s, %s, %s) RETURNING token""",
        *(worker, step, list(ids), alone),
    )
    if leased:
        harness.rows(
            "UPDATE work SET lease_token = %s, lease_until = now() + interval '1 hour' WHERE subject_id = ANY(%s)",
            *(token, list(ids)),
        )
    return token


def test_unrung_work_is_rung_for_once_for_each_key(harness, sweeper):
    harness.due("review", [1, 2, 3])
    harness.due("review", [4], lane="p0")
    harness.due("label", [5], account="sf/main")
    harness.due("route", [6], after_s=60)
    assert sweeper.sweep() == 3
    assert set(harness.bells.keys) == {
        BellKey("review", "bulk", ""),
        BellKey("review", "p0", ""),
        BellKey("label", "bulk", "sf/main"),
    }


def test_nothing_due_rings_nothing(harness, sweeper):
    assert sweeper.sweep() == 0
    assert harness.bells.keys == []


def test_an_emptied_redis_is_rung_full_again(harness, redis, redis_url):
    client = connect_redis(redis_url.reveal())
    broker = make_broker(client, LANES)
    sweeper = Sweeper(harness.db, BrokerBells(broker), SystemClock(), 3)
    harness.due("review", [1, 2])
    sweeper.sweep()
    sweeper.sweep()
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 1, "one bell waits, however often is swept"
    redis.flushdb()
    sweeper.sweep()
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 1
    client.close()


def test_an_expired_lease_is_freed_and_its_members_run_alone(harness, sweeper):
    harness.due("label", [1, 2])
    fly(harness, "label", [1], worker=GONE, leased=True)
    harness.rows("DELETE FROM flight")
    harness.rows("UPDATE work SET lease_until = now() - interval '1 second' WHERE subject_id = 1")
    sweeper.free_expired()
    assert harness.work() == {1: (0, 0, True), 2: (0, 0, False)}
    assert harness.alarms() == [(AlarmKind.LEASES_FREED, "label", 1)]
    sweeper.ring_due()
    assert set(harness.bells.keys) == {BellKey("label", "bulk", ""), BellKey("label", "bulk", "", alone=True)}


def test_a_lease_that_no_flight_holds_is_freed_at_once(harness, sweeper):
    harness.due("label", [1])
    fly(harness, "label", [1], worker=GONE, leased=True)
    # What a crash of Postgres does: the unlogged table is empty, the lease is still there.
    harness.rows("TRUNCATE flight")
    sweeper.free_expired()
    assert harness.rows("SELECT lease_token, is_suspect FROM work") == [(None, False)]
    assert harness.alarms() == [(AlarmKind.LEASES_FREED, "label", 1)]


def test_a_lease_under_way_is_left_alone(harness, sweeper, living):
    harness.due("label", [1])
    fly(harness, "label", [1], worker=living, leased=True)
    assert sweeper.sweep() == 0
    assert harness.rows("SELECT lease_token IS NOT NULL, is_suspect FROM work") == [(True, False)]
    assert harness.one("SELECT count(*) FROM flight") == 1
    assert harness.alarms() == []


def test_the_members_of_a_crashed_flight_become_suspects_without_blame(harness, sweeper):
    ids = [harness.order() for _ in range(3)]
    harness.due("review", ids)
    fly(harness, "review", ids[:2])
    sweeper.sweep()
    assert harness.work() == {ids[0]: (0, 0, True), ids[1]: (0, 0, True), ids[2]: (0, 0, False)}
    assert harness.one("SELECT count(*) FROM flight") == 0
    assert harness.alarms() == [(AlarmKind.WORKER_DIED, "review", 1)]


def test_the_third_crash_alone_is_a_dead_letter(harness, sweeper):
    [id_] = ids = [harness.order()]
    harness.due("review", ids)
    fly(harness, "review", ids)
    sweeper.sweep()
    for crashes in (1, 2):
        fly(harness, "review", ids, alone=True)
        sweeper.sweep()
        assert harness.work() == {id_: (0, crashes, True)}
    fly(harness, "review", ids, alone=True)
    sweeper.sweep()
    assert harness.work() == {}
    code, causes = harness.letters()[id_]
    assert (code, causes[-1]["attempt"]) == ("worker_killed", 3)
    assert harness.rows("SELECT state FROM fulfillment_order") == [("on_hold",)]
    assert harness.rows("SELECT code FROM hold") == [("dead_letter",)]


def test_a_step_that_only_another_version_knows_stops_nobody_else(harness, sweeper):
    """Its third crash is a letter without an order, which nobody looks at; a known step is freed beside it."""
    known = harness.order()
    harness.due("weigh", [4711])
    harness.due("review", [known])
    harness.rows("UPDATE work SET crashes = 2, is_suspect = true WHERE step = 'weigh'")
    fly(harness, "weigh", [4711], alone=True)
    fly(harness, "review", [known], worker=GONE + 1)
    sweeper.sweep()
    assert harness.work() == {known: (0, 0, True)}
    [(letter_id, step)] = harness.rows("SELECT id, step FROM dead_letter")
    assert step == "weigh"
    with harness.db.transaction() as tx:
        assert load_subjects(tx, [letter_id]) == {}


def test_a_crashed_lease_is_freed_before_its_end(harness, sweeper):
    harness.due("label", [1])
    fly(harness, "label", [1], leased=True)
    sweeper.free_crashed()
    assert harness.rows("SELECT lease_token, is_suspect FROM work") == [(None, True)]


def test_a_lease_that_another_worker_took_meanwhile_is_not_freed(harness, sweeper, living):
    harness.due("label", [1])
    fly(harness, "label", [1], leased=True)
    fly(harness, "label", [1], worker=living, leased=True)
    sweeper.free_crashed()
    assert harness.rows("SELECT lease_token IS NOT NULL, is_suspect FROM work") == [(True, False)]


@dataclass(frozen=True)
class Polled:
    ref: SubjectRef


def test_endless_work_forgets_its_mishaps_after_a_round_that_came_through(harness, toy_call):
    """Three killed workers in a year must not end the reading of a shop."""
    shop = harness.one("INSERT INTO shop (account) VALUES ('taobao/s1') RETURNING id")
    key = harness.due("pull", [shop])
    harness.rows("UPDATE work SET is_suspect = true, crashes = 2, attempts = 2")

    async def poll(_one):
        return "read"

    step = toy_call(poll, lambda one, _: Finished(one.ref, Later("next_poll", after_s=0)), step="pull")
    step.intend = lambda _tx, ids: Intended([Polled(SubjectRef(id_, Lane.P1)) for id_ in ids])
    harness.remote(step).run(key._replace(alone=True))
    assert harness.work() == {shop: (0, 0, False)}


def test_two_sweepers_at_once_do_no_harm(harness, database_url):
    ids = [harness.order() for _ in range(20)]
    harness.due("review", ids)
    for id_ in ids:
        fly(harness, "review", [id_], worker=GONE + id_, alone=True)
    start = threading.Barrier(2, timeout=20)

    def sweep(_):
        with Database(database_url.reveal(), 2) as db:
            start.wait()
            Sweeper(db, harness.bells, SystemClock(), 3).sweep()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(sweep, range(2)))
    assert harness.work() == dict.fromkeys(ids, (0, 1, True)), "every crash was counted once"
    assert harness.one("SELECT count(*) FROM flight") == 0


def test_a_worker_that_really_dies_is_noticed(harness, sweeper, database_url):
    """Postgres lets go of the presence lock of a killed process: no time-out has to pass."""
    [id_] = ids = [harness.order()]
    harness.due("review", ids)
    program = textwrap.dedent(
        """
        import os, sys
        from infra.tables.pool import Database
        from infra.engine.worker_lock import Presence
        presence = Presence(Database(os.environ["URL"], 2))
        print(presence.worker, flush=True)
        sys.stdin.read()
        """
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "URL": database_url.reveal()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with worker:
        number = int(worker.stdout.readline())
        fly(harness, "review", ids, worker=number)
        sweeper.free_crashed()
        assert harness.work() == {id_: (0, 0, False)}
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    until(lambda: harness.one(PRESENCE_LOCKS, PRESENCE_CLASS, number) == 0)
    sweeper.free_crashed()
    assert harness.work() == {id_: (0, 0, True)}


PRESENCE_LOCKS = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = %s AND objid = %s"""


def until(is_so):
    """Ask until it is so; the database notices a closed socket by itself."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline


def test_presence_takes_its_lock_again_when_the_session_was_lost(harness):
    presence = Presence(harness.db)
    lost = presence._session.info.backend_pid
    harness.rows("SELECT pg_terminate_backend(%s)", lost)
    until(lambda: harness.one("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", lost) == 0)
    presence.renew()
    assert harness.one(PRESENCE_LOCKS, PRESENCE_CLASS, presence.worker) == 1
    presence.renew()
    presence.close()


def test_one_sweeper_leads_until_its_session_ends(harness):
    first, second = harness.db.direct(), harness.db.direct()
    assert take_lead(first)
    assert not take_lead(second)
    first.close()
    with second:
        until(lambda: take_lead(second))


BRUTE_FORCE = """SELECT DISTINCT step, lane, account FROM work
                 WHERE lease_token IS NULL AND NOT is_suspect AND due_at <= now()"""
ROW = st.tuples(
    st.sampled_from(["label", "review", "pull"]),
    st.sampled_from(["p0", "p1", "bulk"]),
    st.sampled_from(["", "a", "a/b", "b"]),
    st.sampled_from([-60, 60]),
    st.booleans(),
    st.booleans(),
)


@given(rows=st.lists(ROW, max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_due_keys_are_exactly_the_keys_with_due_rows(harness, rows):
    with harness.db.connection() as connection:
        connection.execute("TRUNCATE work")
        plant(connection, rows)
        found = connection.execute(CLAIMS["due_keys"]).fetchall()
        assert len(found) == len(set(found))
        assert set(found) == set(connection.execute(BRUTE_FORCE).fetchall())


def plant(connection, rows):
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO work (step, subject_id, lane, account, due_at, is_suspect, lease_token, lease_until)
               VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s), %s,
                       CASE WHEN %s THEN gen_random_uuid() END, CASE WHEN %s THEN now() END)""",
            [
                (step, n, lane, account, s, sus, leased, leased)
                for n, (step, lane, account, s, sus, leased) in enumerate(rows)
            ],
        )


def test_due_keys_skip_over_the_index_instead_of_reading_rows(harness):
    harness.rows(
        """INSERT INTO work (step, subject_id, lane, account, due_at)
           SELECT 'review', n, 'bulk', '', now() + (n %% 2) * interval '1 hour' FROM generate_series(1, %s) AS n""",
        20_000,
    )
    harness.due("label", [1], account="sf/main")
    harness.rows("ANALYZE work")
    with harness.db.connection() as connection:
        assert set(connection.execute(CLAIMS["due_keys"])) == {("review", "bulk", ""), ("label", "bulk", "sf/main")}
        plan = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + CLAIMS["due_keys"]).fetchone()[0][0]
    nodes = list(walk(plan["Plan"]))
    assert [node["Node Type"] for node in nodes if node["Node Type"] == "Seq Scan"] == []
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 100


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
