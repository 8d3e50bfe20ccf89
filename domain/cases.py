"""Cases: trouble with a parcel that has left, or with what a buyer asks for afterwards. A case does not stop an order.

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
    STOP_TOO_LATE = "stop_too_late"
    MOVED_THOUGH_STOPPED = "moved_though_stopped"


@dataclass(frozen=True, slots=True)
class CaseRule:
    """Who owns a case of a kind, and how many hours the owner has."""

    owner: str
    due_h: int
    meaning: str


CASES: dict[CaseKind, CaseRule] = {
    CaseKind.RETURNED_TO_SENDER: CaseRule("warehouse", 72, "the courier brings the parcel back"),
    CaseKind.LOST: CaseRule("logistics", 24, "the courier says that the parcel is lost or destroyed"),
    CaseKind.REFUSED_BY_BUYER: CaseRule("service", 24, "the buyer did not accept the parcel"),
    CaseKind.WRONG_WAYBILL: CaseRule("logistics", 2, "the parcel travels under another waybill than the platform has"),
    CaseKind.NOT_COLLECTED: CaseRule("logistics", 4, "told as shipped, and the courier has not scanned the parcel"),
    CaseKind.NOT_MOVING: CaseRule("logistics", 24, "the courier has not scanned the parcel for long"),
    CaseKind.STOP_TOO_LATE: CaseRule("service", 4, "a stop was asked for, and the goods leave all the same"),
    CaseKind.MOVED_THOUGH_STOPPED: CaseRule("logistics", 2, "a parcel left after its stop was confirmed"),
}


def case_id_of(kind: CaseKind, reference: str) -> str:
    """The id of a case that no platform numbers: one for each kind and parcel, so that a repeat opens no second.

    `reference`: the package's reference at its courier or warehouse.
    """
    return f"{kind}-{reference}"
