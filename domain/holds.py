"""Holds: why an order is stopped, who must act, and by when."""

from dataclasses import dataclass, field
from enum import StrEnum

from domain.errors import Facts

# Why a booking that may have happened needs a person: its courier can neither be asked nor be called again.
OUTCOME_UNKNOWN = "outcome_unknown"


class HoldCode(StrEnum):
    """Stable codes; texts for people live in `HOLDS`."""

    ADDRESS_MISSING = "address_missing"
    ADDRESS_VAGUE = "address_vague"
    PAYMENT_UNCONFIRMED = "payment_unconfirmed"
    STOCK_SHORT_PAID = "stock_short_paid"
    STOCK_CONFLICT = "stock_conflict"
    SENSITIVE_WORD = "sensitive_word"
    SELLER_FLAG = "seller_flag"
    REMOTE_COURIER = "remote_courier"
    REFUND_REQUESTED = "refund_requested"
    REFUND_UNKNOWN = "refund_unknown"
    FULFILLER_UNKNOWN = "fulfiller_unknown"
    CASH_ON_DELIVERY = "cash_on_delivery"
    BUYER_CHANGED = "buyer_changed"
    APPROVAL_NEEDED = "approval_needed"
    SKU_UNMAPPED = "sku_unmapped"
    WAYBILL_ERROR = "waybill_error"
    UNWANTED_WAYBILL = "unwanted_waybill"
    WAYBILL_CONTRADICTS = "waybill_contradicts"
    DISPATCH_ERROR = "dispatch_error"
    UNWANTED_DOCUMENT = "unwanted_document"
    STOPPING = "stopping"
    WRITEBACK_REFUSED = "writeback_refused"
    AMOUNT_MISMATCH = "amount_mismatch"
    PRESALE_BALANCE_OPEN = "presale_balance_open"
    SHIPPED_ELSEWHERE = "shipped_elsewhere"
    PLATFORM_HOLD = "platform_hold"
    WAITING_ON_ACCOUNT = "waiting_on_account"
    SHOP_WATCHED = "shop_watched"
    NOT_BEGUN = "not_begun"
    DEAD_LETTER = "dead_letter"
    MANUAL = "manual"
    MANUAL_BUYER = "manual_buyer"
    MANUAL_FRAUD = "manual_fraud"


# Opened by a person, for whatever reason, and released by a person only.
MANUAL_CODES = frozenset({HoldCode.MANUAL, HoldCode.MANUAL_BUYER, HoldCode.MANUAL_FRAUD})
# The step name of a hold that a person opened. Rules release only holds that their own steps opened.
PERSON = "person"


@dataclass(frozen=True, slots=True)
class HoldRule:
    """Who owns a hold and how many hours they have."""

    owner: str
    due_h: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's reason to hold an order.

    `facts` say which field and by how much, never a personal value; `rule` is the key in the rule set.
    """

    code: HoldCode
    facts: Facts = field(default_factory=dict)
    rule: str = ""


HOLDS: dict[HoldCode, HoldRule] = {
    HoldCode.ADDRESS_MISSING: HoldRule("service", 4, "receiver, region or phone is empty"),
    HoldCode.ADDRESS_VAGUE: HoldRule("service", 4, "the address cannot be delivered to as it stands"),
    HoldCode.PAYMENT_UNCONFIRMED: HoldRule("finance", 4, "paid sum differs from the payable sum"),
    HoldCode.STOCK_SHORT_PAID: HoldRule("purchasing", 12, "paid, but no location can fill it"),
    HoldCode.STOCK_CONFLICT: HoldRule("stock", 4, "promised stock was lost to a correction"),
    HoldCode.SENSITIVE_WORD: HoldRule("service", 4, "a listed word in memo or address"),
    HoldCode.SELLER_FLAG: HoldRule("service", 24, "the shop's staff flagged the order to wait"),
    HoldCode.REMOTE_COURIER: HoldRule("service", 4, "no courier serves the region at that grade"),
    HoldCode.REFUND_REQUESTED: HoldRule("service", 2, "the buyer asked for a refund or cancelled"),
    HoldCode.REFUND_UNKNOWN: HoldRule("service", 2, "the platform does not say whether a refund is open"),
    HoldCode.FULFILLER_UNKNOWN: HoldRule("service", 4, "the platform does not say who ships a line"),
    HoldCode.CASH_ON_DELIVERY: HoldRule("logistics", 4, "no courier product of ours collects the sum"),
    HoldCode.BUYER_CHANGED: HoldRule("service", 2, "address, lines or sums changed after review"),
    HoldCode.APPROVAL_NEEDED: HoldRule("finance", 4, "an approval is missing"),
    HoldCode.SKU_UNMAPPED: HoldRule("catalogue", 8, "a line's SKU is unknown to our stock"),
    HoldCode.WAYBILL_ERROR: HoldRule("logistics", 2, "the courier refused the booking"),
    HoldCode.UNWANTED_WAYBILL: HoldRule("logistics", 4, "nobody wants the waybill any more, and it lives"),
    HoldCode.WAYBILL_CONTRADICTS: HoldRule("logistics", 2, "the warehouse scanned another waybill than ours"),
    HoldCode.DISPATCH_ERROR: HoldRule("logistics", 2, "the warehouse could not be told, or dropped the order"),
    HoldCode.UNWANTED_DOCUMENT: HoldRule("logistics", 4, "the order is closed, and the warehouse has it"),
    HoldCode.STOPPING: HoldRule("service", 2, "a stop was asked for; it ends this hold by itself"),
    HoldCode.WRITEBACK_REFUSED: HoldRule("logistics", 2, "the platform refused the tracking number"),
    HoldCode.AMOUNT_MISMATCH: HoldRule("finance", 4, "the order's sums do not add up"),
    HoldCode.PRESALE_BALANCE_OPEN: HoldRule("service", 72, "deposit paid, balance open"),
    HoldCode.SHIPPED_ELSEWHERE: HoldRule("service", 4, "the platform shows another shipment"),
    HoldCode.PLATFORM_HOLD: HoldRule("service", 24, "the platform forbids shipping for now"),
    HoldCode.WAITING_ON_ACCOUNT: HoldRule("engineering", 2, "an account, lane or step was shut past the order's clock"),
    HoldCode.SHOP_WATCHED: HoldRule("logistics", 24, "its shop is only watched: another system may ship it"),
    HoldCode.NOT_BEGUN: HoldRule("engineering", 4, "an order of a shop that is taken over could not be begun"),
    HoldCode.DEAD_LETTER: HoldRule("engineering", 2, "a step gave up; see its dead letter"),
    HoldCode.MANUAL: HoldRule("service", 24, "a person stopped the order"),
    HoldCode.MANUAL_BUYER: HoldRule("service", 24, "the buyer asked to wait"),
    HoldCode.MANUAL_FRAUD: HoldRule("finance", 4, "a person suspects fraud"),
}


def waybill_facts(courier: str, waybill: str) -> Facts:
    """The facts of a hold about one waybill."""
    return {"courier": courier, "waybill": waybill}
