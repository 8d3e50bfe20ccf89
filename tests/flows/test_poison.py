"""One batch of fifty with a defect, a database error and a killer in it: three dead letters, forty-seven arrive."""

import json

import pytest

from domain.ledger_check import Verdict
from domain.order import Lane
from infra.process.failpoints import ENVIRONMENT_KEY
from infra.queue.bells import BellKey
from sandbox.spec import Dirt
from workers.wiring import wired_worker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 50
SPOTLESS = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)


def bring_to_review(demo):
    """Take all orders up to review, with no worker process there; return their fulfillment orders."""
    (shop,) = demo.settings.shops
    with wired_worker(demo.settings) as runtime:
        # The first window ends before now; the next one catches up.
        while runtime.runners["pull"].run(BellKey("pull", Lane.P1, shop.account)):
            pass
        for step in ("normalize", "reserve"):
            for lane in Lane:
                runtime.runners[step].run(BellKey(step, lane, ""))
    with demo.db.connection() as connection:
        # All in one lane, so that one bell claims them all.
        connection.execute("UPDATE work SET lane = 'bulk' WHERE step = 'review'")
        rows = connection.execute("SELECT subject_id FROM work WHERE step = 'review' ORDER BY subject_id").fetchall()
    return [row[0] for row in rows]


def letters(demo):
    with demo.db.connection() as connection:
        rows = connection.execute(
            "SELECT subject_id, step, code, causes, crashes FROM dead_letter WHERE closed_at IS NULL"
        )
        return {row[0]: row[1:] for row in rows}


def test_forty_seven_arrive(prepare, finish, monkeypatch):
    with prepare(ORDERS, shops=1, dirt=SPOTLESS) as demo:
        waiting = bring_to_review(demo)
        assert len(waiting) == ORDERS
        raising, breaking, killing = waiting[7], waiting[23], waiting[41]
        failpoints = [
            {"at": "review.decide", "do": "raise", "subjects": [raising]},
            {"at": "review.work", "do": "postgres", "subjects": [breaking]},
            {"at": "review.work", "do": "kill", "subjects": [killing]},
        ]
        monkeypatch.setenv(ENVIRONMENT_KEY, json.dumps(failpoints))
        demo.supervisor.start()
        outcome = finish(demo)
        demo.supervisor.stop()
        found = letters(demo)
        log = [json.loads(line) for line in (demo.stage.folder / "workers.log").read_text().splitlines()]
    assert ORDERS in {line["size"] for line in log if line["event"] == "batch_failed"}, "they were no batch"
    verdicts = outcome.comparison.verdicts
    assert outcome.comparison.agrees, outcome.summary()
    assert (verdicts[Verdict.DONE], verdicts[Verdict.DEAD]) == (47, 3)
    assert outcome.restarts >= 3
    assert {id_: (step, code) for id_, (step, code, _, _) in found.items()} == {
        raising: ("review", "FailpointError"),
        breaking: ("review", "DivisionByZero"),
        killing: ("review", "worker_killed"),
    }
    for id_, (_, _, causes, crashes) in found.items():
        assert [cause["code"] for cause in causes] == [found[id_][1]] * len(causes)
        assert crashes == (3 if id_ == killing else 0)
        assert len(causes) == (1 if id_ == killing else 3)
