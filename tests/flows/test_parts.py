"""Orders in parts, and lines that change on the way: every line is written back once, whichever process dies
meanwhile.
"""

import os
import signal

import pytest
from redis import Redis

from domain.ledger_check import Verdict
from domain.order import Lane
from infra.queue.bells import BellKey
from sandbox.spec import Dirt, Scenes
from workers.wiring import wired_worker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 100
# Nothing but scenes keeps an order from being done.
SPOTLESS = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)
CHANGES = Scenes(
    split=0.2,
    undividable=0.02,
    line_closed=0.05,
    refund_withdrawn=0.05,
    refund_paid=0.1,
    refund_all=0.05,
    shipped_by_hand=0.05,
    platform_line=0.1,
    virtual_line=0.05,
)


def kill_and_empty(demo):
    os.kill(demo.supervisor.pids("worker")[0], signal.SIGKILL)
    with Redis.from_url(demo.settings.stores.redis_url.reveal()) as client:
        client.flushall()


def bring_to_label(demo):
    """Take all orders up to their packages, with no worker process there."""
    (shop,) = demo.settings.shops
    with wired_worker(demo.settings) as runtime:
        # The first window ends before now; the next one catches up.
        while runtime.runners["pull"].run(BellKey("pull", Lane.P1, shop.account)):
            pass
        for step in ("normalize", "reserve", "review", "route"):
            for lane in Lane:
                while runtime.runners[step].run(BellKey(step, lane, "")):
                    pass


def ordered(demo):
    """The platform's lines by order, the most pieces first."""
    return {
        row["tid"]: sorted(row["lines"], key=lambda line: -line["quantity"])
        for row in demo.stage.read("_ledger")["ordered"]
    }


def told(line):
    return [telling["number"] for telling in line["told"]]


def test_a_split_order_leaves_in_two_packages_and_each_line_is_told_once(play, finish):
    with play(ORDERS, dirt=SPOTLESS, scenes=Scenes(split=1.0)) as demo:
        outcome = finish(demo)
        ledger, orders = demo.stage.read("_ledger"), ordered(demo)
    assert outcome.comparison.agrees, outcome.comparison.contradictions
    assert outcome.comparison.verdicts == {Verdict.DONE: ORDERS}
    # The few that are something else already, as presales, stay as they are.
    split = [lines for lines in orders.values() if [line["quantity"] for line in lines] == [5, 2, 1]]
    assert len(split) > ORDERS * 0.8
    assert len(ledger["waybills"]) == ORDERS + len(split)
    assert {row["location"] for row in ledger["waybills"]} == {"shanghai", "guangzhou"}
    for lines in split:
        assert [len(told(line)) for line in lines] == [1, 1, 1]
        assert len({number for line in lines for number in told(line)}) == 2


def test_a_refund_paid_between_route_and_label_removes_just_that_line(prepare, finish):
    with prepare(6, shops=1, dirt=SPOTLESS, scenes=Scenes(split=1.0)) as demo:
        bring_to_label(demo)
        # The line of two pieces of every order that has three; a stream may hold an order of one line among them.
        of_three = {tid: lines for tid, lines in ordered(demo).items() if len(lines) == 3}
        assert of_three
        for tid, lines in of_three.items():
            for lever in ("ask_refund", "pay_refund"):
                demo.stage.pull(lever, tid=tid, lines=[lines[1]["oid"]])
        demo.supervisor.start()
        outcome = finish(demo)
        demo.supervisor.stop()
        orders, waybills = ordered(demo), demo.stage.read("_ledger")["waybills"]
    assert outcome.comparison.agrees, outcome.comparison.contradictions
    assert outcome.comparison.verdicts == {Verdict.DONE: 6}
    others = [line for tid, lines in orders.items() if tid not in of_three for line in lines]
    for tid in of_three:
        assert [len(told(line)) for line in orders[tid]] == [1, 0, 1]
    assert [len(told(line)) for line in others] == [1] * len(others)
    pieces = len(of_three) * (5 + 1) + sum(line["quantity"] for line in others)
    assert sum(sum(row["pieces"].values()) for row in waybills if row["is_alive"]) == pieces


def test_lines_change_on_the_way_while_a_worker_dies_and_redis_is_emptied(play, until, finish):
    with play(ORDERS, dirt=SPOTLESS, scenes=CHANGES) as demo:
        until(lambda: demo.look().written_back >= ORDERS // 10)
        kill_and_empty(demo)
        outcome = finish(demo)
        orders, happened = ordered(demo), demo.stage.read("_progress")["happened"]
    verdicts = outcome.comparison.verdicts
    assert outcome.comparison.agrees, outcome.comparison.contradictions
    assert outcome.restarts >= 1
    assert happened > 20
    assert outcome.comparison.orders == ORDERS
    assert set(verdicts) <= {Verdict.DONE, Verdict.HELD, Verdict.CLOSED, Verdict.NOT_OURS}
    assert verdicts[Verdict.DONE] >= 0.6 * ORDERS
    assert verdicts[Verdict.NOT_OURS] >= 1
    lines = [line for lines in orders.values() for line in lines]
    assert max(len(told(line)) for line in lines) == 1
    assert not any(told(line) for line in lines if line["gone_at"] is not None)
