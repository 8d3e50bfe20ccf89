"""A drill with a shop of very many orders, and another shop whose few orders come later."""

import time
from collections.abc import Iterator

from domain.gates import GateKind
from drills.checkers import check_all, number
from drills.course import patiently, until
from drills.drill import Plan, Trial
from drills.neighbours import resume_step
from drills.queries import DRILLS
from drills.small_world import shelf, still_stream
from infra.engine.author import Author
from ops.verbs import gates
from workers.demo.run import RunningDemo, prepared
from workers.supervisor import supervised

_FLOOD, _FLOOD_QUICK, _FEW = 600, 300, 10
_STEP = "normalize"
_DRILL = Author("drill", "all are stored before any is read")
_PATIENCE_S = 240.0
_LOOK_EVERY_S = 0.1
# Of the flood, what may be done before the few are.
_DONE_MOST = 0.5


def flood(plan: Plan) -> Trial:
    """Few orders of one shop come behind many of another, in the same lane: they are done long before the many."""
    trial = Trial()
    many = _FLOOD_QUICK if plan.is_quick else _FLOOD
    with prepared(plan.base, still_stream(plan, shops=2, processes=2, threads=4)) as demo:
        gates.pause(demo.db, GateKind.STEP, _STEP, _DRILL, None)
        flooding, quiet = (shop.name for shop in demo.settings.shops)
        skus = shelf(demo)
        with supervised(demo.supervisor):
            first = _place(demo, skus, flooding, many)
            trial.check("the flood is stored", until(demo, lambda: _stored(demo) >= many), _stored(demo))
            behind = _place(demo, skus, quiet, _FEW)
            trial.injected["order of one shop"] += many
            stored = _stored(demo) + _FEW
            trial.check("the few are behind it", until(demo, lambda: _stored(demo) >= stored), _stored(demo))
            resume_step(demo, _STEP, _DRILL)
            trial.check("the few are done", _until_told(demo, behind), len(behind))
            done = len(first & _told(demo)) / many
            trial.check("most of the many are not", done <= _DONE_MOST, f"{done:.0%}")
            trial.check("then the many are", _until_told(demo, first), many)
            trial.check("nothing is due any more", until(demo, lambda: number(demo, DRILLS["due"]) == 0))
            check_all(demo, trial)
    return trial


def _place(demo: RunningDemo, skus: Iterator[str], shop: str, count: int) -> set[str]:
    """Orders of one piece each; their ids."""
    return {demo.stage.pull("add_order", shop=shop, lines=[{"sku": next(skus)}])["tid"] for _ in range(count)}


def _stored(demo: RunningDemo) -> int:
    return number(demo, DRILLS["stored"])


def _told(demo: RunningDemo) -> set[str]:
    """Orders that are written back."""
    return {str(row["tid"]) for row in demo.stage.read("_ledger")["write_backs"]}


def _until_told(demo: RunningDemo, tids: set[str]) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while not tids <= patiently(demo, lambda: _told(demo)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
        demo.supervisor.tend()
    return True
