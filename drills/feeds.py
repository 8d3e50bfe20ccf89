"""Drills about what a platform sends: answers that are very large, and changes that it writes late."""

import re
from typing import Any

from drills.checkers import check_all
from drills.drill import Plan, Trial
from drills.fork_server import Armed
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from drills.unguarded import Guard

SMALL, LARGE, LARGE_BYTES = 60, 32, 4 * 1024 * 1024
THREADS = 4
# Of a worker at its peak, with all that it shares with others.
PEAK_MAX_KB = 160 * 1024
LATE, LATE_S = 3, 2_400.0
_PEAK = re.compile(r'"peak_kb": ?(\d+)')


def large_bodies(plan: Plan) -> Trial:
    """Very large orders among small ones: all are processed, and a worker's memory stays bounded."""
    trial = Trial(control="batches bounded by count alone: the worker's memory at its peak is over the bound")
    with small_world(plan) as world:
        _place(world, SMALL)
        _place(world, LARGE, padding_bytes=LARGE_BYTES)
        trial.injected["body of 4 MB"] += LARGE
        ended = world.work(threads=THREADS)
        peak_kb = _peak_kb(world)
        trial.check("all orders end", ended.how == "done", ended.how)
        trial.check("at most 160 MB", peak_kb <= PEAK_MAX_KB, f"{peak_kb // 1024} MB")
        trial.check("no gap", world.number(DRILLS["count_gaps"]) == 0)
        _place(world, LARGE, padding_bytes=LARGE_BYTES)
        world.work(threads=THREADS, without=(Guard.BYTE_BOUND,))
        trial.harm_shown = _peak_kb(world) > PEAK_MAX_KB
        trial.control += f" ({_peak_kb(world) // 1024} MB)"
        trial.check("all orders of the control end", world.work(threads=THREADS).how == "done")
        check_all(world.demo, trial)
    return trial


def late_writer(plan: Plan) -> Trial:
    """Orders become visible with a time of change that was read long ago: only a second reading finds them."""
    trial = Trial(control="no second reading: they never come")
    with small_world(plan) as world:
        _place(world, LATE, changed_ago_s=LATE_S)
        world.order("on time")
        trial.injected["order written late"] += LATE
        file = world.demo.stage.settings_file
        guarded = file.read_text()
        file.write_text(guarded.replace("overlap_s =", "settle_s = 0.0\noverlap_s ="))
        trial.harm_shown = world.work().how == "stuck" and world.number(DRILLS["found_late"]) == 0
        file.write_text(guarded)
        # The second reading starts anew when it is switched on again.
        world.execute(DRILLS["settle_shops"])
        trial.check("all orders end", world.work(Armed("pull.stored", "kill")).how == "killed")
        trial.check("all orders end after a death", world.work().how == "done")
        found = world.number(DRILLS["found_late"])
        trial.check("they are counted", found == LATE, found)
        check_all(world.demo, trial)
    return trial


def _place(world: SmallWorld, orders: int, **given: Any) -> None:  # noqa: ANN401 - the control's fields
    for _ in range(orders):
        world.order(", ".join(given) or "small", **given)


def _peak_kb(world: SmallWorld) -> int:
    """Of the worker that has ended last."""
    return int(_PEAK.findall(world.log())[-1])
