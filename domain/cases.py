"""Cases: trouble with a parcel, or with what a buyer asks for after it has left. A case does not stop an order.

A hold stops work that is still to be done; a case needs somebody who acts outside: asks a courier, answers a buyer,
looks for a parcel. Every case has an owner and a due time.
"""

from dataclasses import dataclass
from enum import StrEnum


class CaseKind(StrEnum):
    """Stable codes; who owns each and by when stands in `CASES`."""

    RETURNED_TO_SENDER = "returned_to_sender"
    LOST = "lost"
    REFUSED_BY_BUYER = "refused_by_buyer"
    WRONG_WAYBILL = "wrong_waybill"
    NOT_COLLECTED = "not_collected"
    NOT_MOVING = "not_moving"
    NOT_DELIVERED = "not_delivered"
    UNWANTED_WAYBILL = "unwanted_waybill"
    UNWANTED_PARCEL = "unwanted_parcel"
    STOP_TOO_LATE = "stop_too_late"
    RETURN_OVERDUE = "return_overdue"
    RETURN_UNEXPECTED = "return_unexpected"
    SHIP_ANEW = "ship_anew"
    MOVED_THOUGH_STOPPED = "moved_though_stopped"
    CLOSED_WHILE_SHIPPED = "closed_while_shipped"
    PRE_SHIP = "pre_ship"
    REFUND_ONLY = "refund_only"
    RETURN_REFUND = "return_refund"
    EXCHANGE = "exchange"
    RESHIP = "reship"
    REPAIR = "repair"
    COMPENSATION = "compensation"
    UNKNOWN_CASE = "unknown_case"


@dataclass(frozen=True, slots=True)
class CaseRule:
    """Who owns a case of a kind, and how many hours the owner has.

    `keeps_open`: an order with such a case is not completed; false where the case is about nothing that the buyer gets.
    """

    owner: str
    due_h: int
    meaning: str
    keeps_open: bool = True


# Fact of a case: the platform was told the waybill of a package that does not travel.
TOLD_TO_PLATFORM = "told_to_platform"

CASES: dict[CaseKind, CaseRule] = {
    CaseKind.RETURNED_TO_SENDER: CaseRule("warehouse", 72, "the courier brings the parcel back"),
    CaseKind.LOST: CaseRule("logistics", 24, "the courier says that the parcel is lost or destroyed"),
    CaseKind.REFUSED_BY_BUYER: CaseRule("service", 24, "the buyer did not accept the parcel"),
    CaseKind.WRONG_WAYBILL: CaseRule("logistics", 2, "the parcel travels under another waybill than the platform has"),
    CaseKind.NOT_COLLECTED: CaseRule("logistics", 4, "told as shipped, and the courier has not scanned the parcel"),
    CaseKind.NOT_MOVING: CaseRule("logistics", 24, "the courier has not scanned the parcel for long"),
    CaseKind.NOT_DELIVERED: CaseRule(
        "service", 24, "the courier has had the parcel for days, and nobody has signed for it"
    ),
    CaseKind.UNWANTED_WAYBILL: CaseRule(
        "logistics", 4, "its warehouse has refused or stopped the order; the waybill lives", keeps_open=False
    ),
    CaseKind.UNWANTED_PARCEL: CaseRule(
        "logistics", 2, "a warehouse packed what nobody wants any more, under a waybill of its own"
    ),
    CaseKind.RETURN_OVERDUE: CaseRule("warehouse", 24, "the parcel was to come back, and nobody has counted it"),
    CaseKind.RETURN_UNEXPECTED: CaseRule("service", 24, "a parcel came back, and nobody had asked for it"),
    CaseKind.SHIP_ANEW: CaseRule("service", 24, "the parcel came back, and its buyer still waits for goods of it"),
    CaseKind.STOP_TOO_LATE: CaseRule("service", 4, "a stop was asked for, and the goods leave all the same"),
    CaseKind.MOVED_THOUGH_STOPPED: CaseRule("logistics", 2, "a parcel left after its stop was confirmed"),
    CaseKind.CLOSED_WHILE_SHIPPED: CaseRule("service", 4, "its platform has closed the order, and the parcel has left"),
    CaseKind.PRE_SHIP: CaseRule("service", 24, "the buyer wants the money back before the goods leave"),
    CaseKind.REFUND_ONLY: CaseRule("service", 24, "the buyer wants the money back and sends nothing back"),
    CaseKind.RETURN_REFUND: CaseRule("service", 24, "the buyer sends goods back and wants the money back"),
    CaseKind.EXCHANGE: CaseRule("service", 24, "the buyer sends goods back and wants other goods"),
    CaseKind.RESHIP: CaseRule("service", 24, "the buyer wants goods sent again"),
    CaseKind.REPAIR: CaseRule("service", 24, "the buyer sends goods in for repair"),
    CaseKind.COMPENSATION: CaseRule("service", 48, "the buyer wants money for a price, freight or fault"),
    CaseKind.UNKNOWN_CASE: CaseRule("service", 2, "the platform's case cannot be read: it may be a refund"),
}

# Kinds after which a parcel may never reach its receiver: once nobody asks about it any more, it has not.
ENDS_UNDELIVERED = frozenset(
    {
        CaseKind.RETURNED_TO_SENDER,
        CaseKind.LOST,
        CaseKind.REFUSED_BY_BUYER,
        CaseKind.NOT_COLLECTED,
        CaseKind.NOT_MOVING,
        CaseKind.NOT_DELIVERED,
    }
)
# Kinds beside which an order is completed all the same.
BESIDE_THE_ORDER = frozenset(kind for kind, rule in CASES.items() if not rule.keeps_open)


def case_id_of(kind: CaseKind, reference: str) -> str:
    """The id of a case that no platform numbers: one for each kind and parcel, so that a repeat opens no second.

    `reference`: the package's reference at its courier or warehouse.
    """
    return f"{kind}-{reference}"
