"""An instance with simulated shops that keeps running: a few orders at a time, some of which go wrong, until told to
stop.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Settings
from infra.process.clock import SystemClock
from ops.views.status import status
from sandbox.spec import Dirt, Scenes
from workers.demo.run import RunningDemo, running
from workers.demo.stage import Script, Stage, scenes_of

LOOK_EVERY_S = 1.0
REPORT_EVERY_S = 15.0
# Shares of the orders that will be held.
DIRT = Dirt(presale_open=0.03, refund_asked=0.05, vague_address=0.05, short_stock=0.04)
SCENES: Scenes = scenes_of(0.1, 0.1)
# One order in so many cannot be read, which makes a dead letter, or is refused by the courier, in turn.
_ONE_IN = 12
_REFUSED_MOBILE = "13800000000"


@dataclass(frozen=True, slots=True)
class PlayStatus:
    """The counts that are shown of a running instance: orders on the platform, orders written back, open holds and
    letters.
    """

    orders: int
    written_back: int
    held: int
    dead: int


def script_of(*, orders: int, per_second: float, shops: int, seed: int) -> Script:
    """A stream of `orders` that arrive `per_second`; after them the instance keeps running without new orders."""
    return Script(
        orders=orders,
        csv=None,
        seed=seed,
        per_second=per_second,
        processes=1,
        threads=4,
        shops=shops,
        dirt=DIRT,
        scenes=SCENES,
        follows=True,
    )


def play(
    base: Settings,
    script: Script,
    stopping: threading.Event,
    on_start: Callable[[Path], None],
    on_report: Callable[[PlayStatus], None],
) -> None:
    """Keep the instance running until `stopping` is set. `on_start` gets its settings file, `on_report` the counts from
    time to time.
    """
    with running(base, script) as demo, closing(connect_gates(demo.settings.stores.redis_url.reveal())) as client:
        shared = SharedGates(client)
        on_start(demo.stage.settings_file)
        trouble = make_trouble(demo.stage, script.seed)
        pace = _ONE_IN / script.per_second
        now = time.monotonic()
        trouble_at, report_at = now, now + LOOK_EVERY_S
        with _ended_by(stopping):
            while not stopping.wait(LOOK_EVERY_S):
                demo.supervisor.tend()
                now = time.monotonic()
                if now >= trouble_at:
                    next(trouble)
                    trouble_at = now + pace
                if now >= report_at:
                    on_report(_look(demo, shared))
                    report_at = now + REPORT_EVERY_S


@contextmanager
def _ended_by(stopping: threading.Event) -> Iterator[None]:
    """A terminal sends Ctrl-C to the sandbox too, so a request that was just sent gets no answer."""
    try:
        yield
    except OSError:
        if not stopping.is_set():
            raise


def make_trouble(stage: Stage, seed: int) -> Iterator[str]:
    """With each step one more order: with a date that nothing can hold, or a receiver that the courier refuses.

    Gives its number at the platform.
    """
    ledger = stage.read("_ledger")
    shops = sorted({row["shop"] for row in ledger["ordered"]})
    skus = [row["sku"] for row in ledger["stock"]]
    draw = random.Random(f"{seed}/trouble")  # noqa: S311 - a stream that can be repeated, no secret
    stage.pull("refuse_receiver", mobile=_REFUSED_MOBILE)
    for number in count():
        order = {"shop": draw.choice(shops), "lines": [{"sku": draw.choice(skus)}]}
        if number % 2:
            receiver = {"name": "示例", "mobile": _REFUSED_MOBILE, "detail": "示例路1号101室"}
            yield stage.pull("add_order", **order, receiver=receiver)["tid"]
        else:
            tid = stage.pull("add_order", **order)["tid"]
            stage.pull("spoil_trade", tid=tid, fields={"created": '"0001-01-01 00:00:00"'})
            yield tid


def _look(running: RunningDemo, shared: SharedGates) -> PlayStatus:
    progress = running.look()
    now = status(running.db, shared, running.settings, SystemClock())
    return PlayStatus(
        orders=progress.visible,
        written_back=progress.written_back,
        held=sum(now.holds.values()),
        dead=sum(one.letters for one in now.letters),
    )
