"""Write-backs that were refused, died or never came through, against the real platform protocol."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from infra.process.clock import SystemClock
from infra.tables.writebacks import Selection
from ops.verbs.writeback_retry import PlatformAnswer, RetryRate, preview, retry
from ops.views.writebacks import open_writebacks
from workers.cli.writeback import exit_of_answers
from workers.main import main

FEW = 5
ME = Author("me", "the platform is back")
ALL = Selection()


class StoppedClock(SystemClock):
    """Durations of nothing."""

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def unheard(small_house):
    """Packages that have left the house, and of which no platform has heard."""
    small_house.play(without=("writeback",), until="writeback")
    return small_house


@pytest.fixture
def fail(unheard):
    """Leave every write-back as a refusal or a death leaves it."""

    def as_(kind: str) -> None:
        unheard.rows("DELETE FROM work WHERE step = 'writeback'")
        if kind == "refused":
            unheard.rows("UPDATE writeback SET status = 'refused'")
            unheard.rows(
                """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)
                   SELECT fulfillment_order_id, 'writeback_refused', 'writeback', 'logistics', now(),
                          '{"code": "isv.closed"}' FROM package"""
            )
        else:
            unheard.rows(
                """INSERT INTO dead_letter (step, subject_id, lane, account, order_id, fulfillment_order_id, code,
                                            fingerprint, causes, attempts, crashes, owner, due_at)
                   SELECT 'writeback', w.package_id, 'bulk', 'taobao/' || o.shop, o.id, p.fulfillment_order_id,
                          'timeout', 'f1', '[{"code": "timeout"}]', 8, 0, 'engineering', now()
                   FROM writeback AS w JOIN package AS p ON p.id = w.package_id JOIN orders AS o ON o.id = w.order_id"""
            )
            unheard.rows(
                """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
                   SELECT fulfillment_order_id, 'dead_letter', 'writeback', 'engineering', now() FROM package"""
            )

    return as_


@pytest.fixture
def again(unheard):
    """Retry a selection; what was said, each also seen as it came."""

    def run(wanted: Selection = ALL, **pace):
        shown = []
        with unheard.worker() as runtime:
            chosen = open_writebacks(runtime.db, wanted)
            told = retry(runtime.runners["writeback"], chosen, ME, RetryRate(100.0, SystemClock()), shown.append)
        assert shown == told
        return [one.said for one in told]

    return run


@pytest.fixture
def orderlane():
    def run(*arguments):
        return CliRunner().invoke(main, ["writeback", "retry", *arguments])

    return run


def statuses(house):
    return dict(house.rows("SELECT status, count(*) FROM writeback GROUP BY status"))


def breaches(house):
    with house.worker() as runtime, runtime.db.connection() as session:
        return find_breaches(session)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refused", "dead"])
def test_what_failed_is_told_now_with_its_true_time_and_nothing_stays_open(unheard, fail, again, kind):
    fail(kind)
    left_at = unheard.rows("SELECT package_id, shipped_at FROM writeback ORDER BY 1")
    assert again() == [PlatformAnswer.TOLD] * FEW
    assert statuses(unheard) == {"confirmed": FEW}
    assert unheard.rows("SELECT package_id, shipped_at FROM writeback ORDER BY 1") == left_at
    assert unheard.rows("SELECT 1 FROM hold WHERE released_at IS NULL") == []
    assert unheard.rows("SELECT 1 FROM dead_letter WHERE closed_at IS NULL") == []
    assert {who for (who,) in unheard.rows("SELECT DISTINCT who FROM audit")} == {"me"}
    assert again() == [], "a second round finds nothing to do"
    assert set(unheard.told().values()) == {1}
    assert breaches(unheard) == []


@pytest.mark.slow
def test_what_the_platform_shows_already_is_not_told_again(unheard, fail, again):
    unheard.play()
    told = unheard.told()
    unheard.rows("UPDATE writeback SET status = 'pending', confirmed_at = NULL, call_deadline = NULL")
    fail("refused")
    assert again() == [PlatformAnswer.SHOWN] * FEW
    assert unheard.told() == told
    assert unheard.stage.read("_ledger")["refused"] == {}, "asked first, so nothing was there to refuse"


@pytest.mark.slow
def test_two_people_at_once_tell_each_package_once(unheard, fail, again):
    fail("dead")
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: again(), range(2)))
    assert {said for answer in answers for said in answer} <= {PlatformAnswer.TOLD, PlatformAnswer.SHOWN}
    assert [said for answer in answers for said in answer].count(PlatformAnswer.TOLD) == FEW
    assert set(unheard.told().values()) == {1}
    assert statuses(unheard) == {"confirmed": FEW}


@pytest.mark.slow
def test_another_waybill_there_is_for_a_person(unheard, fail, again):
    unheard.play()
    unheard.rows("UPDATE writeback SET status = 'pending', confirmed_at = NULL")
    unheard.rows("UPDATE shipment SET waybill = 'OURS-' || id")
    fail("refused")
    assert again() == [PlatformAnswer.ELSEWHERE] * FEW
    assert statuses(unheard) == {"refused": FEW}
    assert unheard.rows("SELECT DISTINCT code FROM hold WHERE released_at IS NULL") == [("shipped_elsewhere",)]


@pytest.mark.slow
def test_a_refusal_brings_the_platform_s_words_and_a_new_hold(unheard, fail, orderlane):
    fail("refused")
    [(tid,)] = unheard.rows("SELECT platform_order_id FROM orders ORDER BY id LIMIT 1")
    unheard.stage.pull("ask_refund", tid=tid)
    result = orderlane("--all-failed", "--reason", "platform is back", "--json")
    answer = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 6
    assert (answer["counts"]["told now"], answer["counts"]["refused"]) == (FEW - 1, 1)
    [refused] = [one for one in answer["results"] if one["said"] == "refused"]
    assert refused["order"].endswith(tid)
    assert refused["words"]
    assert unheard.rows("SELECT code FROM hold WHERE released_at IS NULL") == [("writeback_refused",)]
    result = orderlane("--order", tid, "--reason", "once more")
    assert result.exit_code == 5
    assert result.stdout.startswith("[1/1] ")


@pytest.mark.slow
def test_a_platform_that_is_away_leaves_the_work_to_the_engine(unheard, fail, again, orderlane):
    fail("dead")
    os.kill(unheard.stage.sandbox_pid, signal.SIGKILL)
    result = orderlane("--all-failed", "--dry-run")
    assert result.exit_code == 7
    assert unheard.rows("SELECT count(*) FROM dead_letter WHERE closed_at IS NULL") == [(FEW,)]
    assert set(again()) == {PlatformAnswer.NOT_REACHED}
    assert unheard.rows("SELECT count(*) FROM work WHERE step = 'writeback'") == [(FEW,)]
    assert breaches(unheard) == []


@pytest.mark.slow
def test_a_dry_run_asks_and_changes_nothing(unheard, fail, orderlane):
    fail("refused")
    before = unheard.rows("SELECT * FROM writeback ORDER BY 1"), unheard.rows("SELECT * FROM hold ORDER BY 1")
    result = orderlane("--all-failed", "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout.count(": would be told") == FEW
    assert (unheard.rows("SELECT * FROM writeback ORDER BY 1"), unheard.rows("SELECT * FROM hold ORDER BY 1")) == before
    assert unheard.told() == {}


@pytest.mark.slow
def test_somebody_else_who_is_at_it_is_not_disturbed(unheard, fail):
    fail("refused")
    unheard.rows(
        """INSERT INTO work (step, subject_id, lane, account, lease_token, lease_until)
           SELECT 'writeback', package_id, 'bulk', 'taobao/x', gen_random_uuid(), now() + interval '1 minute'
           FROM writeback"""
    )
    waits = []
    clock = StoppedClock()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.monotonic = lambda: float(len(waits))

    with unheard.worker() as runtime:
        chosen = open_writebacks(runtime.db, Selection(any_open=True))[:1]
        told = retry(runtime.runners["writeback"], chosen, ME, RetryRate(1.0, clock, wait), lambda _: None)
    assert [one.said for one in told] == [PlatformAnswer.BUSY]
    assert unheard.told() == {}


@pytest.mark.slow
def test_selections_narrow_each_other(unheard, fail):
    fail("dead")
    [(order_id, shop)] = unheard.rows("SELECT id, shop FROM orders ORDER BY id LIMIT 1")
    now = datetime.now(UTC)
    with unheard.worker() as runtime:

        def count(**wanted):
            return len(open_writebacks(runtime.db, Selection(**wanted)))

        assert count() == count(shop=shop) == count(shop=f"taobao/{shop}") == count(platform="taobao") == FEW
        assert count(cause="timeout") == count(cause="f1") == count(since=now - timedelta(hours=1)) == FEW
        assert count(order_id=order_id) == 1
        assert 0 == count(shop="x") == count(platform="x") == count(cause="x") == count(since=now + timedelta(hours=1))
        foreseen = preview(runtime.runners["writeback"], open_writebacks(runtime.db, ALL), lambda _: None)
    assert [one.said for one in foreseen] == [PlatformAnswer.WOULD_TELL] * FEW


@pytest.mark.slow
def test_healthy_work_is_left_to_the_engine_unless_the_order_is_named(unheard):
    [(order_id,)] = unheard.rows("SELECT id FROM orders ORDER BY id LIMIT 1")
    with unheard.worker() as runtime:
        assert open_writebacks(runtime.db, ALL) == []
        assert len(open_writebacks(runtime.db, Selection(order_id=order_id, any_open=True))) == 1
    unheard.rows("UPDATE writeback SET shipped_at = now() - interval '61 minutes'")
    with unheard.worker() as runtime:
        assert len(open_writebacks(runtime.db, ALL)) == FEW, "pending for too long"


@pytest.mark.slow
def test_the_rate_is_kept(unheard, fail):
    fail("dead")
    waits = []
    with unheard.worker() as runtime:
        chosen = open_writebacks(runtime.db, ALL)
        retry(runtime.runners["writeback"], chosen, ME, RetryRate(2.0, StoppedClock(), waits.append), lambda _: None)
    assert waits == [1.0, 1.0]
    assert statuses(unheard) == {"confirmed": FEW}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([], 0),
        ([PlatformAnswer.SHOWN, PlatformAnswer.TOLD], 0),
        ([PlatformAnswer.WOULD_TELL, PlatformAnswer.SHOWN], 0),
        ([PlatformAnswer.REFUSED, PlatformAnswer.ELSEWHERE], 5),
        ([PlatformAnswer.TOLD, PlatformAnswer.REFUSED], 6),
        ([PlatformAnswer.BUSY], 6),
        ([PlatformAnswer.REFUSED, PlatformAnswer.NOT_REACHED], 6),
        ([PlatformAnswer.NOT_REACHED], 7),
        ([PlatformAnswer.HELD], 3),
        ([PlatformAnswer.HELD, PlatformAnswer.TOLD], 6),
    ],
)
def test_the_exit_code_says_what_the_platforms_said(said, code):
    assert exit_of_answers(said) == code


@pytest.mark.parametrize("arguments", [("--reason", "x"), ("--all-failed",), ("--order", "1", "--rate", "0")])
def test_it_must_be_said_which_and_why(orderlane, arguments):
    assert orderlane(*arguments).exit_code == 2


def test_a_watched_shop_is_told_nothing_and_its_work_rests_as_before(unheard, fail, orderlane):
    fail("refused")
    unheard.rows("UPDATE shop SET mode = 'watch', watched_since = now()")
    before = unheard.rows("SELECT package_id, status, call_deadline FROM writeback ORDER BY 1")
    for arguments in (["--dry-run"], []):
        answer = orderlane("--all-failed", "--reason", "the session was renewed", "--json", *arguments)
        done = json.loads(answer.stdout)
        assert (answer.exit_code, {one["why_code"] for one in done["results"]}) == (5, {"shop_watched"})
        assert {one["said_code"] for one in done["results"]} == {"refused"}
        assert done["results"][0]["words"].endswith(
            "is only watched: its platform is told nothing before the watch ends"
        )
    assert unheard.rows("SELECT package_id, status, call_deadline FROM writeback ORDER BY 1") == before
    assert unheard.rows("SELECT count(*) FROM hold WHERE code = 'writeback_refused' AND released_at IS NULL") == [
        (FEW,)
    ]
    assert unheard.rows("SELECT count(*) FROM work WHERE step = 'writeback'") == [(0,)]


def test_a_held_order_is_asked_about_and_not_told(unheard, fail, again):
    fail("refused")
    unheard.rows("UPDATE package SET handed_over_at = NULL")
    unheard.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'packed', finished_at = NULL")
    unheard.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
           SELECT id, 'manual', 'person', 'service', now() FROM fulfillment_order"""
    )
    told = unheard.told()
    with unheard.worker() as runtime:
        foreseen = preview(runtime.runners["writeback"], open_writebacks(runtime.db, ALL), lambda _: None)
    assert [one.said for one in foreseen] == [PlatformAnswer.HELD] * FEW
    assert again() == [PlatformAnswer.HELD] * FEW
    assert (unheard.told(), statuses(unheard)) == (told, {"pending": FEW})
    assert unheard.rows("SELECT count(*) FROM work WHERE step = 'writeback'") == [(0,)]
