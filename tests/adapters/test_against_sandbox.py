"""Both sides of each protocol were written apart from each other; here they meet."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from msgspec import structs

from adapters import registry
from adapters.documents import Capabilities, Document, DocumentLine, DocumentPackage, DocumentProgress, Found, Stop
from adapters.http_client import HttpClient
from adapters.platforms.taobao.trade import read_order
from adapters.ports import Booking, Handover, InterceptRequest, Notice, Purpose, Tracked, Window
from domain.errors import Conflict, Misconfigured, Refused
from domain.normalize import inspect
from domain.order import Address, MemberLevel, OrderKey, OrderSource, PlatformState
from domain.phone import Unreachable
from domain.references import document_reference, reference
from infra.config.secret import Secret
from infra.config.settings import Channel, CourierContract, Location, Sender, Settings, Shop
from infra.config.settings import HttpLimits as Limits
from infra.process.clock import SystemClock
from sandbox.server import application
from sandbox.spec import Floor, Secrets, Spec, WarehouseDelays
from sandbox.stream import plan
from sandbox.world import World

ORDERS = 150
SECRETS = Secrets(
    app_key="k",
    app_secret="a-secret",
    session_secret="s-secret",
    sf_partner_id="P",
    sf_check_word="c-word",
    sf_monthly_card="7551234567",
    warehouse_secret="w-secret",
    webhook_secret="whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    sms_secret_id="AKIDx",
    sms_secret_key="t-secret",
    sms_app_id="1400000001",
    control_secret="x-secret",
)


def secrets(**named: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in named.items()}


@pytest.fixture
async def played():
    """A sandbox of one shop, and the settings that reach it."""
    spec = Spec(
        seed=7,
        orders=ORDERS,
        secrets=SECRETS,
        shops=1,
        p0_share=0.2,
        warehouse=WarehouseDelays(accept_s=0, pack_s=0, handover_s=0),
        floors={
            "shanghai": Floor(),
            "guangzhou": Floor(books_waybill=True, splits=True, repeats_events=1.0),
        },
    )
    world = World(spec, plan(spec), time.time())
    runner = web.AppRunner(application(world, time.time))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sender = Sender(
        contact="甲", phone="02100000001", province="上海市", city="上海市", district="青浦区", detail="1号"
    )
    shop, locations = plan(spec).shops[0], plan(spec).locations
    yield Settings(
        shops=(
            Shop(
                name=shop.name,
                platform="taobao",
                endpoint=f"{url}/taobao/router/rest",
                credentials=secrets(app_key="k", app_secret="a-secret", session=shop.session),
            ),
        ),
        couriers=(
            CourierContract(
                name="main",
                courier="sf",
                endpoint=f"{url}/sf/std/service",
                credentials=secrets(partner_id="P", check_word="c-word", monthly_card="7551234567"),
            ),
        ),
        locations=tuple(
            Location(
                name=place.name,
                endpoint=f"{url}/warehouse/{place.name}",
                sender=sender,
                credentials=secrets(secret="w-secret"),
            )
            for place in locations
        ),
        channels=(
            Channel(
                name="erp",
                kind="webhook",
                endpoint=f"{url}/hook",
                credentials=secrets(secret=SECRETS.webhook_secret),
            ),
            Channel(
                name="buyers",
                kind="tencent-sms",
                endpoint=url,
                credentials=secrets(secret_id="AKIDx", secret_key="t-secret"),
                options={"sdk_app_id": "1400000001", "sign_name": "示例店铺", "template_id": "1"},
            ),
        ),
    )
    await runner.cleanup()


@pytest.fixture
async def door(played):
    async with HttpClient(Limits(), registry.hosts(played), SystemClock()) as door:
        yield door


def last_day() -> Window:
    now = datetime.now(UTC)
    return Window(now - timedelta(hours=23), now + timedelta(minutes=1))


@pytest.fixture
def shop(played, door):
    return registry.platform("taobao").connect(played.shops[0], door, SystemClock())


@pytest.fixture
def sf(played, door):
    return registry.courier("sf").connect(played.couriers[0], door, SystemClock())


async def test_every_order_of_a_shop_is_listed_fetched_and_read(shop):
    listed = {row.platform_order_id async for page in shop.changes(last_day()) for row in page}
    raws = [await shop.fetch(number) for number in listed]
    orders = [read_order(raw.body, "one") for raw in raws]

    assert len(listed) >= ORDERS
    assert [order.key.platform_order_id for order in orders] == [raw.platform_order_id for raw in raws]
    assert [finding for order in orders for finding in inspect(order)] == []
    assert {order.state for order in orders} >= {PlatformState.TO_SHIP, PlatformState.UNPAID, PlatformState.CLOSED}
    assert any(order.balance_open for order in orders)
    assert any(line.refund_open for order in orders for line in order.lines)
    urgent = [raw.lane_facts for raw in raws if raw.lane_facts.source is OrderSource.LIVE]
    assert urgent
    assert MemberLevel.PLUS in {facts.member_level for facts in urgent}
    assert all(order.receiver.merge_token for order in orders)


async def test_one_order_goes_its_whole_way(played, door, shop, sf):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    receiver = (await shop.reveal({number: order.receiver.merge_token}, Purpose.LABEL))[number]
    assert isinstance(receiver, Address)
    place = played.locations[0]
    sender = Address("甲", "02100000001", "上海市", "上海市", "青浦区", "", location_detail(played, place.name))
    booking = Booking(f"TB{number}-1-0", sender, receiver, tuple((x.title, x.quantity) for x in order.lines), 500)

    assert await sf.find(booking.reference) is None
    waybill = await sf.create(booking)
    assert (waybill.alive, bool(waybill.sort_code)) == (True, True)
    assert await sf.find(booking.reference) == waybill
    with pytest.raises(Conflict) as caught:
        await sf.create(booking)
    assert caught.value.code == "duplicate_reference"

    lines = {line.line_id: line.quantity for line in order.lines}
    handover = Handover(number, "sf", waybill.number, lines, outside=frozenset(), shipped_at=order.created_at)
    await shop.write_back(handover)
    status = await shop.status(number)
    assert (status.state, status.refund_open) == (PlatformState.SHIPPED, False)
    assert [(one.courier_code, one.waybill) for one in status.shipments] == [("SF", waybill.number)]
    with pytest.raises(Conflict) as caught:
        await shop.write_back(handover)
    assert caught.value.code == "already_shipped"

    tracked = [Tracked(waybill.number, receiver.phone), Tracked("SF0000000000000", receiver.phone)]
    assert await sf.track(tracked) == {one.waybill: () for one in tracked}
    [refused] = (await sf.track([Tracked(waybill.number, "13000009999")])).values()
    assert isinstance(refused, Refused), "another phone is not the receiver's"


async def test_pieces_of_one_line_go_in_two_packages(shop, sf):
    order = await first_to_ship(shop, pieces=2)
    number = order.key.platform_order_id
    receiver = (await shop.reveal({number: order.receiver.merge_token}, Purpose.LABEL))[number]
    line = next(line for line in order.lines if line.quantity > 1)
    rest = {one.line_id: one.quantity for one in order.lines if one is not line}
    booked = [await sf.create(Booking(f"R-{n}", receiver, receiver, (("x", 1),), 0)) for n in range(2)]
    divided = frozenset({line.line_id})
    first = Handover(number, "sf", booked[0].number, {**rest, line.line_id: 1}, divided, order.created_at)
    await shop.write_back(first)
    assert (await shop.status(number)).state is PlatformState.PART_SHIPPED
    lines = {line.line_id: line.quantity - 1}
    outside = divided | rest.keys()
    await shop.write_back(Handover(number, "sf", booked[1].number, lines, outside, order.created_at, divided))
    status = await shop.status(number)
    assert status.state is PlatformState.SHIPPED
    with pytest.raises(Conflict):
        await shop.write_back(first)


async def test_a_cancelled_shipment_is_found_dead_and_cancelling_twice_is_quiet(shop, sf):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    receiver = (await shop.reveal({number: order.receiver.merge_token}, Purpose.LABEL))[number]
    waybill = await sf.create(Booking("R-1", receiver, receiver, (("x", 1),), 0))

    await sf.cancel("R-1", waybill.number)
    await sf.cancel("R-1", waybill.number)

    found = await sf.find("R-1")
    assert (found.number, found.alive) == (waybill.number, False)
    with pytest.raises(Conflict):
        await sf.cancel("R-2", "")


async def test_warehouse_and_web_hook_accept_our_signatures(played, door):
    for place in played.locations:
        warehouse = registry.warehouse().connect(place, door, SystemClock())
        assert (await warehouse.events("")).events == ()
        assert sum(level.quantity for level in (await warehouse.stock()).levels) > 0
    hook = registry.channel("webhook").connect(played.channels[0], door, SystemClock())
    notice = Notice("evt-1", "package.shipped", datetime.now(UTC), {"waybill": "SF1"})
    await hook.notify(notice)
    await hook.notify(notice)


def document(waybill: str = "") -> Document:
    key = OrderKey("taobao", "shop-1", "T1")
    packages = (DocumentPackage(reference(key, 1, 1), "sf", waybill, ""),) if waybill else ()
    lines = (DocumentLine("11", "SKU-00001", 2), DocumentLine("12", "SKU-00002", 1))
    return Document(reference=document_reference(key, 1, 1), shop="taobao/shop-1", lines=lines, packages=packages)


@pytest.fixture
def warehouses(played, door):
    """By location, with the options that suit its floor."""
    told = {"takes_orders": "true"}
    books = {**told, "books_waybill": "true", "splits": "true"}
    return {
        place.name: registry.warehouse(place.kind).connect(
            structs.replace(place, options=books if place.name == "guangzhou" else told), door, SystemClock()
        )
        for place in played.locations
    }


async def test_a_document_is_placed_found_and_packed_under_our_waybill(warehouses, shop, sf):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    receiver = (await shop.reveal({number: order.receiver.merge_token}, Purpose.LABEL))[number]
    waybill = await sf.create(Booking("R-1", receiver, receiver, (("x", 1),), 0))
    warehouse, told = warehouses["shanghai"], document(waybill.number)

    assert await warehouse.find(told.reference) is None
    with pytest.raises(Conflict, match="unknown_reference"):
        await warehouse.stop(told.reference, "")
    taken = await warehouse.place(told)
    assert await warehouse.place(told) == taken
    with pytest.raises(Conflict, match="reference_used"):
        await warehouse.place(replace(told, packing_group="other"))

    page = await warehouse.events("")
    assert page.rejected == ()
    kinds = [(event.kind, event.waybill) for event in page.events]
    assert kinds[-2:] == [("packed", waybill.number), ("handed_over", waybill.number)]
    assert {event.their_id for event in page.events} == {taken.their_id}
    assert [(line.line, line.planned, line.actual) for line in page.events[-1].lines] == [("11", 2, 2), ("12", 1, 1)]
    found = await warehouse.find(told.reference)
    assert found == Found(told.reference, taken.their_id, DocumentProgress.HANDED_OVER)
    assert await warehouse.stop(told.reference, taken.their_id) is Stop.TOO_LATE


async def test_a_warehouse_that_books_tells_packages_and_repeats_itself(warehouses):
    warehouse, told = warehouses["guangzhou"], document()
    assert warehouse.capabilities == Capabilities(books_waybill=True, splits=True)

    await warehouse.place(told)

    page = await warehouse.events("")
    assert page.rejected == ()
    left = {event.event_id: event for event in page.events if event.kind == "handed_over"}
    assert len(page.events) == 2 * len({event.event_id for event in page.events})
    assert [one.lines for event in left.values() for one in event.packages] == [(("11", 2),), (("12", 1),)]
    assert sorted(event.is_final for event in left.values()) == [False, True]
    assert {event.reference for event in page.events} == {told.reference}


async def test_the_text_message_provider_accepts_our_signature(played, door):
    described = played.channels[1]
    texts = registry.channel("tencent-sms").connect(described, door, SystemClock())
    notice = Notice("evt-2", "package.shipped", datetime.now(UTC), {"waybill": "SF1"}, mobile="13800000001")
    assert await texts.notify(notice) is None
    assert await texts.notify(replace(notice, mobile="5511900000000")) == Unreachable("phone_invalid")

    wrong = structs.replace(described, credentials={**described.credentials, "secret_key": Secret("other")})
    with pytest.raises(Misconfigured) as caught:
        await registry.channel("tencent-sms").connect(wrong, door, SystemClock()).notify(notice)
    assert caught.value.code == "signature_invalid"


async def test_a_wrong_secret_stops_the_account(played, door):
    shop = played.shops[0]
    wrong = Shop(
        name="w",
        platform="taobao",
        endpoint=shop.endpoint,
        credentials={**shop.credentials, "app_secret": Secret("other")},
    )
    with pytest.raises(Misconfigured) as caught:
        await registry.platform("taobao").connect(wrong, door, SystemClock()).status("1")
    assert caught.value.code == "signature_invalid"


async def first_to_ship(shop, pieces=1):
    """The first order to ship with a line of so many pieces."""
    async for page in shop.changes(last_day()):
        for row in page:
            order = read_order((await shop.fetch(row.platform_order_id)).body, "one")
            is_clean = order.state is PlatformState.TO_SHIP and not any(line.refund_open for line in order.lines)
            if is_clean and any(line.quantity >= pieces for line in order.lines):
                return order
    raise AssertionError("the stream has nothing to ship")


def location_detail(played, name: str) -> str:
    return next(place.sender.detail for place in played.locations if place.name == name)


async def test_a_parcel_is_intercepted_once_its_courier_has_it(played, shop, sf):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    receiver = (await shop.reveal({number: order.receiver.merge_token}, Purpose.LABEL))[number]
    place = played.locations[0]
    sender = Address("甲", "02100000001", "上海市", "上海市", "青浦区", "", location_detail(played, place.name))
    waybill = await sf.create(Booking("R-7", sender, receiver, (("x", 1),), 0))
    assert (sf.can_intercept, sf.can_ask_intercept) == (True, False)

    with pytest.raises(Refused) as caught:
        await sf.intercept(InterceptRequest("R-7", waybill.number, sender))
    assert caught.value.code == "courier_refused"
    with pytest.raises(Conflict) as caught:
        await sf.intercept(InterceptRequest("R-7", "SF0000000000000", sender))
    assert caught.value.code == "shipment_not_found"
