"""The vocabulary of a stream: shops, SKUs, places and planned orders. Amounts are fen (cents of CNY)."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sandbox.spec import Location


class Expected(StrEnum):
    """What must happen to an order; only `SHIP` may ever be shipped without a person's decision."""

    SHIP = "ship"
    PRESALE_OPEN = "presale_open"
    REFUND = "refund"
    VAGUE_ADDRESS = "vague_address"
    UNPAID = "unpaid"
    CLOSED = "closed"
    NOT_OURS = "not_ours"
    UNDIVIDABLE = "undividable"


class Ships(StrEnum):
    """Who ships a line: the merchant, the platform's own warehouse, or nobody (a virtual good)."""

    MERCHANT = "merchant"
    PLATFORM = "platform"
    NOBODY = "nobody"


class Scene(StrEnum):
    """What happens to one line of an order, or to all of them, after the order was first read whole."""

    REFUND_WITHDRAWN = "refund_withdrawn"
    REFUND_PAID = "refund_paid"
    REFUND_ALL = "refund_all"
    SHIPPED_BY_HAND = "shipped_by_hand"
    PLATFORM_SHIPS = "platform_ships"
    DELIVERED = "delivered"


class Member(StrEnum):
    """Membership of the buyer, as written into `trade_attr`."""

    NONE = ""
    VIP = "vip"
    PLUS = "plus"


@dataclass(frozen=True, slots=True)
class Shop:
    """One seller account and its TOP session."""

    name: str
    session: str

    def __repr__(self) -> str:
        return f"Shop({self.name!r})"


@dataclass(frozen=True, slots=True)
class Sku:
    """A sellable variant; `code` is the merchant's own (`outer_sku_id`).

    `shares`: how its pieces lie at the locations, in proportion and in their order; empty for enough at each of them.
    """

    code: str
    product_id: int
    sku_id: int
    title: str
    variant: str
    price: int
    shares: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stocked:
    """A SKU and the pieces counted at each location, by location name."""

    sku: Sku
    levels: dict[str, int]

    @property
    def pieces(self) -> int:
        return sum(self.levels.values())


@dataclass(frozen=True, slots=True)
class Region:
    """Where a receiver lives. `city` is empty where the district hangs directly under the province."""

    country: str
    province: str
    city: str
    district: str
    zip_code: str


@dataclass(frozen=True, slots=True)
class Person:
    """A receiver in the clear, or masked the way the platform shows it."""

    name: str
    mobile: str
    town: str
    detail: str

    def __repr__(self) -> str:
        return "Person(***)"


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """`price` is a piece's price, before any discount. `is_closed`: closed before the buyer paid, in no sum."""

    sku: Sku
    quantity: int
    price: int
    ships: Ships = Ships.MERCHANT
    is_closed: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether the merchant is to ship it."""
        return self.ships is Ships.MERCHANT and not self.is_closed


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One platform order of the stream.

    `group`: the source order it is a part of (itself, when generated).
    `offset_s`: when it becomes visible, relative to the opening of the sandbox.
    `seed`: decides all decoration (texts, discounts, payment time); `buyer` decides the person.
    `person` and `message`: the receiver and the buyer's message, where they are given and not drawn. `padding`: bytes
    that its attributes weigh besides. `scene`: what happens to it on the way, to its line number `scene_line`.
    """

    tid: int
    group: str
    shop: str
    expected: Expected
    offset_s: float
    lines: tuple[PlannedLine, ...]
    freight: int
    seed: int
    buyer: int
    place: Region
    is_live: bool = False
    member: Member = Member.NONE
    is_presale: bool = False
    is_plain: bool = False
    """Prices exactly as given: no promotions, no discounts."""
    person: Person | None = None
    message: str | None = None
    padding: int = 0
    scene: Scene | None = None
    scene_line: int = 0

    def line_ids(self) -> tuple[int, ...]:
        """TOP's `oid` of each line; a trade of one line shares its `tid` with it."""
        if len(self.lines) == 1:
            return (self.tid,)
        return tuple(self.tid + place for place in range(1, len(self.lines) + 1))


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole stream before it runs: orders ascend by `offset_s`."""

    shops: tuple[Shop, ...]
    locations: tuple[Location, ...]
    catalogue: tuple[Stocked, ...]
    orders: tuple[PlannedOrder, ...]


def demand(orders: Iterable[PlannedOrder]) -> Counter[str]:
    """Pieces of each SKU code that open orders ask the merchant for; a closed one asks for nothing."""
    wanted: Counter[str] = Counter()
    for order in orders:
        if order.expected is not Expected.CLOSED:
            for line in order.lines:
                if line.is_ours:
                    wanted[line.sku.code] += line.quantity
    return wanted
