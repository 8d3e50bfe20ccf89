"""A small shop's few orders behind a large shop's many, in the same lane: how much longer they take than when quiet."""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import msgspec

from benchmarks.priority.backlog import PRIORITY, WAITING_STEPS
from benchmarks.priority.batches import mean_s, watched_batches
from benchmarks.priority.feed import feeding
from benchmarks.priority.measure import Scene, await_confirmed, staged, warm_up, working
from infra.config.settings import Settings


class Round(msgspec.Struct, frozen=True):
    """Seconds until the small shop's last order was written back.

    `batch_s`: what one bulk batch takes through all steps when quiet; `batches_beside_s`: one bulk batch of each step,
    as they ran beside the small shop's orders. `left`: due rows of the large shop when the small one was done, so that
    nobody takes an emptied backlog for fairness.
    """

    quiet_s: float
    batch_s: float
    behind_s: float
    batches_beside_s: float
    left: int

    @property
    def goal_s(self) -> float:
        """Twice the quiet time, and one bulk batch for each step, as the small shop met them."""
        return 2 * self.quiet_s + self.batches_beside_s

    @property
    def quiet_goal_s(self) -> float:
        """The same with a batch of a quiet house."""
        return 2 * self.quiet_s + self.batch_s


class Fairness(msgspec.Struct, frozen=True):
    """Medians over rounds. `of_goal`, `of_quiet_goal`: the time behind the large shop over a goal of the same round."""

    many: int
    few: int
    quiet_s: float
    batch_s: float
    behind_s: float
    batches_beside_s: float
    goal_s: float
    of_goal: float
    quiet_goal_s: float
    of_quiet_goal: float
    rounds: list[Round]


def measure_fairness(base: Settings, scene: Scene, many: int, few: int, rounds: int) -> Fairness:
    """In each round quiet first, then a batch, then behind `many`."""
    seen = [_round(base, scene, many, few) for _ in range(rounds)]

    def middle(figure: Callable[[Round], float]) -> float:
        return round(median(figure(one) for one in seen), 2)

    return Fairness(
        many=many,
        few=few,
        quiet_s=middle(lambda one: one.quiet_s),
        batch_s=middle(lambda one: one.batch_s),
        behind_s=middle(lambda one: one.behind_s),
        batches_beside_s=middle(lambda one: one.batches_beside_s),
        goal_s=middle(lambda one: one.goal_s),
        of_goal=middle(lambda one: one.behind_s / one.goal_s),
        quiet_goal_s=middle(lambda one: one.quiet_goal_s),
        of_quiet_goal=middle(lambda one: one.behind_s / one.quiet_goal_s),
        rounds=seen,
    )


def _round(base: Settings, scene: Scene, many: int, few: int) -> Round:
    quiet_s, _, _ = _few(base, scene, 0, few)
    batch_s, _, _ = _few(base, scene, 0, base.engine.batch_max)
    behind_s, beside, left = _few(base, scene, many, few)
    return Round(round(quiet_s, 3), round(batch_s, 3), round(behind_s, 3), round(sum(beside.values()), 3), left)


def _few(base: Settings, scene: Scene, many: int, few: int) -> tuple[float, dict[str, float], int]:
    """Seconds; a bulk batch of each step on the way to the write-back meanwhile; due rows that are left."""
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
                with watched_batches(demo.db) as batches:
                    tids = feed.store_at_once(small, few)
                    began = time.monotonic()
                    await_confirmed(demo.db, tids)
                    seconds = time.monotonic() - began
                beside = mean_s(batches, base.engine.batch_max // 2)
                with demo.db.connection() as connection:
                    left = sum(count for _, count in connection.execute(PRIORITY["waiting"]))
                return seconds, {step: beside[step] for step in (*WAITING_STEPS, "writeback") if step in beside}, left
