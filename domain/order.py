"""The canonical order: what every platform's payload becomes, and all that the rules may look at."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from domain.money import Money

OrderId = NewType("OrderId", int)
FulfillmentOrderId = NewType("FulfillmentOrderId", int)
PackageId = NewType("PackageId", int)
RawPayloadId = NewType("RawPayloadId", int)
NoticeId = NewType("NoticeId", int)


class Lane(StrEnum):
    """How urgent: `p0` overtakes everything, `bulk` waits for the rest but never starves."""

    P0 = "p0"
    P1 = "p1"
    BULK = "bulk"


class PlatformState(StrEnum):
    """What a platform says of its order; a proposal, never our own state."""

    UNPAID = "unpaid"
    HOLD = "hold"
    TO_SHIP = "to_ship"
    PART_SHIPPED = "part_shipped"
    SHIPPED = "shipped"
    DONE = "done"
    CLOSED = "closed"


class FulfilledBy(StrEnum):
    """Who ships a line, or an order: the merchant (we), the platform's warehouse, nobody (nothing to ship: a virtual
    good, a ticket, a service), a courier who has it already, or the buyer collects it (`pickup`).

    `unknown` where the platform does not say: it holds the order.
    """

    MERCHANT = "merchant"
    PLATFORM = "platform"
    PICKUP = "pickup"
    NOBODY = "nobody"
    COURIER = "courier"
    UNKNOWN = "unknown"


class OrderType(StrEnum):
    NORMAL = "normal"
    PRESALE = "presale"
    COD = "cod"


class MemberLevel(StrEnum):
    NONE = "none"
    VIP = "vip"
    PLUS = "plus"


class OrderSource(StrEnum):
    """Where the buyer ordered."""

    SHELF = "shelf"
    LIVE = "live"
    GROUP = "group"


class Pii(StrEnum):
    """In what form the receiver's personal data came."""

    PLAIN = "plain"
    MASKED = "masked"
    CIPHER = "cipher"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class OrderKey:
    """Identity of an order: a platform's order id is unique only inside its shop."""

    platform: str
    shop: str
    platform_order_id: str

    @property
    def account(self) -> str:
        """The shop over all platforms, as settings, gates and due work name it."""
        return f"{self.platform}/{self.shop}"


@dataclass(frozen=True, slots=True)
class Address:
    """A receiver or sender.

    `merge_token` is the platform's handle (oaid) to the hidden receiver. `has_virtual_phone`: the number belongs to the
    platform, which forwards calls to the receiver for a while.
    """

    name: str
    phone: str
    province: str
    city: str
    district: str
    town: str
    detail: str
    zip_code: str = ""
    pii: Pii = Pii.PLAIN
    merge_token: str = ""
    has_virtual_phone: bool = False

    def __repr__(self) -> str:
        return f"Address(city={self.city!r}, pii={self.pii.value})"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One SKU of an order. `paid` is the line's share of what the buyer paid, without freight and fees.

    `refund_open`: a refund is asked, or the seller has refused one. `refunded`: a refund was paid, or the platform
    closed the line; its pieces are no longer wanted. `refund_unknown`: the platform did not say whether a refund is
    open, or whether the line still stands. `shipped`: pieces that the platform shows as shipped, by whomever, and
    `waybill` the number that it shows for them. `is_missing`: the newest content leaves the line out. `replaced_sku`:
    the platform's own SKU (empty for none) if the listing map or a person chose another; else None.
    """

    line_id: str
    product_id: str
    platform_sku: str
    sku: str
    title: str
    quantity: int
    unit_price: Money
    paid: Money
    is_gift: bool = False
    refund_open: bool = False
    refunded: bool = False
    refund_unknown: bool = False
    fulfilled_by: FulfilledBy = FulfilledBy.MERCHANT
    shipped: int = 0
    waybill: str = ""
    is_missing: bool = False
    replaced_sku: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Order sums: `payable` is what the buyer owes, `paid` what has arrived.

    goods - discount + freight + tax + services + fees = payable. `services`: sold beside the goods, each a line of its
    own. `fees`: what the buyer pays for the way of paying, as for cash on delivery.
    """

    goods: Money
    discount: Money
    freight: Money
    tax: Money
    payable: Money
    paid: Money
    services: Money
    fees: Money


_DECIDES = (
    FulfilledBy.UNKNOWN,
    FulfilledBy.MERCHANT,
    FulfilledBy.PLATFORM,
    FulfilledBy.PICKUP,
    FulfilledBy.COURIER,
)


@dataclass(frozen=True, slots=True)
class Order:
    """One platform order in our words. Texts are tidied; times carry their zone; `paid_at` may be open.

    `ship_by`: the latest time at which it must have left; `ship_from`: the earliest at which it may. None: none named.
    `corrected_from`: digest of the platform's address that a person has corrected; empty: nobody has.
    """

    key: OrderKey
    state: PlatformState
    order_type: OrderType
    source: OrderSource
    member_level: MemberLevel
    buyer_id: str = field(repr=False)
    receiver: Address
    lines: tuple[OrderLine, ...]
    totals: Totals
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    ship_by: datetime | None = None
    ship_from: datetime | None = None
    balance_open: bool = False
    platform_hold: bool = False
    buyer_memo: str = field(default="", repr=False)
    seller_memo: str = field(default="", repr=False)
    seller_flag: int = 0
    corrected_from: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether some of it is ours to ship, as far as we know."""
        return self.fulfilled_by in {FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN}

    @property
    def fulfilled_by(self) -> FulfilledBy:
        """Who fulfils the whole order.

        `merchant` if one line is ours, `unknown` if one line is unknown; of several others, the first of `platform`,
        `pickup` and `courier`; `nobody` if there is nothing to ship.
        """
        found = {line.fulfilled_by for line in self.lines if not line.is_missing}
        return next((kind for kind in _DECIDES if kind in found), FulfilledBy.NOBODY if found else FulfilledBy.MERCHANT)


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """The fields of an order that decide its lane. A listing or an unread payload may already contain them."""

    source: OrderSource = OrderSource.SHELF
    order_type: OrderType = OrderType.NORMAL
    member_level: MemberLevel = MemberLevel.NONE
    receiver_city: str = ""


@dataclass(frozen=True, slots=True)
class RawOrder:
    """A payload as received. `version` is a digest of its content: the same content is the same version.

    `fault`: the code of why it cannot be read as this order; empty where nothing is known against it.
    """

    platform_order_id: str
    version: bytes
    body: bytes = field(repr=False)
    lane_facts: LaneFacts
    fault: str = ""
