"""Whole runs: a sandbox, private stores, worker processes and a sweeper, watched and hurt from outside."""

import random
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from domain.order import OrderKey
from domain.references import base_of, order_base
from domain.rules import RefundScope
from infra.settings import Settings, Stores
from sandbox.ledger import WriteBack
from sandbox.model import Ships
from sandbox.sending import HOLD_MARKS
from sandbox.spec import Dirt, Scenes
from sandbox.trades import CLOSED, CLOSED_UNPAID, OPEN_REFUNDS, UNPAID, Trade
from sandbox.waybills import Waybill
from sandbox.world import World
from workers.demo.face import silent
from workers.demo.run import Outcome, Running, conclude, prepared, running, watch
from workers.demo.stage import CLEAN, NO_SCENES, Script

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.02


class Witness:
    """Watches platform and courier while they answer: each piece at the moment it is labelled, or told of.

    `scope`: what a refund that is asked holds. `let_pass`: lines in refund, and orders that the platform holds, whose
    hold a person has released. `wrongs`: what was seen that must never be.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.scope = RefundScope.ORDER
        self.let_pass: set[str] = set()
        self.wrongs: list[str] = []
        self._waybills = 0
        self._write_backs = 0

    def look(self) -> None:
        """Whenever somebody has answered."""
        for waybill in list(self.world.waybills.by_number.values())[self._waybills :]:
            self._see_label(waybill)
            self._waybills += 1
        for said in self.world.ledger.write_backs[self._write_backs :]:
            self._see_telling(said)
            self._write_backs += 1

    def trade_of(self, waybill: Waybill) -> Trade:
        base = base_of(waybill.booking.reference)
        return next(one for one in self.world.book.trades.values() if order_base(_key(one)) == base)

    def living(self, trade: Trade) -> Counter[str]:
        """Pieces by title in packages with a living waybill."""
        pieces: Counter[str] = Counter()
        for waybill in self.world.waybills.by_number.values():
            if waybill.is_alive and self.trade_of(waybill) is trade:
                pieces.update(cargo_of(waybill))
        return pieces

    def labelled_beyond_sold(self) -> list[str]:
        """Pieces in living packages, and those that somebody else had shipped before, against what was sold."""
        return [
            f"{trade.order.tid}: {count} {title} labelled, {sold_of(trade)[title]} sold"
            for trade in self.world.book.trades.values()
            for title, count in self.living(trade).items()
            if count > sold_of(trade)[title]
        ]

    def _see_label(self, waybill: Waybill) -> None:
        trade = self.trade_of(waybill)
        name = f"{waybill.number} of {trade.order.tid}"
        refunds = {oid for oid, how in trade.refunds.items() if how in OPEN_REFUNDS and oid not in trade.closed}
        refunds -= {oid for oid in refunds if str(oid) in self.let_pass}
        if refunds and self.scope is RefundScope.ORDER:
            self.wrongs.append(f"{name}: labelled, and a refund is open for {refunds}")
        if any(trade.marks.get(mark) for mark in HOLD_MARKS) and str(trade.order.tid) not in self.let_pass:
            self.wrongs.append(f"{name}: labelled, and the platform holds it")
        gone, wanted, free = Counter[str](), Counter[str](), Counter[str]()
        for oid, line in trade.lines:
            is_over = oid in trade.gone or trade.status in {UNPAID, CLOSED, CLOSED_UNPAID}
            (gone if is_over or line.ships is not Ships.MERCHANT else wanted)[line.sku.title] += line.quantity
            if not is_over and oid not in refunds:
                free[line.sku.title] += line.quantity
        before = self.living(trade) - cargo_of(waybill)
        for title, count in cargo_of(waybill).items():
            left = wanted[title] - max(0, before[title] - gone[title])
            if count > left:
                self.wrongs.append(f"{name}: {count} {title} labelled, {left} wanted")
            if count > free[title]:
                self.wrongs.append(f"{name}: {count} {title} labelled, {free[title]} without a refund")

    def _see_telling(self, said: WriteBack) -> None:
        trade = self.world.book.trades[said.tid]
        earlier = {oid for one in self.world.ledger.write_backs[: self._write_backs] for oid in one.line_ids}
        if again := earlier & set(said.line_ids):
            self.wrongs.append(f"{said.tid}: told again of {again}")
        if gone := trade.gone.keys() & set(said.line_ids):
            self.wrongs.append(f"{said.tid}: told of {gone}, which are not the merchant's to ship any more")
        waybill = self.world.waybills.by_number.get(said.number)
        told = Counter[str]()
        for oid, line in trade.lines:
            told[line.sku.title] += line.quantity if oid in said.line_ids else 0
        if waybill is None or not waybill.is_alive or told - cargo_of(waybill):
            self.wrongs.append(f"{said.tid}: told of {dict(told)}, which {said.number} does not carry")


def _key(trade: Trade) -> OrderKey:
    return OrderKey("taobao", trade.order.shop, str(trade.order.tid))


def cargo_of(waybill: Waybill) -> Counter[str]:
    """Pieces by title, as the label says."""
    pieces: Counter[str] = Counter()
    for title, count in waybill.booking.cargo:
        pieces[title] += count
    return pieces


def sold_of(trade: Trade) -> Counter[str]:
    """Pieces by title."""
    pieces: Counter[str] = Counter()
    for _, line in trade.lines:
        pieces[line.sku.title] += line.quantity
    return pieces


@pytest.fixture
def make_witness() -> Callable[[World], Witness]:
    return Witness


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of the order stream; shown with a failure, and drawn again by the same ``-p randomly_seed``."""
    drawn = random.randrange(10**6)  # noqa: S311 - a seed, not a secret
    request.node.add_report_section("setup", "seed", f"{drawn}")
    return drawn


@pytest.fixture
def home(stores_base: Path) -> Iterator[Path]:
    """The data folder of one run's stores."""
    folder = stores_base / f"orderlane-run-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def base(home: Path) -> Settings:
    # With fsync: a commit that was confirmed must survive the server's sudden end.
    return Settings(stores=Stores(data_dir=str(home)))


@pytest.fixture
def script(seed: int) -> Callable[..., Script]:
    def write(
        orders: int,
        csv: Path | None = None,
        dirt: Dirt = CLEAN,
        shops: int = 3,
        *,
        scenes: Scenes = NO_SCENES,
        texts_buyers: bool = False,
    ) -> Script:
        return Script(
            orders=orders,
            csv=csv,
            seed=seed,
            per_second=0.0,
            processes=2,
            threads=4,
            shops=shops,
            dirt=dirt,
            scenes=scenes,
            texts_buyers=texts_buyers,
        )

    return write


@pytest.fixture
def play(base: Settings, script: Callable[..., Script]) -> Callable[..., AbstractContextManager[Running]]:
    """A run with all its processes at work."""
    return lambda orders, **given: running(base, script(orders, **given))


@pytest.fixture
def prepare(base: Settings, script: Callable[..., Script]) -> Callable[..., AbstractContextManager[Running]]:
    """A run whose processes have not been started yet."""
    return lambda orders, **given: prepared(base, script(orders, **given))


@pytest.fixture
def until() -> Callable[..., object]:
    """Wait for a condition by asking it again and again; fail when the deadline comes first."""

    def wait(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> object:
        pause, ends_at = threading.Event(), time.monotonic() + deadline_s
        while not (found := condition()):
            if time.monotonic() > ends_at:
                pytest.fail(f"not within {deadline_s} s")
            pause.wait(LOOK_EVERY_S)
        return found

    return wait


@pytest.fixture
def finish() -> Callable[[Running], Outcome]:
    """Watch a run to its end, and reckon."""
    return lambda demo: conclude(demo, watch(demo, silent))


@pytest.fixture
def count() -> Callable[..., int]:
    """The one number that a query answers."""

    def ask(demo: Running, query: str, *values: object) -> int:
        with demo.db.connection() as connection:
            row = connection.execute(query.encode(), values or None).fetchone()
        assert row is not None
        return int(row[0])

    return ask
