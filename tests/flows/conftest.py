"""Whole runs: a sandbox, private stores, worker processes and a sweeper, watched and hurt from outside.

And the outside world of a house that lives in the process of a test, with a witness of what becomes of each piece.
"""

import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from adapters.http_client import Response
from domain.errors import Throttled, Transient, UnknownOutcome
from infra.config.settings import Settings, Stores
from sandbox import control
from sandbox.lost import AnswerLostError
from sandbox.model import Expected
from sandbox.people import person_of
from sandbox.spec import CourierDelays, Dirt, Floor, Scenes
from sandbox.trades import CLOSED, OPEN_REFUNDS, TO_SHIP, UNPAID
from sandbox.warehouse import FeedRequest
from tests.flows.witness import Witness
from workers.demo.face import silent
from workers.demo.run import DemoResult, RunningDemo, conclude, prepared, running, watch
from workers.demo.stage import CLEAN, NO_SCENES, USUAL_COURIER, Script

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.02


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
        try:
            return self._answer_of_warehouse(request)
        except AnswerLostError:
            raise (Transient if request.is_idempotent else UnknownOutcome)("timed_out", "no complete answer") from None

    def _answer_of_warehouse(self, request):
        parts = urlsplit(request.url)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        stamp, signature = request.headers["X-Timestamp"], request.headers["X-Signature"]
        location, what, *named = parts.path.split("/")[2:]
        feed = FeedRequest(
            *(location, path, stamp, signature, asked.get("after", ""), asked.get("limit", "")),
            reference="".join(named),
            body=request.body if request.method == "POST" else None,
        )
        assert self.world.feed.is_signed(feed, self.clock.now)
        call = {"orders": "find" if named else "place"}.get(what, what)
        status, body = getattr(self.world.feed, call)(feed, self.clock.now)
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
