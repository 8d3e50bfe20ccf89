"""One small merchant: real stores, real engine, real steps; the outside world is four small ports made by hand."""

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from actors.pull import PullStep
from actors.tools import Tools
from adapters.platforms.taobao.trade import raw_order
from adapters.ports import Interception, ListedChange, PlatformShipment, PlatformStatus, WarehouseEvent, Waybill
from domain.errors import Conflict, Refused
from domain.order import Address, PlatformState
from infra.config.rules import load_rules
from infra.config.settings import Channel, CourierContract, Engine, Location, Sender, Settings, Shop
from infra.engine.accounts import ensure_accounts
from infra.engine.event_loop import EventLoopThread
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey
from infra.tables.claims import CLAIMS
from infra.tables.pool import Database
from infra.tables.stock import count_in
from tests.actors.hand_warehouse import HandWarehouse
from workers.wiring import make_runners

SHOP, COURIER, CHANNEL = "taobao/s1", "sf/main", "webhook/buyers"
_ENDLESS = {"pull", "pull_cases", "warehouse"}
_TIDS = itertools.count(2_900_000_000_000_000_001)


def settings(ship_on: str = "handover", *, presale_waits: bool = False, **engine: Any) -> Settings:
    places = {"east": ("浙江省", "杭州市"), "west": ("四川省", "成都市")}
    return Settings(
        engine=Engine(**engine),
        shops=(
            Shop(
                name="s1",
                platform="taobao",
                endpoint="http://localhost",
                credentials={},
                ship_on=ship_on,
                presale_waits=presale_waits,
                overlap_s=60.0,
                first_pull_days=1,
                poll_every_s=30.0,
            ),
        ),
        couriers=(CourierContract(name="main", courier="sf", endpoint="http://localhost", credentials={}),),
        locations=tuple(
            Location(
                name=name,
                endpoint="http://localhost",
                sender=Sender(contact="仓库", phone="1", province=province, city=city, district="区", detail="路 1 号"),
                credentials={},
            )
            for name, (province, city) in places.items()
        ),
        channels=(Channel(name="buyers", kind="webhook", endpoint="http://localhost", credentials={}),),
    )


class Rung:
    """Bells that are only written down."""

    def __init__(self) -> None:
        self.keys: list[BellKey] = []

    def ring(self, keys) -> None:
        self.keys.extend(sorted(keys))


@dataclass
class HandPlatform:
    """A shop that keeps trades and shipments in memory and can be made to fail, once for each error given."""

    window_max_s: float = 172_800.0
    divides_lines: bool = False
    trades: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)
    shipments: dict[str, list[PlatformShipment]] = field(default_factory=dict)
    refunds: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    forgets: bool = False
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    windows: list[Any] = field(default_factory=list)
    receiver: dict[str, Any] = field(default_factory=dict)
    revealed_for: list[Any] = field(default_factory=list)
    page_size: int = 100
    after_sale: Any = None

    def _raise(self, name: str) -> None:
        self.asked[name] += 1
        if self.errors.get(name):
            raise self.errors[name].pop(0)

    async def changes(self, window):
        self.windows.append(window)
        self._raise("changes")
        listed = [ListedChange(tid, at) for tid, at in sorted(self.changed.items()) if window.start <= at < window.end]
        for start in range(0, len(listed), self.page_size):
            yield listed[start : start + self.page_size]
            self._raise("next_page")

    async def fetch(self, platform_order_id: str):
        self._raise("fetch")
        self._raise(f"fetch {platform_order_id}")
        return raw_order(msgspec.json.encode({"trade": self._now(platform_order_id)}))

    def _now(self, platform_order_id: str) -> dict[str, Any]:
        trade = copy.deepcopy(self.trades[platform_order_id])
        if platform_order_id in self.closed:
            trade["status"] = "TRADE_CLOSED"
        if platform_order_id in self.refunds:
            for line in trade["orders"]["order"]:
                line["refund_status"] = "WAIT_SELLER_AGREE"
        return trade

    async def status(self, platform_order_id: str) -> PlatformStatus:
        self._raise("status")
        state = PlatformState.CLOSED if platform_order_id in self.closed else PlatformState.TO_SHIP
        shown = () if self.forgets else tuple(self.shipments.get(platform_order_id, ()))
        return PlatformStatus(state, platform_order_id in self.refunds, shown)

    async def reveal(self, tokens, purpose):
        self._raise("reveal")
        self.revealed_for.append(purpose)
        revealed = Address("林小满", "13800000001", "浙江省", "杭州市", "西湖区", "", "文三路 1 号")
        return {id_: replace(revealed, **self.receiver) for id_ in tokens}

    async def write_back(self, handover) -> None:
        id_ = handover.platform_order_id
        self.under_way[id_] += 1
        assert self.under_way[id_] == 1, "two packages of one order were told at once"
        try:
            await asyncio.sleep(0)
            self._raise("tell")
            if self.shipments.get(id_) and not handover.outside:
                raise Conflict("already_shipped")
            self.told.append(handover.waybill)
            self.shipments.setdefault(id_, []).append(PlatformShipment("SF", handover.waybill, tuple(handover.lines)))
            self._raise("after_tell")
        finally:
            self.under_way[id_] -= 1

    def courier_code(self, courier: str) -> str:
        return courier.upper()


@dataclass
class HandCourier:
    """A courier that books in memory. Without `knows_references` it makes a second waybill when asked again."""

    is_idempotent: bool = False
    can_find: bool = True
    find_lag_s: float = 0.0
    knows_references: bool = True
    waybills: list[Waybill] = field(default_factory=list)
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    answers_for: str = ""
    bookings: list[Any] = field(default_factory=list)
    can_track: bool = False
    track_max: int = 10
    ways: dict[str, Any] = field(default_factory=dict)
    tracked: list[list[Any]] = field(default_factory=list)
    can_intercept: bool = True
    repeats_intercept: bool = True
    can_ask_intercept: bool = False
    interceptions: list[Any] = field(default_factory=list)
    intercept_answers: list[Any] = field(default_factory=list)
    outcomes: dict[str, Any] = field(default_factory=dict)

    def _raise(self, name: str) -> None:
        self.asked[name] += 1
        if self.errors.get(name):
            raise self.errors[name].pop(0)

    async def create(self, booking) -> Waybill:
        self._raise("create")
        if self.knows_references and any(one.reference == booking.reference for one in self.waybills):
            raise Conflict("duplicate_reference")
        self.bookings.append(booking)
        self.waybills.append(Waybill(booking.reference, f"SF{len(self.waybills) + 1:04}", alive=True))
        self._raise("after_create")
        return replace(self.waybills[-1], reference=self.answers_for or booking.reference)

    async def find(self, reference: str) -> Waybill | None:
        self._raise("find")
        return next((one for one in reversed(self.waybills) if one.reference == reference), None)

    async def cancel(self, reference: str, waybill: str) -> None:
        self._raise("cancel")
        self.waybills = [replace(one, alive=one.alive and one.number != waybill) for one in self.waybills]
        self._raise("after_cancel")

    async def track(self, tracked):
        """`ways`: events, or an error, by waybill. `tracked`: what was asked, call by call."""
        self.tracked.append(list(tracked))
        self._raise("track")
        return {one.waybill: self.ways.get(one.waybill, ()) for one in tracked}

    async def intercept(self, request):
        """`intercept_answers`: of the next calls; *taken* after them. `interceptions`: what was carried out."""
        self._raise("intercept")
        answer = self.intercept_answers.pop(0) if self.intercept_answers else Interception.TAKEN
        if isinstance(answer, BaseException):
            raise answer
        if answer is Interception.TAKEN:
            if self.repeats_intercept and any(one.waybill == request.waybill for one in self.interceptions):
                raise Refused("courier_refused")
            self.interceptions.append(request)
        self._raise("after_intercept")
        return answer

    async def ask_intercept(self, waybill):
        """`outcomes`: by waybill."""
        self._raise("ask_intercept")
        return self.outcomes.get(waybill)


@dataclass
class HandNotifier:
    is_idempotent: bool = True
    needs_mobile: bool = False
    answers: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    errors_after: list[BaseException] = field(default_factory=list)

    async def notify(self, notice):
        if self.errors:
            raise self.errors.pop(0)
        if self.answers:
            return self.answers.pop(0)
        self.told.append(notice)
        if self.errors_after:
            raise self.errors_after.pop(0)
        return None


@dataclass
class Merchant:
    """The whole house of one merchant, step by step."""

    db: Database
    event_loop: EventLoopThread
    settings: Settings
    platform: HandPlatform = field(default_factory=HandPlatform)
    courier: HandCourier = field(default_factory=HandCourier)
    notifier: HandNotifier = field(default_factory=HandNotifier)
    warehouse: HandWarehouse = field(default_factory=HandWarehouse)
    bells: Rung = field(default_factory=Rung)

    def __post_init__(self) -> None:
        with self.db.transaction() as tx:
            ensure_accounts(tx, self.settings)
        self.tools = Tools(
            settings=self.settings,
            db=self.db,
            bells=self.bells,
            clock=SystemClock(),
            rules=load_rules(),
            platforms={SHOP: self.platform},
            couriers={COURIER: self.courier},
            notifiers={CHANNEL: self.notifier},
            warehouses={"east": self.warehouse, "west": HandWarehouse()},
        )
        self.runners = make_runners(self.tools, self.event_loop, 1_000_000)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.db.connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *values: object) -> Any:
        [[value]] = self.rows(query, *values)
        return value

    def stock(self, location: str = "east", **pieces: int) -> None:
        with self.db.transaction() as tx:
            count_in(tx, location, pieces)

    def deliver(self, *trades: dict[str, Any], source: str = "pull") -> None:
        """Store payloads as a pull does."""
        raws = [raw_order(msgspec.json.encode({"trade": trade})) for trade in trades]
        self.platform.trades |= {raw.platform_order_id: trade for raw, trade in zip(raws, trades, strict=True)}
        at = datetime(2026, 11, 22, tzinfo=UTC)
        PullStep(self.tools).store(
            self.settings.shops[0], source, [(ListedChange(raw.platform_order_id, at), raw) for raw in raws]
        )

    def run(self, step: str, **key: Any) -> int:
        """Answer the bells of one step until none of its work is due."""
        done = 0
        for _ in range(500):
            with self.db.connection() as connection:
                due = connection.execute(CLAIMS["due_keys"]).fetchall()
                due += [(*row, True) for row in connection.execute(CLAIMS["suspect_keys"]).fetchall()]
            keys = [BellKey(*row) for row in due if row[0] == step]
            if not keys:
                break
            done += sum(self.runners[step].run(bell) for bell in keys)
            if step in _ENDLESS:
                break
        return done

    def flow(self, until: str | None = None) -> None:
        """Run the chain once through all steps, up to and including `until`."""
        for step in ("normalize", "reserve", "review", "route", "label", "writeback", "notify"):
            self.run(step)
            if step is until:
                return

    def end_stops(self) -> None:
        """Run all that open stops and unwanted waybills wait for, until nothing of it is due."""
        while sum(self.run(step) for step in ("stop", "recall", "void", "label", "dispatch")):
            pass

    def fall_due(self) -> None:
        """Let the time pass that retries and deadlines wait for."""
        self.rows("UPDATE work SET due_at = now() - interval '1 second'")
        self.rows("UPDATE shipment SET call_deadline = now() - interval '1 second' WHERE call_deadline IS NOT NULL")
        self.rows("UPDATE shipment SET intercept_deadline = now() WHERE intercept_deadline IS NOT NULL")
        self.rows("UPDATE writeback SET call_deadline = now() - interval '1 second' WHERE call_deadline IS NOT NULL")

    def scan(self, *kinds: str, reference: str | None = None) -> None:
        """The warehouse scans every booked package, or one reference; then its feed is read."""
        references = [reference] if reference else [row[0] for row in self.rows("SELECT reference FROM shipment")]
        for kind in kinds:
            for one in references:
                number = f"e{len(self.warehouse.scans) + 1}"
                at = datetime(2026, 11, 22, 10, tzinfo=UTC) + timedelta(minutes=len(self.warehouse.scans))
                self.warehouse.scans.append(WarehouseEvent(number, one, "", kind, at))
        self.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
        self.run("warehouse")

    def states(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT state FROM fulfillment_order ORDER BY id")]

    def holds(self) -> list[str]:
        """Codes of the open holds."""
        return [row[0] for row in self.rows("SELECT code FROM hold WHERE released_at IS NULL ORDER BY code")]

    def letters(self) -> list[tuple[str, str]]:
        return self.rows("SELECT step, code FROM dead_letter ORDER BY id")

    def due(self, step: str) -> list[tuple[int, int]]:
        """Subject and attempts of a step's work."""
        return self.rows("SELECT subject_id, attempts FROM work WHERE step = %s ORDER BY subject_id", step)

    def counters(self, sku: str = "TEE-1") -> tuple[int, int, int]:
        """on_hand, reserved, allocated of the pool."""
        [row] = self.rows("SELECT on_hand, reserved, allocated FROM stock_pool WHERE sku = %s", sku)
        return row


_TRADE = {
    "status": "WAIT_SELLER_SEND_GOODS",
    "type": "fixed",
    "shipping_type": "express",
    "created": "2026-11-22 09:00:00",
    "modified": "2026-11-22 09:10:00",
    "pay_time": "2026-11-22 09:01:00",
    "receiver_name": "测**",
    "receiver_mobile": "*******0001",
    "receiver_state": "浙江省",
    "receiver_city": "杭州市",
    "receiver_district": "西湖区",
    "receiver_address": "文三路***",
    "oaid": "oaid-1",
}


@pytest.fixture
def trade() -> Callable[..., dict[str, Any]]:
    """A clean paid trade of one line at 10.00 a piece; keywords replace its fields, None takes one away."""

    def build(tid: str = "", pieces: int = 1, sku: str = "TEE-1", refund: str = "NO_REFUND", **changes: Any):
        tid = tid or str(next(_TIDS))
        total = f"{10 * pieces}.00"
        line = {
            "oid": int(tid),
            "num_iid": 600000000001,
            "title": "棉质T恤",
            "num": pieces,
            "price": "10.00",
            "payment": total,
            "refund_status": refund,
            "status": changes.get("status", _TRADE["status"]),
            "outer_iid": sku,
        }
        built = copy.deepcopy(_TRADE) | {
            "tid_str": tid,
            "payment": total,
            "total_fee": total,
            "orders": {"order": [line]},
        }
        return {key: value for key, value in (built | changes).items() if value is not None}

    return build


@pytest.fixture
def unpaid() -> dict[str, Any]:
    """Changes that make a trade an unpaid one."""
    return {"status": "WAIT_BUYER_PAY", "pay_time": None}


@pytest.fixture
def event_loop() -> Iterator[EventLoopThread]:
    with EventLoopThread() as event_loop:
        yield event_loop


@pytest.fixture
def make_merchant(database: Database, event_loop: EventLoopThread) -> Callable[..., Merchant]:
    return lambda **how: Merchant(database, event_loop, settings(**how))


@pytest.fixture
def merchant(make_merchant: Callable[..., Merchant]) -> Merchant:
    return make_merchant()


@pytest.fixture
def five(merchant, trade):
    """Five approved orders."""
    merchant.stock(**{"TEE-1": 100})
    merchant.deliver(*(trade() for _ in range(5)))
    merchant.flow("review")
    return merchant
