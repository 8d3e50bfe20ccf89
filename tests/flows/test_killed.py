"""A process or a store dies during the run: the sums are the same, without help of a person."""

import os
import signal

import pytest
from redis import Redis

from domain.ledger_check import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 120
SOME = 15


def kill_worker(demo):
    os.kill(demo.supervisor.pids("worker")[0], signal.SIGKILL)


def kill_sweeper(demo):
    os.kill(demo.supervisor.pids("sweeper")[0], signal.SIGKILL)


def empty_redis(demo):
    with Redis.from_url(demo.settings.stores.redis_url.reveal()) as client:
        client.flushall()


def kill_redis(demo):
    with Redis.from_url(demo.settings.stores.redis_url.reveal()) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)


def kill_postgres(demo):
    with demo.db.connection() as connection:
        (pid,) = connection.execute("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)").fetchone()
    os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("harm", [kill_worker, kill_sweeper, empty_redis, kill_redis, kill_postgres])
def test_the_sums_survive(play, until, finish, harm):
    with play(ORDERS) as demo:
        # The courier takes no more calls than that before the harm: however late this test sees the first write-backs,
        # orders are left. Its answers are slow, so that the harm meets calls under way.
        demo.stage.pull("limit_calls", who="sf", calls=3 * SOME, says="http", retry_after_s=1)
        demo.stage.pull("set_latency", taobao_ms=50, sf_ms=150)
        until(lambda: demo.look().written_back >= SOME)
        harm(demo)
        demo.stage.pull("set_latency")
        assert not demo.look().is_over, "nothing was left to be hurt"
        demo.stage.pull("lift_limit", who="sf")
        outcome = finish(demo)
    assert outcome.comparison.agrees, outcome.summary()
    assert outcome.comparison.orders == ORDERS
    assert outcome.comparison.verdicts[Verdict.DONE] >= 0.9 * ORDERS
    assert not outcome.comparison.verdicts.get(Verdict.DEAD)
