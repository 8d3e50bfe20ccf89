"""The seeded order stream: the same spec always gives the same plan.

`plan` can be called before the server starts, so that shops, sessions, locations and stock are known
to whoever configures the engine.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from sandbox import olist
from sandbox.amounts import spread
from sandbox.model import Expected, Member, Plan, PlannedLine, PlannedOrder, Region, Ships, Shop, Sku, Stocked, demand
from sandbox.places import BRAZILIAN_LOCATIONS, CHINESE_LOCATIONS, CHINESE_PLACES, place_of
from sandbox.scenery import with_scenes
from sandbox.spec import Dirt, Location, Spec, Surge

_BURST_MEAN = 6
_PAST_S = 3600.0
_SKUS_MIN, _SKUS_MAX, _ORDERS_PER_SKU = 40, 2000, 20
_HOT = 1.1
_LINE_COUNTS, _LINE_WEIGHTS = (1, 2, 3, 4, 5), (70, 20, 7, 2, 1)
_PIECES, _PIECE_WEIGHTS = (1, 2, 3, 6), (80, 14, 4, 2)
_MEMBERS, _MEMBER_WEIGHTS = (Member.NONE, Member.VIP, Member.PLUS), (75, 15, 10)
_LIVE_SHARE, _SETTLED_PRESALE_SHARE = 0.15, 0.01
_GOODS = ("纯棉T恤", "保温杯", "蓝牙耳机", "无线鼠标", "坚果礼盒", "儿童雨衣", "瑜伽垫", "机械键盘", "护手霜")
_VARIANTS = ("颜色:黑色;尺码:M", "颜色:白色;尺码:L", "颜色:墨绿;尺码:XL", "规格:500ml", "规格:家庭装")


def plan(spec: Spec) -> Plan:
    """The shops, locations, catalogue with initial stock, and orders of one run.

    Raises Misconfigured when the file to replay cannot be read.
    """
    source = _replayed(spec) if spec.csv is not None else _generated(spec)
    draw = random.Random(f"{spec.seed}/arrival")
    offsets = arrivals(draw, len(source.orders), spec.arrival.per_second, spec.arrival.surge)
    orders = tuple(replace(order, offset_s=offset) for order, offset in zip(source.orders, offsets, strict=True))
    draw = random.Random(f"{spec.seed}/stock")
    return Plan(source.shops, source.locations, stock(draw, orders, source.locations, spec.dirt), orders)


def arrivals(draw: random.Random, count: int, per_second: float, surge: Surge | None = None) -> list[float]:
    """Ascending offsets in seconds, in bursts that share one instant; with no pace all lie in the past."""
    pace = per_second or count / _PAST_S
    offsets: list[float] = []
    at = 0.0
    while len(offsets) < count:
        burst = draw.randint(1, 2 * _BURST_MEAN - 1)
        offsets.extend([round(at, 3)] * min(burst, count - len(offsets)))
        times = surge.times if surge and surge.from_s <= at < surge.from_s + surge.for_s else 1.0
        at += draw.expovariate(pace * times / _BURST_MEAN)
    if per_second or not offsets:
        return offsets
    span = offsets[-1] + 1.0
    return [offset - span for offset in offsets]


def stock(
    draw: random.Random, orders: Sequence[PlannedOrder], locations: Sequence[Location], dirt: Dirt
) -> tuple[Stocked, ...]:
    """Enough of every SKU at every location, except a few SKUs that lack pieces in all.

    The SKUs with too few lie at the first location only, so that a shortage is a shortage and never a
    matter of splitting an order. Those of split orders lie where their shares say.
    """
    wanted = demand(orders)
    skus = {line.sku.code: line.sku for order in orders for line in order.lines if line.ships is not Ships.NOBODY}
    open_orders = sum(1 for order in orders if order.expected is not Expected.CLOSED)
    usual = {code: pieces for code, pieces in wanted.items() if not skus[code].shares}
    missing = _missing(draw, usual, round(open_orders * dirt.short_stock))
    catalogue = []
    for code, sku in sorted(skus.items()):
        pieces = wanted[code]
        if sku.shares:
            levels = _shared(pieces, sku.shares, locations)
        elif code in missing:
            levels = {place.name: 0 for place in locations} | {locations[0].name: pieces - missing[code]}
        else:
            levels = {place.name: pieces + pieces // 10 + 2 for place in locations}
        catalogue.append(Stocked(sku, levels))
    return tuple(catalogue)


def _shared(pieces: int, shares: Sequence[int], locations: Sequence[Location]) -> dict[str, int]:
    """Exactly the pieces that are wanted, in these proportions; a location without a share has none."""
    divided = spread(pieces, list(shares))
    return {place.name: 0 for place in locations} | {
        place.name: part for place, part in zip(locations, divided, strict=False)
    }


def _missing(draw: random.Random, wanted: dict[str, int], pieces: int) -> dict[str, int]:
    """Which SKUs lack how many pieces, up to `pieces` in all and half of each demand."""
    codes = sorted(wanted)
    draw.shuffle(codes)
    missing: dict[str, int] = {}
    for code in codes:
        take = min((wanted[code] + 1) // 2, pieces)
        if take <= 0:
            break
        missing[code] = take
        pieces -= take
    return missing


def number(key: str) -> int:
    """A stable trade number of 18 or 19 digits for a text."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return 10**17 + int.from_bytes(digest) % (9 * 10**18 - 10**17)


def _replayed(spec: Spec) -> Plan:
    assert spec.csv is not None
    locations = spec.locations or BRAZILIAN_LOCATIONS
    orders = list(olist.read(Path(spec.csv), spec.orders))
    names = dict.fromkeys(order.shop for order in orders)
    shops = tuple(Shop(name, spec.secrets.session_of(name)) for name in names)
    cities = {location.city for location in locations}
    draw = random.Random(f"{spec.seed}/marks")
    local = sum(1 for order in orders if order.place.city in cities)
    local_share = min(1.0, spec.p0_share * len(orders) / local) if local else 0.0
    marked = tuple(_marked(draw, order, local_share if order.place.city in cities else 0.0) for order in orders)
    return Plan(shops, locations, (), marked)


def _marked(draw: random.Random, order: PlannedOrder, p0_share: float) -> PlannedOrder:
    """The file knows no memberships and no live streams: give that share of orders both."""
    if draw.random() < p0_share:
        return replace(order, is_live=True, member=Member.PLUS)
    return replace(order, member=draw.choice((Member.NONE, Member.NONE, Member.VIP)))


def _generated(spec: Spec) -> Plan:
    locations = spec.locations or CHINESE_LOCATIONS
    shops = tuple(_shop(spec, place) for place in range(spec.shops))
    skus = _skus(spec)
    orders = list(_orders(spec, shops, skus, [place_of(location) for location in locations]))
    orders = with_scenes(random.Random(f"{spec.seed}/scenes"), orders, spec.scenes, skus, len(locations))
    random.Random(f"{spec.seed}/order").shuffle(orders)
    return Plan(shops, locations, (), tuple(orders))


def _shop(spec: Spec, place: int) -> Shop:
    name = f"shop-{place + 1}"
    return Shop(name, spec.secrets.session_of(name))


def _skus(spec: Spec) -> list[Sku]:
    draw = random.Random(f"{spec.seed}/catalogue")
    count = min(_SKUS_MAX, max(_SKUS_MIN, spec.orders // _ORDERS_PER_SKU))
    return [
        Sku(
            code=f"SKU-{place:05d}",
            product_id=600_000_000_000 + place // 3,
            sku_id=4_900_000_000_000 + place,
            title=f"{draw.choice(_GOODS)} {place:05d}",
            variant=draw.choice(_VARIANTS),
            price=draw.choice((990, 1990, 2980, 4900, 6999, 12900, 29900, 89905)) + draw.randrange(0, 100),
        )
        for place in range(count)
    ]


def _fates(dirt: Dirt, count: int) -> Iterator[Expected]:
    """What is to become of each order: exact counts, the extra ones at the end."""
    taken = 0
    for fate, share in (
        (Expected.PRESALE_OPEN, dirt.presale_open),
        (Expected.REFUND, dirt.refund_asked),
        (Expected.VAGUE_ADDRESS, dirt.vague_address),
    ):
        share_count = min(round(count * share), count - taken)
        taken += share_count
        yield from (fate for _ in range(share_count))
    yield from (Expected.SHIP for _ in range(count - taken))
    yield from (Expected.UNPAID for _ in range(round(count * dirt.unpaid)))
    yield from (Expected.CLOSED for _ in range(round(count * dirt.closed)))


def _orders(
    spec: Spec, shops: Sequence[Shop], skus: Sequence[Sku], own_places: Sequence[Region]
) -> Iterator[PlannedOrder]:
    draw = random.Random(f"{spec.seed}/orders")
    weights = list(accumulate(1 / rank**_HOT for rank in range(1, len(skus) + 1)))
    buyers = max(1, spec.orders * 4 // 5)
    own_cities = {place.city for place in own_places}
    for index, fate in enumerate(_fates(spec.dirt, spec.orders)):
        tid = number(f"{spec.seed}/{index}")
        is_p0 = draw.random() < spec.p0_share
        place = draw.choice(own_places if is_p0 else CHINESE_PLACES)
        member = Member.PLUS if is_p0 else draw.choices(_MEMBERS, _MEMBER_WEIGHTS)[0]
        is_nearly_p0 = member is Member.PLUS and place.city in own_cities
        yield PlannedOrder(
            tid=tid,
            group=str(tid),
            shop=draw.choice(shops).name,
            expected=fate,
            offset_s=0.0,
            lines=_lines(draw, skus, weights),
            freight=draw.choice((0, 0, 0, 600, 1000)),
            seed=draw.getrandbits(48),
            buyer=spec.seed * 1_000_003 + draw.randrange(buyers),
            place=place,
            is_live=is_p0 or (draw.random() < _LIVE_SHARE and not is_nearly_p0),
            member=member,
            is_presale=fate is Expected.PRESALE_OPEN
            or (fate is Expected.SHIP and draw.random() < _SETTLED_PRESALE_SHARE),
        )


def _lines(draw: random.Random, skus: Sequence[Sku], weights: Sequence[float]) -> tuple[PlannedLine, ...]:
    count = draw.choices(_LINE_COUNTS, _LINE_WEIGHTS)[0]
    chosen = dict.fromkeys(draw.choices(range(len(skus)), cum_weights=weights, k=count))
    return tuple(
        PlannedLine(skus[place], draw.choices(_PIECES, _PIECE_WEIGHTS)[0], skus[place].price) for place in chosen
    )
