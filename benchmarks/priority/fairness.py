"""A small shop's few orders behind a large shop's many, in the same lane: how much longer they take than when quiet."""

import time
from dataclasses import replace

import msgspec

from benchmarks.priority.backlog import PRIORITY
from benchmarks.priority.feed import feeding
from benchmarks.priority.measure import Scene, await_confirmed, staged, warm_up, working
from infra.settings import Settings


class Fairness(msgspec.Struct, frozen=True):
    """Seconds until the small shop's last order was written back; `left`: due rows of the other one by then.

    `batch_s`: what one bulk batch takes through all steps when quiet. `goal_s`: twice the quiet time, and that.
    """

    many: int
    few: int
    quiet_s: float
    batch_s: float
    behind_s: float
    goal_s: float
    ratio: float
    left: int


def measure_fairness(base: Settings, scene: Scene, many: int, few: int) -> Fairness:
    """Quiet first, then behind `many`."""
    quiet_s, _ = _few(base, scene, 0, few)
    batch_s, _ = _few(base, scene, 0, base.engine.batch_max)
    behind_s, left = _few(base, scene, many, few)
    return Fairness(
        many=many,
        few=few,
        quiet_s=round(quiet_s, 2),
        batch_s=round(batch_s, 2),
        behind_s=round(behind_s, 2),
        goal_s=round(2 * quiet_s + batch_s, 2),
        ratio=round(behind_s / quiet_s, 2),
        left=left,
    )


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
