"""The Douyin adapter and the sandbox's Douyin were written apart from each other; here they meet over HTTP."""

import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp import web

from adapters import registry
from adapters.after_sale import StopAnswer, StopReport
from adapters.http_client import HttpClient
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.order import read_order
from adapters.ports import Handover, Purpose, Window
from domain.after_sale import CaseStage
from domain.cases import CaseKind
from domain.errors import Conflict, Misconfigured, Refused, Throttled, UnknownOutcome
from domain.lines import is_gone
from domain.normalize import inspect
from domain.order import Address, FulfilledBy, OrderSource, Pii, PlatformState
from infra.config.secret import Secret
from infra.config.settings import HttpLimits as Limits
from infra.config.settings import Settings, Shop
from infra.process.clock import SystemClock
from sandbox.control import pull
from sandbox.server import application
from sandbox.spec import Scenes, Secrets, Spec
from sandbox.stream import plan
from sandbox.world import World

ORDERS = 150
SECRETS = Secrets(
    app_key="7000000000000000001",
    app_secret="f00dbabe-1111-2222-3333-444455556666",
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
NUMBER = "SF1400000000000"


@pytest.fixture
def spec():
    return Spec(
        seed=7,
        orders=ORDERS,
        secrets=SECRETS,
        shops=1,
        p0_share=0.2,
        scenes=Scenes(platform_line=0.05, virtual_line=0.05, line_closed=0.05),
    )


@pytest.fixture
def world(spec):
    return World(spec, plan(spec), time.time())


@pytest.fixture
async def url(world):
    runner = web.AppRunner(application(world, time.time))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def settings_of(url: str, token: str, secret: str = SECRETS.app_secret, **options: str) -> Shop:
    credentials = {"app_key": SECRETS.app_key, "app_secret": secret, "access_token": token}
    return Shop(
        name="one",
        platform="douyin",
        endpoint=f"{url}/douyin",
        credentials={name: Secret(value) for name, value in credentials.items()},
        options=options,
    )


@pytest.fixture
async def connect(url, world):
    """`connect(**options)`: the first shop of the sandbox."""
    token = world.plan.shops[0].session
    doors = []

    async def open_shop(token=token, secret=SECRETS.app_secret, **options):
        described = settings_of(url, token, secret, **options)
        door = await HttpClient(Limits(), registry.hosts(Settings(shops=(described,))), SystemClock()).open()
        doors.append(door)
        return registry.platform("douyin").connect(described, door, SystemClock())

    yield open_shop
    for door in doors:
        await door.close()


@pytest.fixture
async def shop(connect):
    return await connect(decrypt="label")


@pytest.fixture
def do(world):
    def command(**fields):
        return pull(world, msgspec.json.encode(fields), time.time())

    return command


def last_day() -> Window:
    now = datetime.now(UTC)
    return Window(now - timedelta(hours=23), now + timedelta(minutes=1))


async def all_rows(pages):
    return [row async for page in pages for row in page]


async def first_to_ship(shop, lines=1, pieces=1):
    for row in await all_rows(shop.changes(last_day())):
        order = read_order((await shop.fetch(row.platform_order_id)).body, "one")
        is_clean = order.state is PlatformState.TO_SHIP and not any(
            line.refund_open or line.refunded or line.fulfilled_by is not FulfilledBy.MERCHANT for line in order.lines
        )
        if is_clean and len(order.lines) >= lines and order.lines[0].quantity >= pieces:
            return order
    raise AssertionError("the stream has nothing to ship")


def handed_over(order, lines=None, number=NUMBER, outside=None, completes=()):
    whole = {line.line_id: line.quantity for line in order.lines}
    lines = lines or whole
    left = {line for line, count in whole.items() if lines.get(line, 0) < count}
    return Handover(
        order.key.platform_order_id,
        "sf",
        number,
        lines,
        outside=frozenset(left if outside is None else outside),
        shipped_at=order.created_at,
        completes=frozenset(completes),
    )


async def test_every_order_of_a_shop_is_listed_fetched_and_read(shop, world):
    listed = {row.platform_order_id: row for row in await all_rows(shop.changes(last_day()))}
    raws = [await shop.fetch(number) for number in listed]
    orders = [read_order(raw.body, "one") for raw in raws]

    ours = {str(tid) for tid, trade in world.book.trades.items() if trade.order.shop == world.plan.shops[0].name}
    assert listed.keys() == ours
    assert len(listed) > 50
    assert [order.key.platform_order_id for order in orders] == [raw.platform_order_id for raw in raws]
    assert [listed[order.key.platform_order_id].state for order in orders] == [order.state for order in orders]
    assert [(order.key, finding) for order in orders for finding in inspect(order)] == []
    assert {order.state for order in orders} >= {
        PlatformState.TO_SHIP,
        PlatformState.UNPAID,
        PlatformState.CLOSED,
        PlatformState.HOLD,
    }
    assert any(order.balance_open for order in orders)
    assert any(line.refund_open for order in orders for line in order.lines)
    assert {line.fulfilled_by for order in orders for line in order.lines} == {
        FulfilledBy.MERCHANT,
        FulfilledBy.PLATFORM,
        FulfilledBy.NOBODY,
    }
    assert {raw.lane_facts.source for raw in raws} == {OrderSource.LIVE, OrderSource.SHELF}
    assert all(order.receiver.merge_token and order.receiver.pii is Pii.MASKED for order in orders)
    assert all(order.lines[0].line_id == order.key.platform_order_id for order in orders)
    owed = [order for order in orders if order.state is PlatformState.TO_SHIP and not all(map(is_gone, order.lines))]
    assert owed
    assert all(order.ship_by for order in owed)


async def test_a_receiver_is_decrypted_where_the_shop_allows_it(shop, connect, do):
    order = await first_to_ship(shop)
    number, token = order.key.platform_order_id, order.receiver.merge_token

    found = (await shop.reveal({number: token}, Purpose.LABEL))[number]

    assert isinstance(found, Address)
    assert (found.merge_token, found.pii, found.has_virtual_phone) == (token, Pii.PLAIN, False)
    assert "*" not in found.name + found.phone + found.detail
    assert found.city == order.receiver.city
    closed = await connect()
    for refusing, purpose in ((shop, Purpose.NOTICE), (closed, Purpose.LABEL)):
        refused = (await refusing.reveal({number: token}, purpose))[number]
        assert (type(refused), refused.code) == (Refused, "decryption_off")

    do(do="change_order", tid=number, receiver={"name": "新收件人", "mobile": "13900000009", "detail": "新路9号"})
    stale = (await shop.reveal({number: token}, Purpose.LABEL))[number]
    assert (type(stale), stale.code) == (Conflict, "receiver_token_stale")


async def test_a_whole_order_is_told_once_and_shown(shop, world):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id

    await shop.write_back(handed_over(order))

    status = await shop.status(number)
    assert (status.state, status.refund_open) == (PlatformState.SHIPPED, False)
    assert [(one.courier_code, one.waybill) for one in status.shipments] == [("shunfeng", NUMBER)]
    assert set(status.shipments[0].line_ids) == {line.line_id for line in order.lines}
    with pytest.raises(Conflict) as caught:
        await shop.write_back(handed_over(order))
    assert caught.value.code == "already_shipped"
    assert [told.number for told in world.ledger.write_backs] == [NUMBER]


async def test_pieces_of_one_line_go_in_two_packages_and_a_repetition_ships_nothing(shop, world):
    order = await first_to_ship(shop, pieces=2)
    first = order.lines[0]
    rest = {line.line_id: line.quantity for line in order.lines[1:]}
    one = handed_over(order, {first.line_id: 1, **rest})

    await shop.write_back(one)
    await shop.write_back(one)

    status = await shop.status(one.platform_order_id)
    assert status.state is PlatformState.PART_SHIPPED
    read = read_order((await shop.fetch(one.platform_order_id)).body, "one")
    assert (read.lines[0].shipped, read.lines[0].waybill) == (1, NUMBER)
    assert len(world.ledger.write_backs) == 1

    other = "SF1400000007919"
    left = {first.line_id: first.quantity - 1}
    await shop.write_back(handed_over(order, left, other, outside=[first.line_id, *rest], completes=[first.line_id]))
    status = await shop.status(one.platform_order_id)
    assert status.state is PlatformState.SHIPPED
    assert {shipment.waybill for shipment in status.shipments} == {NUMBER, other}


async def test_refusals_of_one_order_say_why(shop, do):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    with pytest.raises(Refused) as caught:
        await shop.write_back(handed_over(order, number="not a number"))
    assert caught.value.code == "waybill_rejected"
    do(do="ask_refund", tid=number)
    with pytest.raises(Refused) as caught:
        await shop.write_back(handed_over(order))
    assert caught.value.code == "refund_open"
    assert (await shop.status(number)).refund_open
    do(do="pay_refund", tid=number)
    with pytest.raises(Conflict) as caught:
        await shop.write_back(handed_over(order))
    assert caught.value.code == "order_closed"
    assert (await shop.status(number)).state is PlatformState.CLOSED
    with pytest.raises(Refused) as caught:
        await shop.fetch("1")
    assert caught.value.code == "order_not_found"


async def test_an_order_that_can_never_be_read_stops_no_other(shop, do):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    for how, fault in (("torn", "answer_unreadable"), ("argument", "")):
        do(do="spoil_order", tid=number, how=how)
        if fault:
            assert (await shop.fetch(number)).fault == fault
        else:
            with pytest.raises(Refused) as caught:
                await shop.fetch(number)
            assert caught.value.code == "order_not_found"
    rows = await all_rows(shop.changes(last_day()))
    other = next(row.platform_order_id for row in rows if row.platform_order_id != number)
    assert not (await shop.fetch(other)).fault


async def test_what_concerns_the_account_is_said_of_the_account(shop, connect, do, world):
    wrong = await connect(secret="other")
    for asked, code in (
        (wrong.status("1"), "signature_invalid"),
        ((await connect(token="nobody's")).status("1"), "session_expired"),
    ):
        with pytest.raises(Misconfigured) as caught:
            await asked
        assert caught.value.code == code
    do(do="limit_calls", who="douyin", calls=0, says="code")
    with pytest.raises(Throttled) as caught:
        await shop.status("1")
    assert caught.value.code == "call_limit"
    do(do="lift_limit", who="douyin")
    do(do="lock_out", who=world.plan.shops[0].name)
    with pytest.raises(Misconfigured):
        await shop.status("1")


async def test_the_older_signature_is_accepted_too(connect):
    shop = await connect(sign_method="md5")
    assert await all_rows(shop.changes(last_day()))


async def test_more_orders_than_a_page_in_one_second_and_after_it_are_all_listed(shop, world, monkeypatch):
    """All of one second are read by number, the others on from the last second."""
    monkeypatch.setattr(describe, "PAGE_SIZE", 10)
    now = int(time.time())
    name = world.plan.shops[0].name
    world.advance(now)
    mine = [trade for trade in world.book.trades.values() if trade.order.shop == name]
    for trade in mine[:35]:
        world.book.touch(trade, now + 1)
    rows = await all_rows(shop.changes(Window(last_day().start, datetime.fromtimestamp(now + 5, UTC))))
    assert {row.platform_order_id for row in rows} == {str(trade.order.tid) for trade in mine}


async def test_a_case_is_listed_read_and_answered(shop, world, do):
    order = await first_to_ship(shop)
    number = order.key.platform_order_id
    do(do="ask_refund", tid=number)

    [case] = [one for one in await all_rows(shop.after_sale.cases(last_day())) if one.platform_order_id == number][:1]

    assert (case.kind, case.stage) == (CaseKind.PRE_SHIP, CaseStage.REQUESTED)
    assert case.line_ids[0] in {line.line_id for line in order.lines}
    read = await shop.after_sale.case(case.case_id)
    assert (read.line_ids, read.kind, read.stage, read.amount) == (
        case.line_ids,
        case.kind,
        case.stage,
        case.amount,
    )
    assert read.decide_by == case.decide_by is not None

    def report(answer):
        return StopReport(
            case_id=case.case_id,
            platform_order_id=number,
            line_ids=case.line_ids,
            answer=answer,
            code="stopped",
            at=datetime.now(UTC),
        )

    with pytest.raises(Refused) as caught:
        await shop.after_sale.answer_stop(report(StopAnswer.NOT_STOPPED))
    assert caught.value.code == "answer_not_possible"
    assert world.ledger.stops_told == []
    await shop.after_sale.answer_stop(report(StopAnswer.STOPPED))
    assert (await shop.after_sale.case(case.case_id)).stage is CaseStage.REFUNDED
    # Paid back already: nothing is left to say, and nothing is told twice.
    await shop.after_sale.answer_stop(report(StopAnswer.STOPPED))
    assert [told.status for told in world.ledger.stops_told] == ["SUCCESS"]


async def test_an_answer_that_is_lost_is_an_unknown_outcome(shop, do):
    order = await first_to_ship(shop)
    do(do="ask_refund", tid=order.key.platform_order_id)
    cases = [one for one in await all_rows(shop.after_sale.cases(last_day())) if not one.is_final]
    case = next(one for one in cases if one.platform_order_id == order.key.platform_order_id)
    do(do="set_answers", lose=1)
    with pytest.raises(UnknownOutcome):
        await shop.after_sale.answer_stop(
            StopReport(
                case_id=case.case_id,
                platform_order_id=case.platform_order_id,
                line_ids=case.line_ids,
                answer=StopAnswer.STOPPED,
                code="stopped",
                at=datetime.now(UTC),
            )
        )
    assert (await shop.after_sale.case(case.case_id)).stage is CaseStage.REFUNDED
