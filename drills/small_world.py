"""One order at a time in a real instance: stores, sandbox and forked workers that may be killed anywhere."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import IO, Any

import msgspec

from domain.order import OrderKey
from domain.references import base_of, order_base
from drills.checkers import number
from drills.drill import Plan
from drills.fork_server import Armed, Ended, Request
from drills.queries import DRILLS
from infra.config.settings import Settings
from sandbox.places import CHINESE_LOCATIONS
from sandbox.spec import Dirt, Floor, WarehouseDelays
from workers.demo.run import RunningDemo, prepared
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD

# All but the first few orders of the stream stay in the future: they only stock the shelves.
_STREAM = 1_500
_NEVER = 1e-9
_PLATFORM = "taobao"
TOLD = {one.name: Floor(is_idempotent=False) for one in CHINESE_LOCATIONS}
SPOTLESS = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)


@dataclass(frozen=True, slots=True)
class Placed:
    """An order of a drill. `why` says what it was placed for; `base` is what its references begin with."""

    tid: str
    why: str
    base: str


@dataclass
class SmallWorld:
    """`opening` orders came with the stream, `placed` with the drill."""

    demo: RunningDemo
    opening: int
    fork_server: "ForkServer"
    shops: Iterator[str]
    skus: Iterator[str]
    placed: list[Placed] = field(default_factory=list)

    def order(self, why: str, skus: Sequence[str] = (), **given: Any) -> Placed:  # noqa: ANN401 - the control's fields
        """Place one order of one piece, or of one piece of each of `skus`."""
        shop = next(self.shops)
        lines = [{"sku": sku} for sku in skus or (next(self.skus),)]
        tid = self.demo.stage.pull("add_order", shop=shop, lines=lines, **given)["tid"]
        placed = Placed(tid, why, order_base(OrderKey(_PLATFORM, shop, tid)))
        self.placed.append(placed)
        return placed

    def work(self, *armed: Armed, **given: Any) -> Ended:  # noqa: ANN401 - the fields of Request
        """Let one worker work until all orders have ended, or until it meets what is armed."""
        self.let_calls_end()
        return self.go_on(*armed, **given)

    def go_on(self, *armed: Armed, **given: Any) -> Ended:  # noqa: ANN401 - the fields of Request
        """The same, but earlier calls end in real time."""
        return self.fork_server.send(Request(orders=self.opening + len(self.placed), armed=armed, **given))

    def resume(self, stopped: Ended) -> Ended:
        return self.fork_server.send(Request(resume=stopped.pid))

    def log(self) -> str:
        """What the workers have logged so far."""
        return (self.demo.stage.folder / "fork_server.log").read_text()

    def let_calls_end(self) -> None:
        self.execute(DRILLS["end_calls"])

    def execute(self, query: bytes) -> None:
        with self.demo.db.connection() as connection:
            connection.execute(query)

    def number(self, query: bytes) -> int:
        """The one number that a query answers."""
        return number(self.demo, query)

    def shipments(self) -> Counter[str]:
        """How often the courier has booked, dead waybills included, by the order's base."""
        return Counter(base_of(row["reference"]) for row in self.demo.stage.read("_ledger")["waybills"])

    def silence_warehouses(self) -> None:
        """From now on they take documents and do nothing more with them."""
        for location, floor in TOLD.items():
            silent = msgspec.structs.replace(floor, forgets=1.0)
            self.demo.stage.pull("set_warehouse", location=location, floor=msgspec.to_builtins(silent))

    def documents(self) -> Counter[str]:
        """How many documents the warehouses have, refused and stopped ones included, by the order's base."""
        return Counter(base_of(row["reference"]) for row in self.demo.stage.read("_ledger")["documents"])


@dataclass
class ForkServer:
    """The forking process. `environ` is what its workers' settings are read with."""

    process: subprocess.Popen[bytes]
    environ: Mapping[str, str]

    def send(self, request: Request) -> Ended:
        request = msgspec.structs.replace(request, environ={**self.environ, **request.environ})
        asked, answers = self.process.stdin, self.process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(msgspec.json.encode(request) + b"\n")
        asked.flush()
        return msgspec.json.decode(answers.readline(), type=Ended)


def still_stream(
    plan: Plan,
    *,
    shops: int = 1,
    processes: int = 1,
    threads: int = 1,
    texts_buyers: bool = True,
    floors: Mapping[str, Floor] | None = None,
) -> Script:
    """Full shelves, and next to no order that comes by itself."""
    return Script(
        orders=_STREAM,
        csv=None,
        seed=plan.seed,
        per_second=_NEVER,
        processes=processes,
        threads=threads,
        shops=shops,
        texts_buyers=texts_buyers,
        dirt=SPOTLESS,
        delays=WarehouseDelays(accept_s=0.0, pack_s=0.0, handover_s=0.0),
        floors=UNTOLD if floors is None else floors,
    )


def shelf(demo: RunningDemo) -> Iterator[str]:
    """Goods that can be ordered piece by piece, and never run out before the last of them."""
    stock = demo.stage.read("_ledger")["stock"]
    return iter([row["sku"] for row in stock for _ in range(row["on_hand"] // 2)])


@contextmanager
def small_world(plan: Plan, *, texts_buyers: bool = True, is_told: bool = False) -> Iterator[SmallWorld]:
    """Everything up, no order placed yet.

    `is_told`: the warehouses ship what they are told, and once more when told twice; else they learn from the labels.
    """
    base: Settings = msgspec.structs.replace(plan.base, stores=msgspec.structs.replace(plan.base.stores, fsync=False))
    script = still_stream(plan, texts_buyers=texts_buyers, floors=TOLD if is_told else None)
    with (
        prepared(base, script) as demo,
        (demo.stage.folder / "fork_server.log").open("wb") as log,
        _fork_server(demo, log) as fork_server,
    ):
        _leave_gates_open(demo)
        opening = demo.stage.read("_progress")["visible"]
        world = SmallWorld(demo, opening, fork_server, cycle(shop.name for shop in demo.settings.shops), shelf(demo))
        world.work()
        yield world


def _leave_gates_open(demo: RunningDemo) -> None:
    """A shut account waits in real time, so gates are left out here; drills with whole runs have them."""
    file = demo.stage.settings_file
    file.write_text(file.read_text().replace("[engine]", "[guard]\nfailures_max = 1000000\n\n[engine]"))


@contextmanager
def _fork_server(demo: RunningDemo, log: IO[bytes]) -> Iterator[ForkServer]:
    with subprocess.Popen(
        [sys.executable, "-m", "drills.fork_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
    ) as process:
        yield ForkServer(process, demo.supervisor.environment)
