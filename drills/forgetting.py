"""The purge is killed wherever it can be, and everything it forgot is listed, scanned and read once more."""

import os
import signal
import subprocess
import sys

import msgspec

from drills.checkers import check_all
from drills.drill import Plan, Trial
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from infra.process.failpoints import ENVIRONMENT_KEY, PURGE_POINTS

_ORDERS = 4


def purge_killed(plan: Plan) -> Trial:
    """Orders end and grow old; the purge dies at each of its points; then every cursor goes back to its beginning.

    Whatever moment it died at, an order is whole or forgotten, and the second reading brings nobody back.
    """
    trial = Trial(control="tombstones removed: what the platform lists again is stored again")
    with small_world(plan) as world:
        placed = [world.order("grows old") for _ in range(_ORDERS)]
        trial.check("all end", world.work().how == "done")
        trial.check("somebody is there", world.number(DRILLS["persons"]) > 0)
        world.execute(DRILLS["grow_old"])
        for point in PURGE_POINTS:
            died = _purge(world, point)
            trial.injected["kill -9"] += died == -signal.SIGKILL
            trial.check(f"{point}: met", died == -signal.SIGKILL, died)
            trial.check(f"{point}: whole or forgotten", world.number(DRILLS["half_forgotten"]) == 0)
        trial.check("the next one ends it", _purge(world) == 0)
        trial.check("nobody is left", world.number(DRILLS["persons"]) == 0, world.number(DRILLS["persons"]))
        _read_again(world, trial, "news")
        trial.check("nobody comes back", world.number(DRILLS["old_persons"]) == 0)
        check_all(world.demo, trial)
        world.execute(DRILLS["remove_tombstones"])
        world.demo.stage.pull("ask_refund", tid=placed[0].tid)
        _read_again(world, trial, "news for the unguarded")
        trial.harm_shown = world.number(DRILLS["old_persons"]) > 0
    return trial


def _read_again(world: SmallWorld, trial: Trial, why: str) -> None:
    world.execute(DRILLS["begin_anew"])
    world.order(why)
    trial.check(f"{why}: all end", world.work().how == "done")


def _purge(world: SmallWorld, point: str = "") -> int:
    """Purge in a process of its own, killed at a failpoint if one is named; how it ended."""
    armed = [{"at": point, "do": "kill"}] if point else []
    environment = {
        **os.environ,
        **world.fork_server.environ,
        ENVIRONMENT_KEY: msgspec.json.encode(armed).decode(),
    }
    command = [sys.executable, "-m", "workers.main", "retention", "purge"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode  # noqa: S603 - ours
