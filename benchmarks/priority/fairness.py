"""A small shop's few orders behind a large shop's many, in the same lane: how much longer they take than when quiet."""

import time
from dataclasses import replace
from statistics import median

import msgspec

from benchmarks.priority.backlog import PRIORITY
from benchmarks.priority.feed import feeding
from benchmarks.priority.measure import Scene, await_confirmed, staged, warm_up, working
from infra.settings import Settings


class Round(msgspec.Struct, frozen=True):
    """Seconds until the small shop's last order was written back.

    `batch_s`: what one bulk batch takes through all steps when quiet. `left`: due rows of the large shop when the small
    one was done, so that nobody takes an emptied backlog for fairness.
    """

    quiet_s: float
    batch_s: float
    behind_s: float
    left: int

    @property
    def goal_s(self) -> float:
        """Twice the quiet time, and one bulk batch for each step."""
        return 2 * self.quiet_s + self.batch_s


class Fairness(msgspec.Struct, frozen=True):
    """Medians over rounds. `of_goal`: the time behind the large shop over the goal of the same round."""

    many: int
    few: int
    quiet_s: float
    batch_s: float
    behind_s: float
    goal_s: float
    of_goal: float
    rounds: list[Round]


def measure_fairness(base: Settings, scene: Scene, many: int, few: int, rounds: int) -> Fairness:
    """In each round quiet first, then a batch, then behind `many`."""
    seen = [_round(base, scene, many, few) for _ in range(rounds)]
    return Fairness(
        many=many,
        few=few,
        quiet_s=round(median(one.quiet_s for one in seen), 2),
        batch_s=round(median(one.batch_s for one in seen), 2),
        behind_s=round(median(one.behind_s for one in seen), 2),
        goal_s=round(median(one.goal_s for one in seen), 2),
        of_goal=round(median(one.behind_s / one.goal_s for one in seen), 2),
        rounds=seen,
    )


def _round(base: Settings, scene: Scene, many: int, few: int) -> Round:
    quiet_s, _ = _few(base, scene, 0, few)
    batch_s, _ = _few(base, scene, 0, base.engine.batch_max)
    behind_s, left = _few(base, scene, many, few)
    return Round(round(quiet_s, 3), round(batch_s, 3), round(behind_s, 3), left)


def _few(base: Settings, scene: Scene, many: int, few: int) -> tuple[float, int]:
    scene = replace(scene, waiting=0, shops=2)
    with staged(base, scene) as (demo, settings, _):
        with demo.db.transaction() as tx:
            tx.execute(PRIORITY["rest_pulls"])
        with feeding(settings, demo.stage, is_control=scene.is_control) as feed:
            large, small = settings.shops
            for _ in range(many):
                feed.store(large, urgent=False)
            with working(demo, settings, scene):
                warm_up(demo.db, feed)
                tids = feed.store_at_once(small, few)
                began = time.monotonic()
                await_confirmed(demo.db, tids)
                seconds = time.monotonic() - began
                with demo.db.connection() as connection:
                    return seconds, sum(count for _, count in connection.execute(PRIORITY["waiting"]))
