"""A person changes the lane of an order that waits; from there on it runs in that lane, at every step."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from domain.errors import Conflict
from domain.order import Lane
from infra.engine.author import Author
from infra.queue.bells import BellKey
from ops.faces.terminal.words import WORDS
from ops.verbs.expedite import expedite

LI = Author("li", "the buyer waits")


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10})
    return merchant


def order_of(merchant):
    return merchant.one("SELECT id FROM orders")


def lanes(merchant):
    """Of the order, and of its due work by step."""
    work = merchant.rows(
        "SELECT step, lane FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse') ORDER BY step"
    )
    return merchant.one("SELECT lane FROM fulfillment_order"), work


@pytest.mark.parametrize(
    ("done", "waits"),
    [("normalize", "reserve"), ("reserve", "review"), ("review", "route"), ("route", "label")],
)
def test_its_waiting_work_changes_lanes_and_so_does_all_that_follows(stocked, trade, done, waits):
    stocked.deliver(trade())
    stocked.flow(done)
    assert lanes(stocked) == ("bulk", [(waits, "bulk")])
    moved = expedite(stocked.db, order_of(stocked), Lane.P0, LI)
    assert (moved.was, moved.moved) == (("bulk",), (waits,))
    assert lanes(stocked) == ("p0", [(waits, "p0")])
    stocked.bells.keys.clear()
    stocked.flow("label")
    stocked.scan("accepted", "packed", "handed_over")
    stocked.flow("notify")
    assert {key.lane for key in stocked.bells.keys if key.step in {"route", "label", "writeback", "notify"}} == {"p0"}
    assert stocked.one("SELECT status FROM writeback") == "confirmed"


def test_the_rules_leave_a_chosen_lane_alone(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("reserve")
    expedite(stocked.db, order_of(stocked), Lane.P0, LI)
    stocked.run("review")
    assert lanes(stocked) == ("p0", [("route", "p0")])
    reasons = stocked.one("SELECT facts -> 'reasons' FROM event WHERE kind = 'review_moved'")
    assert reasons == ["chosen by a person"]


def test_without_a_person_the_rules_choose_again(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("reserve")
    stocked.rows("UPDATE fulfillment_order SET lane = 'p0'")
    stocked.run("review")
    assert lanes(stocked) == ("bulk", [("route", "bulk")])


def test_the_timeline_says_who_and_why_once(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("normalize")
    expedite(stocked.db, order_of(stocked), Lane.P0, LI)
    again = expedite(stocked.db, order_of(stocked), Lane.P0, LI)
    assert (again.was, again.moved) == ((), ())
    assert stocked.rows("SELECT who, verb, reason FROM audit") == [("li", "order_expedited", "the buyer waits")]
    [[cause, facts]] = stocked.rows("SELECT cause, facts FROM event WHERE kind = 'lane_chosen'")
    assert cause == "person"
    assert facts == {"lane": "p0", "was": "bulk", "by": "li", "reason": "the buyer waits"}


def test_what_was_cut_off_halfway_is_finished_by_the_next_call(stocked, trade):
    """The order moved, its work did not: the process died in between."""
    stocked.deliver(trade())
    stocked.flow("normalize")
    stocked.rows("UPDATE fulfillment_order SET lane = 'p0', lane_by = 'li'")
    moved = expedite(stocked.db, order_of(stocked), Lane.P0, LI)
    assert (moved.was, moved.moved) == ((), ("reserve",))
    assert lanes(stocked) == ("p0", [("reserve", "p0")])


def test_an_order_that_has_ended_is_refused(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("normalize")
    stocked.rows("UPDATE fulfillment_order SET state = 'closed', finished_at = now(), closed_reason = 'cancelled'")
    with pytest.raises(Conflict) as refused:
        expedite(stocked.db, order_of(stocked), Lane.P0, LI)
    assert WORDS.refusal(refused.value) == "order_ended: order 1 is closed"
    assert lanes(stocked)[0] == "bulk"


def test_a_step_that_runs_meanwhile_leads_into_the_new_lane(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("normalize")
    inside, done, waited = threading.Event(), threading.Event(), []
    runner = stocked.runners["reserve"]

    class Slow:
        """The real step; while it holds its rows, somebody expedites its order, and waits for it."""

        step = "reserve"

        def work(self, tx, subject_ids):
            results = runner.step.work(tx, subject_ids)
            inside.set()
            waited.append(not done.wait(0.05))
            return results

    def act():
        assert inside.wait(20)
        expedite(stocked.db, order_of(stocked), Lane.P0, LI)
        done.set()

    with ThreadPoolExecutor(1) as threads:
        acting = threads.submit(act)
        replace(runner, step=Slow()).run(BellKey("reserve", "bulk", ""))
        acting.result(20)
    assert waited == [True]
    assert lanes(stocked) == ("p0", [("review", "p0")])
