"""Whole runs: a sandbox, private stores, worker processes and a sweeper, watched and hurt from outside.

And the outside world of a house that lives in the process of a test, with a witness of what becomes of each piece.
"""

import random
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from adapters.http_client import Response
from domain.errors import Throttled, Transient, UnknownOutcome
from domain.holds import HoldCode
from domain.order import OrderKey
from domain.references import base_of, order_base
from domain.rules import RefundScope
from infra.config.settings import Settings, Stores
from sandbox import control
from sandbox.ledger import WriteBack
from sandbox.model import Expected, Ships
from sandbox.people import person_of
from sandbox.sending import HOLD_MARKS
from sandbox.spec import CourierDelays, Dirt, Floor, Scenes
from sandbox.trades import CLOSED, CLOSED_UNPAID, OPEN_REFUNDS, PART_SHIPPED, SHIPPED, TO_SHIP, UNPAID, Sender, Trade
from sandbox.warehouse import FeedRequest
from sandbox.waybills import Waybill
from sandbox.world import World
from workers.demo.face import silent
from workers.demo.run import DemoResult, RunningDemo, conclude, prepared, running, watch
from workers.demo.stage import CLEAN, NO_SCENES, USUAL_COURIER, Script

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

    def wrong_with_pieces(self) -> list[str]:
        """With what is in living packages beyond what was sold."""
        return self.wrongs + [
            f"{trade.order.tid}: {count} {title} labelled, {sold_of(trade)[title]} sold"
            for trade in self.world.book.trades.values()
            for title, count in self.living(trade).items()
            if count > sold_of(trade)[title]
        ]

    def untold(self) -> list[str]:
        """Lines of open trades that the merchant ships and that are not written back."""
        told = {oid for said in self.world.ledger.write_backs for oid in said.line_ids}
        return [
            str(oid)
            for trade in self.world.book.trades.values()
            if trade.status in {TO_SHIP, PART_SHIPPED, SHIPPED}
            for oid, line in trade.lines
            if line.is_ours and oid not in trade.gone and oid not in told
        ]

    def shows_no(self, code: str, tid: str) -> bool:
        """Whether nothing of the trade, as the platform has it now, is a reason for such a hold."""
        trade = self.world.book.trades[int(tid)]
        if code == HoldCode.PLATFORM_HOLD:
            return not any(trade.marks.get(mark) for mark in HOLD_MARKS)
        if code == HoldCode.REFUND_REQUESTED:
            return not (
                trade.closed or trade.status in {CLOSED, CLOSED_UNPAID} or OPEN_REFUNDS & {*trade.refunds.values()}
            )
        if code == HoldCode.SHIPPED_ELSEWHERE:
            return all(shipment.by is Sender.API for shipment in trade.shipments.values())
        return False

    def _see_label(self, waybill: Waybill) -> None:
        trade = self.trade_of(waybill)
        name = f"{waybill.number} of {trade.order.tid}"
        refunds = {
            oid
            for oid, line in trade.lines
            if line.is_ours and trade.refunds.get(oid) in OPEN_REFUNDS and str(oid) not in self.let_pass
        }
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


class Corridor:
    """In the place of the door: the sandbox's world answers in this process, or trouble strikes one call, or all.

    Whatever it answers, the witness sees.
    """

    def __init__(self, world, clock):
        self.world = world
        self.clock = clock
        self.witness = Witness(world)
        self.troubles = []
        self.down = {}

    async def send(self, request):
        where = urlsplit(request.url).path.split("/")[1]
        how = self.down.get(where) or next((how for place, how in self.troubles if place == where), None)
        if (where, how) in self.troubles:
            self.troubles.remove((where, how))
        if how == "away":
            raise Transient("connection_failed", "the request did not leave")
        if how == "slow_down":
            raise Throttled("http_429", after_s=1.0)
        answer = self._answer(where, request)
        self.witness.look()
        if how == "unheard":
            raise (Transient if request.is_idempotent else UnknownOutcome)("timed_out", "no complete answer")
        return Response(200, {}, b"<html>busy</html>") if how == "garbled" else answer

    def _answer(self, where, request):
        world, now = self.world, self.clock.now
        world.advance(now)
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if where == "taobao":
            return Response(200, {}, world.platform.answer(form, now))
        if where == "sf":
            return Response(200, {}, world.courier.answer(form, now))
        if where == "hook":
            return Response(world.receiver.take(request.headers, request.body, now), {}, b"")
        parts = urlsplit(request.url)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        stamp, signature = request.headers["X-Timestamp"], request.headers["X-Signature"]
        location, what = parts.path.split("/")[2:]
        feed = FeedRequest(location, path, stamp, signature, asked.get("after", ""), asked.get("limit", ""))
        assert world.feed.is_signed(feed, now)
        status, body = getattr(world.feed, what)(feed, now)
        return Response(status, {}, body)


class Buyers:
    """What buyers, and the people of the platform, do to the trades of a shop."""

    def __init__(self, world, clock, shop):
        self.world = world
        self.clock = clock
        self.shop = shop

    @property
    def trades(self):
        return list(self.world.book.trades.values())

    def pull_lever(self, lever, **fields):
        self.clock.now += 5
        return control.pull(self.world, msgspec.json.encode({"do": lever, **fields}), self.clock.now)

    def order(self, *lines, is_paid=True, detail="文三路1号"):
        """`lines`: SKU, pieces, and who ships it where that is not the merchant."""
        names = ("sku", "quantity", "ships")
        lines = [dict(zip(names, line, strict=False)) for line in lines or [("BOTH-A", 1)]]
        receiver = {"name": "测试", "mobile": f"139{len(self.trades):08}", "detail": detail}
        self.pull_lever("add_order", shop=self.shop, lines=lines, receiver=receiver, message="")
        if not is_paid:
            self.change(self.trades[-1], UNPAID, Expected.UNPAID)

    def change(self, trade, status, expected):
        trade.status = status
        trade.order = replace(trade.order, expected=expected)
        self._touch(trade)

    def wish(self, trade, wish):
        """What a buyer or the platform wants, as far as the platform lets them."""
        order, tid = trade.order, str(trade.order.tid)
        match wish:
            case "pays" if trade.status == UNPAID:
                self.change(trade, TO_SHIP, Expected.SHIP)
            case "closes" if trade.status in {UNPAID, TO_SHIP}:
                # Without a word of a refund.
                trade.gone = dict.fromkeys(trade.waiting(), self.clock.now) | trade.gone
                self.change(trade, CLOSED, Expected.CLOSED)
            case "asks_refund" | "withdraws_refund":
                self.pull_lever(wish.replace("s_", "_"), tid=tid)
            case "is_refunded":
                self.pull_lever("ask_refund", tid=tid)
                self.pull_lever("pay_refund", tid=tid)
            case "is_stopped" | "is_let_go":
                self.pull_lever("change_order", tid=tid, marks={"top_hold": int(wish == "is_stopped")})
            case "amends" | "complains":
                trade.order = replace(order, message="周末配送" if wish == "amends" else "投诉")
                self._touch(trade)
            case "moves":
                trade.order = replace(order, person=replace(person_of(order), detail="学院路2号"))
                self._touch(trade)

    def wish_of_line(self, trade, which, wish):
        """What happens to one line of a trade."""
        line_id = trade.line_ids[which % len(trade.line_ids)]
        named = {"tid": str(trade.order.tid), "lines": (str(line_id),)}
        if wish == "pay_refund" and trade.refunds.get(line_id) not in OPEN_REFUNDS:
            self.pull_lever("ask_refund", **named)
        self.pull_lever(wish, **named)

    def _touch(self, trade):
        self.clock.now += 5
        self.world.book.touch(trade, self.clock.now)


@pytest.fixture
def surround():
    """The outside world as one house meets it: what answers its calls, and who orders of it."""
    return lambda world, clock, shop: (Corridor(world, clock), Buyers(world, clock, shop))


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
        follows: bool = False,
        floors: Mapping[str, Floor] | None = None,
        courier: CourierDelays = USUAL_COURIER,
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
            follows=follows,
            floors=floors or {},
            courier=courier,
        )

    return write


@pytest.fixture
def play(base: Settings, script: Callable[..., Script]) -> Callable[..., AbstractContextManager[RunningDemo]]:
    """A run with all its processes at work."""
    return lambda orders, **given: running(base, script(orders, **given))


@pytest.fixture
def prepare(base: Settings, script: Callable[..., Script]) -> Callable[..., AbstractContextManager[RunningDemo]]:
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
def finish() -> Callable[[RunningDemo], DemoResult]:
    """Watch a run to its end, and reckon."""
    return lambda demo: conclude(demo, watch(demo, silent))


@pytest.fixture
def count() -> Callable[..., int]:
    """The one number that a query answers."""

    def ask(demo: RunningDemo, query: str, *values: object) -> int:
        with demo.db.connection() as connection:
            row = connection.execute(query.encode(), values or None).fetchone()
        assert row is not None
        return int(row[0])

    return ask
