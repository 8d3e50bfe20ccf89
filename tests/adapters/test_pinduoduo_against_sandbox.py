"""The Pinduoduo adapter and the sandbox's Pinduoduo were written apart from each other; here they meet over HTTP."""

import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp import web

from adapters import registry
from adapters.after_sale import StopAnswer, StopReport
from adapters.http_client import HttpClient
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.order import read_order
from adapters.ports import Handover, Purpose, Window
from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.errors import Conflict, Misconfigured, Refused, Throttled, UnknownOutcome
from domain.normalize import inspect
from domain.order import Address, FulfilledBy, Pii, PlatformState
from infra.config.secret import Secret
from infra.config.settings import HttpLimits as Limits
from infra.config.settings import Settings, Shop
from infra.process.clock import SystemClock
from sandbox.control import pull
from sandbox.limit import CallLimit, Says
from sandbox.pdd_orders import order_sn
from sandbox.server import application
from sandbox.spec import Secrets, Spec
from sandbox.stream import plan
from sandbox.world import World

ORDERS = 150
SECRETS = Secrets(
    app_key="cid-1",
    app_secret="5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5",
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
NUMBER, OTHER = "SF1400000000000", "SF1400000007919"


@pytest.fixture
def world():
    """A sandbox of one shop that opened ten minutes ago: a listing ends three minutes before now."""
    spec = Spec(seed=7, orders=ORDERS, secrets=SECRETS, shops=1)
    return World(spec, plan(spec), time.time() - 600)


@pytest.fixture
async def url(world):
    runner = web.AppRunner(application(world, time.time))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def connect(url, world):
    """`connect(**options)`: the first shop of the sandbox."""
    doors = []

    async def open_shop(token=world.plan.shops[0].session, secret=SECRETS.app_secret, clock=None, **options):
        credentials = {"client_id": SECRETS.app_key, "client_secret": secret, "access_token": token}
        described = Shop(
            name="one",
            platform="pdd",
            endpoint=f"{url}/pdd/api/router",
            credentials={name: Secret(value) for name, value in credentials.items()},
            options=options,
        )
        door = await HttpClient(Limits(), registry.hosts(Settings(shops=(described,))), SystemClock()).open()
        doors.append(door)
        return registry.platform("pdd").connect(described, door, clock or SystemClock())

    yield open_shop
    for door in doors:
        await door.close()


@pytest.fixture
async def shop(connect):
    return await connect(decrypt="label", case_statuses="2,6,10,11")


class LaterClock(SystemClock):
    """A minute ahead of the platform's clock."""

    def utcnow(self) -> datetime:
        return super().utcnow() + timedelta(minutes=1)


@pytest.fixture
async def shop_later(connect):
    """The same shop, as it is asked a minute from now: cases are listed until some seconds before that."""
    return await connect(case_statuses="2,6,10,11", clock=LaterClock())


@pytest.fixture
def do(world):
    def command(order, **fields):
        number = order.key.platform_order_id.partition("-")[2]
        return pull(world, msgspec.json.encode({"tid": number, **fields}), time.time())

    return command


def last_hours() -> Window:
    now = datetime.now(UTC)
    return Window(now - timedelta(hours=3), now + timedelta(minutes=1))


async def all_rows(pages):
    return [row async for page in pages for row in page]


async def orders_to_ship(shop, pieces=1):
    for row in await all_rows(shop.changes(last_hours())):
        if row.state is PlatformState.TO_SHIP:
            order = read_order((await shop.fetch(row.platform_order_id)).body, "one")
            is_clean = not (order.platform_hold or any(line.refund_open for line in order.lines))
            if is_clean and order.lines[0].quantity >= pieces:
                yield order


async def first_to_ship(shop, pieces=1):
    return await anext(orders_to_ship(shop, pieces))


def handed_over(order, number=NUMBER, lines=None):
    whole = {line.line_id: line.quantity for line in order.lines}
    lines = lines or whole
    outside = frozenset(line for line, count in whole.items() if lines.get(line, 0) < count)
    return Handover(order.key.platform_order_id, "sf", number, lines, outside, order.created_at)


async def test_every_order_of_a_shop_is_listed_fetched_and_read(shop, world):
    listed = {row.platform_order_id: row for row in await all_rows(shop.changes(last_hours()))}
    raws = [await shop.fetch(number) for number in listed]
    orders = [read_order(raw.body, "one") for raw in raws]

    assert listed.keys() == {order_sn(trade) for trade in world.book.trades.values()}
    assert len(listed) >= ORDERS
    assert [order.key.platform_order_id for order in orders] == [raw.platform_order_id for raw in raws]
    assert [listed[order.key.platform_order_id].state for order in orders] == [order.state for order in orders]
    assert [(order.key, finding) for order in orders for finding in inspect(order)] == []
    assert {order.state for order in orders} >= {PlatformState.TO_SHIP, PlatformState.UNPAID, PlatformState.CLOSED}
    assert any(order.balance_open for order in orders)
    assert any(line.refund_open for order in orders for line in order.lines)
    assert any(line.is_gift and line.fulfilled_by is FulfilledBy.MERCHANT for order in orders for line in order.lines)
    owed = [order for order in orders if order.state is PlatformState.TO_SHIP]
    assert all(order.ship_by and order.receiver.merge_token for order in owed)
    assert {order.receiver.pii for order in owed} == {Pii.MASKED}
    assert all(order.receiver.pii is Pii.ABSENT for order in orders if order.state is PlatformState.CLOSED)


async def test_a_listing_of_several_pages_is_read_whole(shop, world, monkeypatch):
    monkeypatch.setattr(describe, "PAGE_SIZE", 10)
    rows = await all_rows(shop.changes(last_hours()))
    assert {row.platform_order_id for row in rows} == {order_sn(trade) for trade in world.book.trades.values()}


async def test_a_window_that_the_platform_refuses_is_never_asked_for(shop, world):
    long = Window(datetime.now(UTC) - timedelta(hours=5), datetime.now(UTC))
    assert await all_rows(shop.changes(long))
    assert not [code for code in world.ledger.refused if code]


async def test_a_receiver_is_decrypted_where_the_shop_allows_it(shop, connect, do, world):
    order = await first_to_ship(shop)
    number, token = order.key.platform_order_id, order.receiver.merge_token

    found = (await shop.reveal({number: token}, Purpose.LABEL))[number]

    assert isinstance(found, Address)
    assert (found.merge_token, found.pii, found.has_virtual_phone) == (token, Pii.PLAIN, True)
    assert "*" not in found.name + found.phone + found.detail
    assert found.city == order.receiver.city
    closed = await connect()
    for refusing, purpose in ((shop, Purpose.NOTICE), (closed, Purpose.LABEL)):
        refused = (await refusing.reveal({number: token}, purpose))[number]
        assert (type(refused), refused.code) == (Refused, "decryption_off")

    world.pinduoduo.in_cloud = False
    assert isinstance((await shop.reveal({number: token}, Purpose.LABEL))[number], Address)
    with pytest.raises(Throttled):
        await shop.reveal({number: token}, Purpose.LABEL)
    do(order, do="change_order", receiver={"name": "新收件人", "mobile": "13900000009", "detail": "新路9号"})
    stale = (await shop.reveal({number: token}, Purpose.LABEL))[number]
    assert (type(stale), stale.code) == (Conflict, "receiver_token_stale")


async def test_without_a_report_of_its_waybill_nothing_is_decrypted(connect):
    silent = await connect(decrypt="label", waybill_type="off")
    order = await first_to_ship(silent)
    number = order.key.platform_order_id
    refused = (await silent.reveal({number: order.receiver.merge_token}, Purpose.LABEL))[number]
    assert (type(refused), refused.code) == (Refused, "platform_refused")


async def test_a_whole_order_is_told_once_and_shown(shop, world):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id

    await shop.write_back(handed_over(order))

    status = await shop.status(number)
    assert (status.state, status.refund_open) == (PlatformState.SHIPPED, False)
    assert [(one.courier_code, one.waybill) for one in status.shipments] == [("44", NUMBER)]
    for again in (NUMBER, OTHER):
        with pytest.raises(Conflict) as caught:
            await shop.write_back(handed_over(order, again))
        assert caught.value.code == "already_shipped"
    assert [told.number for told in world.ledger.write_backs] == [NUMBER]
    assert read_order((await shop.fetch(number)).body, "one").receiver.pii is Pii.ABSENT


async def test_a_second_parcel_is_told_as_one_more_number(shop, world):
    order = await first_to_ship(shop, pieces=2)
    first, *rest = order.lines
    part = {line.line_id: line.quantity for line in rest} | {first.line_id: 1}

    await shop.write_back(handed_over(order, lines=part))
    await shop.write_back(handed_over(order, OTHER, lines={first.line_id: first.quantity - 1}))

    status = await shop.status(order.key.platform_order_id)
    assert [one.waybill for one in status.shipments] == [NUMBER, OTHER]
    with pytest.raises(Conflict) as caught:
        await shop.write_back(handed_over(order, OTHER, lines={first.line_id: first.quantity - 1}))
    assert caught.value.code == "already_shipped"
    assert [told.number for told in world.ledger.write_backs] == [NUMBER, OTHER]


async def test_refusals_of_one_order_are_its_own(shop, do):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    with pytest.raises(Refused) as caught:
        await shop.write_back(handed_over(order, number="not-a-number"))
    assert caught.value.code == "platform_refused"
    do(order, do="ask_refund")
    with pytest.raises(Refused) as caught:
        await shop.write_back(handed_over(order))
    assert caught.value.code == "platform_refused"
    assert (await shop.status(number)).refund_open
    do(order, do="pay_refund")
    with pytest.raises(Conflict) as caught:
        await shop.write_back(handed_over(order))
    assert caught.value.code == "order_closed"
    assert (await shop.status(number)).state is PlatformState.CLOSED
    for unknown in ("1", "261122-1"):
        with pytest.raises(Refused) as caught:
            await shop.fetch(unknown)
        assert caught.value.code == "order_not_found"


async def test_what_concerns_the_account_is_said_of_the_account(shop, connect, world):
    wrong = await connect(secret="other")
    for asked, code in (
        (wrong.status("1"), "signature_invalid"),
        ((await connect(token="nobody's")).status("1"), "session_expired"),
    ):
        with pytest.raises(Misconfigured) as caught:
            await asked
        assert caught.value.code == code
    world.pinduoduo.limit = CallLimit(0, Says.CODE)
    with pytest.raises(Throttled) as caught:
        await shop.status("1")
    assert caught.value.code == "call_limit"


async def test_a_case_is_listed_read_and_answered(shop, shop_later, world, do):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    do(order, do="ask_refund")

    [case] = [
        one for one in await all_rows(shop_later.after_sale.cases(last_hours())) if one.platform_order_id == number
    ]

    assert (case.kind, case.stage, case.needs) == (CaseKind.REFUND_ONLY, CaseStage.REQUESTED, CaseNeeds.SELLER)
    assert case.case_id.startswith(f"{number}:")
    read = await shop.after_sale.case(case.case_id)
    assert (read.kind, read.stage, read.amount) == (CaseKind.PRE_SHIP, case.stage, case.amount)
    assert read.decide_by is not None
    assert case.amount == order.totals.paid

    def report(answer, code="stopped"):
        return StopReport(
            case_id=case.case_id,
            platform_order_id=number,
            line_ids=(),
            answer=answer,
            code=code,
            at=datetime.now(UTC),
            amount=read.amount,
        )

    await shop.after_sale.answer_stop(report(StopAnswer.NOT_STOPPED, "not_yet"))
    assert (await shop.after_sale.case(case.case_id)).stage is CaseStage.REQUESTED
    await shop.after_sale.answer_stop(report(StopAnswer.STOPPED))
    assert (await shop.after_sale.case(case.case_id)).stage is CaseStage.REFUNDED
    with pytest.raises(Refused):
        await shop.after_sale.answer_stop(report(StopAnswer.STOPPED))
    assert [told.status for told in world.ledger.stops_told] == ["FAIL", "SUCCESS"]
    assert (await shop.status(number)).state is PlatformState.CLOSED


async def test_an_answer_that_is_lost_is_an_unknown_outcome(shop, shop_later, world, do):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    do(order, do="ask_refund")
    [case] = [
        one for one in await all_rows(shop_later.after_sale.cases(last_hours())) if one.platform_order_id == number
    ]
    world.pinduoduo.mood.lose_answers = 1
    report = StopReport(
        case_id=case.case_id,
        platform_order_id=number,
        line_ids=(),
        answer=StopAnswer.STOPPED,
        code="stopped",
        at=datetime.now(UTC),
    )
    with pytest.raises(UnknownOutcome):
        await shop.after_sale.answer_stop(report)
    assert (await shop.after_sale.case(case.case_id)).stage is CaseStage.REFUNDED
