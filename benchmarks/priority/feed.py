"""New orders at a steady pace, stored as a web hook's payload is: raw, with a lane, and rung for."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle

from actors.pull import PullStep
from adapters import registry
from adapters.ports import ListedChange, Platform
from benchmarks.priority.backlog import PRIORITY
from benchmarks.priority.control import lane_bells
from domain.order import RawOrder
from infra.config.settings import Settings, Shop
from infra.engine.event_loop import EventLoopThread
from infra.engine.remote import RemoteRunner
from infra.process.clock import SystemClock
from workers.demo.stage import Stage
from workers.wiring import wired_worker


@dataclass(frozen=True, slots=True)
class Feed:
    """Orders appear at the sandbox's platform and are fetched and stored at once by this process.

    Its calls pass no gate: a web hook brings its payload along.
    """

    stage: Stage
    pull: PullStep
    platforms: Mapping[str, Platform]
    event_loop: EventLoopThread
    skus: Iterator[str]

    def store(self, shop: Shop, *, urgent: bool) -> str:
        """One order of one piece; its id. An urgent one is a member's, from a live stream, around the corner."""
        listed, raw = self._order(shop, urgent=urgent)
        self.pull.store(shop, "webhook", [(listed, raw)])
        return listed.platform_order_id

    def store_at_once(self, shop: Shop, count: int) -> list[str]:
        """So many ordinary orders in one transaction; their ids."""
        orders = [self._order(shop, urgent=False) for _ in range(count)]
        self.pull.store(shop, "webhook", orders)
        return [listed.platform_order_id for listed, _ in orders]

    def _order(self, shop: Shop, *, urgent: bool) -> tuple[ListedChange, RawOrder]:
        member = {"live": True, "vip": "plus", "is_local": True} if urgent else {}
        lines = [{"sku": next(self.skus)}]
        tid = str(self.stage.pull("add_order", shop=shop.name, lines=lines, **member)["tid"])
        raw = self.event_loop.run(_fetch(self.platforms[shop.account], tid))
        return ListedChange(tid, self.pull.tools.clock.utcnow()), raw

    def run(self, urgent: int, per_second: float, bulk_per_second: float) -> list[str]:
        """Urgent orders one by one at their pace with bulk ones between them; the ids of the urgent ones."""
        shops = cycle(self.pull.tools.settings.shops)
        plan = [(number / per_second, True) for number in range(urgent)]
        plan += [(number / bulk_per_second, False) for number in range(int(urgent / per_second * bulk_per_second))]
        began = time.monotonic()
        tids: list[str] = []
        for at, is_urgent in sorted(plan):
            time.sleep(max(0.0, began + at - time.monotonic()))
            tid = self.store(next(shops), urgent=is_urgent)
            if is_urgent:
                tids.append(tid)
        return tids


@contextmanager
def feeding(settings: Settings, stage: Stage, *, is_control: bool) -> Iterator[Feed]:
    """A feed that rings the engine's bells, or the control's."""
    with wired_worker(settings) as runtime, lane_bells(settings) as control_bells:
        runner = runtime.runners["pull"]
        assert isinstance(runner, RemoteRunner)
        pull = runner.step
        assert isinstance(pull, PullStep)
        if is_control:
            pull = replace(pull, tools=replace(pull.tools, bells=control_bells))
        platforms = {
            shop.account: registry.platform(shop.platform).connect(shop, runtime.door, SystemClock())
            for shop in settings.shops
        }
        with runtime.db.connection() as connection:
            skus = [row[0] for row in connection.execute(PRIORITY["skus"])]
        yield Feed(stage, pull, platforms, runner.event_loop, cycle(skus))


async def _fetch(platform: Platform, tid: str) -> RawOrder:
    return await platform.fetch(tid)
