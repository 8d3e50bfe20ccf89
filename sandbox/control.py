"""The small set of levers for tests and drills: ``POST /_control`` with one JSON object, named by ``do``.

| do | fields | effect |
|---|---|---|
| add_order | see `AddOrder` | one that must ship is visible; answers its tid |
| set_latency | taobao_ms, douyin_ms, sf_ms, warehouse_ms | from the next call on |
| ask_refund, withdraw_refund | tid, lines | the buyer wants money back, or not any more, for some lines or for all |
| refuse_refund, pay_refund | tid, lines | the seller answers what was asked; a line that is paid back is closed |
| close_lines | tid, lines | the platform closes lines that have not been shipped |
| close_order | tid | the platform closes an order that has not been shipped, its money goes back |
| ship_by_hand | tid, lines, number | somebody ships lines on the platform, with another account's waybill |
| change_case | tid, lines, shows | the platform shows other fields of the refund case |
| set_answers | lose, drop, refuse | so many next answers about goods are lost, or never carried out, or refused |
| change_order | see `ChangeOrder` | the buyer's message, the seller's memo and flag, the address, hold marks |
| cancel_waybill | number | the courier cancels it |
| refuse_receiver | mobile | the courier takes nothing for this number, and quotes the receiver in its refusal |
| set_courier | see `SetCourier` | what the courier can and does |
| set_warehouse | location, floor, lose_answers, drop_calls | how a warehouse behaves from now on; see `SetWarehouse` |
| collect | numbers | the courier takes parcels along that people give it |
| set_fate | number, fate | what becomes of a parcel: delivered, locker, returned, nowhere |
| limit_calls | who, calls, says, retry_after_s | so many calls more, then refusals; see `sandbox.limit` |
| lift_limit | who | no limit any more |
| lock_out | who, is_out | the credentials of the courier, or of a shop, have expired or are valid again |
| set_firewall | marks | a firewall before the courier answers 403 to what contains one of these texts |
| spoil_order | tid, how | the platform cannot be asked for this trade any more; see `sandbox.poison` |
| spoil_trade, spoil_scans, spoil_stock | see `sandbox.spoil` | answers in which somebody else's mistake stands |
| plant_waybill | reference | harm: a second living waybill for a reference; answers its number |
"""

from typing import Literal

import msgspec

from domain.errors import Refused
from sandbox.changes import Change, Receiver, change
from sandbox.douyin import Douyin
from sandbox.limit import CallLimit, Says
from sandbox.model import Expected, Member, PlannedLine, PlannedOrder, Ships
from sandbox.parcels import Intercepts
from sandbox.places import CHINESE_PLACES, place_of
from sandbox.poison import Spoilt
from sandbox.refunds import CaseMood
from sandbox.sf import Courier
from sandbox.spec import Floor, Latency
from sandbox.spoil import Spoil, SpoilScans, SpoilStock, SpoilTrade, spoil
from sandbox.stream import number
from sandbox.taobao import Platform
from sandbox.world import World


class AddedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ships`: who ships it. `is_closed`: closed before the buyer paid."""

    sku: str
    quantity: int = 1
    ships: Ships = Ships.MERCHANT
    is_closed: bool = False


class AddOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="add_order"):
    """`is_local`: the receiver lives in the first location's city. `receiver` and `message` are drawn if absent.

    `changed_ago_s`: the platform writes it late, with a time of change that is so old. `padding_bytes`: what its
    attributes weigh besides.
    """

    shop: str
    lines: tuple[AddedLine, ...]
    live: bool = False
    vip: Member = Member.NONE
    is_local: bool = False
    receiver: Receiver | None = None
    message: str | None = None
    changed_ago_s: float = 0.0
    padding_bytes: int = 0


class SetLatency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set_latency"):
    taobao_ms: float = 0.0
    douyin_ms: float = 0.0
    sf_ms: float = 0.0
    warehouse_ms: float = 0.0


class CancelWaybill(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="cancel_waybill"):
    number: str


class RefuseReceiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="refuse_receiver"):
    mobile: str


class SetCourier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set_courier"):
    """A courier that knows no references books again whenever it is asked.

    `gives_always`: a number that it answers for every shipment, whatever it has booked. `look_up_lag_s`: so
    long a look-up does not show what was booked. `can_track`: the partner may ask for routes. `is_nasty`: routes come
    twice, in disorder and with unknown codes. `shows_late_s`: a route is shown so late.

    `can_intercept`: the partner may intercept. `intercepts`: what becomes of interceptions that are taken from now on.
    `lose_answers`, `drop_calls`: so many next interceptions are carried out, or not, and never answered.
    `voids_collected`: it cancels what it has collected, and carries it all the same.
    """

    can_find: bool = True
    knows_references: bool = True
    gives_always: str = ""
    look_up_lag_s: float = 0.0
    can_track: bool = True
    is_nasty: bool = False
    shows_late_s: float = 0.0
    can_intercept: bool = True
    intercepts: Intercepts = Intercepts.WORKS
    lose_answers: int = 0
    drop_calls: int = 0
    voids_collected: bool = False


class SetFate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set_fate"):
    number: str
    fate: Literal["delivered", "locker", "returned", "nowhere"]


class SetWarehouse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set_warehouse"):
    """`floor`: the whole of `sandbox.spec.Floor`; as it was without it.

    `lose_answers`, `drop_calls`: so many next calls about documents are carried out, or not, and never answered.
    """

    location: str
    floor: Floor | None = None
    lose_answers: int = 0
    drop_calls: int = 0


class Collect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="collect"):
    """A number that the courier never gave, or has cancelled, is refused; nothing is collected then."""

    numbers: tuple[str, ...]


class PlantWaybill(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="plant_waybill"):
    reference: str


class LimitCalls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="limit_calls"):
    """The courier speaks of no quota of the day."""

    who: Literal["taobao", "douyin", "sf"]
    calls: int
    says: Says
    retry_after_s: int | None = None


class LiftLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="lift_limit"):
    who: Literal["taobao", "douyin", "sf"]


class LockOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="lock_out"):
    """`who`: ``sf``, or the name of a shop."""

    who: str
    is_out: bool = True


class SetFirewall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set_firewall"):
    marks: tuple[str, ...] = ()


class SpoilOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="spoil_order"):
    tid: str
    how: Spoilt


class SetAnswers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="set_answers"):
    """Of the next answers about the goods of a refund case."""

    lose: int = 0
    drop: int = 0
    refuse: int = 0


Mood = (
    SetAnswers
    | SetLatency
    | RefuseReceiver
    | SetCourier
    | SetFate
    | SetWarehouse
    | LimitCalls
    | LiftLimit
    | LockOut
    | SetFirewall
    | SpoilOrder
)
Command = AddOrder | CancelWaybill | Collect | PlantWaybill | Mood | Spoil | Change


def pull(world: World, body: bytes, now: float) -> dict[str, str]:
    """Carry out one command. Raises Refused when it cannot be read or names something unknown."""
    try:
        command = msgspec.json.decode(body, type=Command)
    except msgspec.DecodeError as error:
        raise Refused("control_invalid", str(error)) from None
    world.advance(now)
    match command:
        case AddOrder():
            return {"tid": _add_order(world, command, now)}
        case PlantWaybill():
            return {"number": _plant_waybill(world, command.reference, now)}
        case CancelWaybill():
            _cancel_waybill(world, command.number)
        case Collect():
            _collect(world, command.numbers, now)
        case SpoilTrade() | SpoilScans() | SpoilStock():
            spoil(world, command, now)
        case _ if isinstance(command, Mood):
            _set_mood(world, command)
        case _:
            change(world, command, now)
    return {}


def _set_mood(world: World, command: Mood) -> None:
    """How platform and courier answer calls from now on."""
    match command:
        case SetLatency():
            world.latency = Latency(
                taobao_ms=command.taobao_ms,
                douyin_ms=command.douyin_ms,
                sf_ms=command.sf_ms,
                warehouse_ms=command.warehouse_ms,
            )
        case RefuseReceiver():
            world.courier.unwelcome.add(command.mobile)
        case SetCourier():
            _set_courier(world, command)
        case SetWarehouse():
            _set_warehouse(world, command)
        case SetFate():
            world.courier.parcels.fates[command.number] = command.fate
        case LimitCalls() | LiftLimit():
            _limited(world, command.who).limit = _limit(command)
        case LockOut():
            _lock(world, command.who, is_out=command.is_out)
        case SetFirewall():
            world.courier.firewall.marks = frozenset(command.marks)
        case SetAnswers() | SpoilOrder():
            _set_platform(world, command)


def _set_platform(world: World, asked: SetAnswers | SpoilOrder) -> None:
    if isinstance(asked, SpoilOrder):
        world.platform.spoilt[asked.tid] = asked.how
    else:
        for desk in (world.platform.desk, world.douyin.desk):
            desk.mood = CaseMood(asked.lose, asked.drop, asked.refuse)


def _set_courier(world: World, asked: SetCourier) -> None:
    world.courier.can_find = asked.can_find
    world.courier.knows_references = asked.knows_references
    world.courier.gives_always = asked.gives_always
    world.courier.look_up_lag_s = asked.look_up_lag_s
    world.courier.can_track = asked.can_track
    world.courier.parcels.is_nasty = asked.is_nasty
    world.courier.parcels.shows_late_s = asked.shows_late_s
    world.courier.can_intercept = asked.can_intercept
    world.courier.parcels.intercepts = asked.intercepts
    world.courier.lose_answers = asked.lose_answers
    world.courier.drop_calls = asked.drop_calls
    world.courier.voids_collected = asked.voids_collected


def _set_warehouse(world: World, asked: SetWarehouse) -> None:
    works = world.warehouses.works.get(asked.location)
    if works is None:
        raise Refused("control_invalid", "no such location")
    works.floor = asked.floor or works.floor
    world.warehouses.lose_answers[asked.location] = asked.lose_answers
    world.warehouses.drop_calls[asked.location] = asked.drop_calls


def _limited(world: World, who: str) -> Platform | Douyin | Courier:
    if who == "douyin":
        return world.douyin
    return world.platform if who == "taobao" else world.courier


def _limit(asked: LimitCalls | LiftLimit) -> CallLimit | None:
    if isinstance(asked, LiftLimit):
        return None
    if asked.who == "sf" and asked.says is Says.DAY:
        raise Refused("control_invalid", "the courier has no quota of the day")
    return CallLimit(asked.calls, asked.says, asked.retry_after_s)


def _lock(world: World, who: str, *, is_out: bool) -> None:
    if who == "sf":
        world.courier.is_locked_out = is_out
    elif who not in {shop.name for shop in world.plan.shops}:
        raise Refused("control_invalid", "no such shop")
    elif is_out:
        world.platform.locked_out.add(who)
    else:
        world.platform.locked_out.discard(who)


def _add_order(world: World, asked: AddOrder, now: float) -> str:
    skus = {entry.sku.code: entry.sku for entry in world.plan.catalogue}
    unknown = [line.sku for line in asked.lines if line.sku not in skus]
    if unknown or not asked.lines or asked.shop not in {shop.name for shop in world.plan.shops}:
        raise Refused("control_invalid", "shop or sku unknown, or no lines")
    index = len(world.book.trades)
    tid = number(f"{world.spec.seed}/added/{index}")
    order = PlannedOrder(
        tid=tid,
        group=str(tid),
        shop=asked.shop,
        expected=Expected.SHIP,
        offset_s=0.0,
        lines=tuple(
            PlannedLine(skus[line.sku], line.quantity, skus[line.sku].price, line.ships, line.is_closed)
            for line in asked.lines
        ),
        freight=0,
        seed=tid,
        buyer=tid,
        place=place_of(world.plan.locations[0]) if asked.is_local else CHINESE_PLACES[index % len(CHINESE_PLACES)],
        is_live=asked.live,
        member=asked.vip,
        person=asked.receiver.person() if asked.receiver else None,
        message=asked.message,
        padding=asked.padding_bytes,
    )
    return str(world.book.add(order, now - asked.changed_ago_s).order.tid)


def _cancel_waybill(world: World, number_: str) -> None:
    waybill = world.waybills.by_number.get(number_)
    if waybill is None:
        raise Refused("control_invalid", "no such waybill")
    waybill.is_alive = False


def _collect(world: World, numbers: tuple[str, ...], now: float) -> None:
    waybills = [world.waybills.by_number.get(each) for each in numbers]
    if not all(waybill is not None and waybill.is_alive for waybill in waybills):
        raise Refused("control_invalid", "no such living waybill")
    for waybill in waybills:
        if waybill is not None and not waybill.is_collected:
            waybill.collect(now)


def _plant_waybill(world: World, reference: str, now: float) -> str:
    found = world.waybills.of_reference(reference)
    if not found:
        raise Refused("control_invalid", "no such reference")
    return world.waybills.book(found[0].booking, now).number
