"""After-sale cases of a platform in our words: what a buyer wants, how far that is, who must act, and until when.

A case tells of money; it never proves where goods are. The platform's own codes are kept beside our words.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.cases import CaseKind
from domain.money import Money


class CaseStage(StrEnum):
    """How far a case is. `UNKNOWN`: the platform said a word that is in no table, or nothing."""

    REQUESTED = "requested"
    APPROVED = "approved"
    RETURNING = "returning"
    RECEIVED = "received"
    INSPECTED = "inspected"
    REFUNDED = "refunded"
    EXCHANGED = "exchanged"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class CaseNeeds(StrEnum):
    """Who must act."""

    SELLER = "seller"
    BUYER = "buyer"
    PLATFORM = "platform"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


# A case in one of these stages asks nothing any more.
FINAL_STAGES = frozenset({CaseStage.REFUNDED, CaseStage.EXCHANGED, CaseStage.REJECTED, CaseStage.WITHDRAWN})
# The buyer keeps the goods, and the money stays paid.
ENDED_WITHOUT_EFFECT = frozenset({CaseStage.REJECTED, CaseStage.WITHDRAWN})
# Kinds of the cases that a platform numbers. The other kinds are our own.
AFTER_SALE_KINDS = frozenset(
    {
        CaseKind.PRE_SHIP,
        CaseKind.REFUND_ONLY,
        CaseKind.RETURN_REFUND,
        CaseKind.EXCHANGE,
        CaseKind.RESHIP,
        CaseKind.REPAIR,
        CaseKind.COMPENSATION,
        CaseKind.UNKNOWN_CASE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSaleCase:
    """One case as its platform shows it. No text of a buyer is among its values.

    `case_id`: the platform's. `line_ids`: the lines that it is about; none named: all of the order.
    `platform_order_id`: empty where it could not be read. `amount`: what the buyer gets, of it `freight`;
    `platform_share`: what the platform pays itself. `version`: what an answer must echo. `decide_by`: when the platform
    decides without the seller. `return_waybill`, `resend_waybill`: parcels back and out. `source_state`, `source_kind`:
    the platform's codes. `fault`: code and field of what could not be read. None is unknown everywhere.
    """

    case_id: str
    platform_order_id: str
    line_ids: tuple[str, ...]
    kind: CaseKind
    stage: CaseStage
    needs: CaseNeeds
    changed_at: datetime
    amount: Money | None = None
    freight: Money | None = None
    platform_share: Money | None = None
    quantity: int | None = None
    version: str = ""
    decide_by: datetime | None = None
    return_waybill: str = ""
    resend_waybill: str = ""
    source_state: str = ""
    source_kind: str = ""
    fault: str = ""

    @property
    def is_final(self) -> bool:
        return self.stage in FINAL_STAGES

    @property
    def is_unknown(self) -> bool:
        """Whether it may be a refund that nobody can recognize: its goods must not leave by themselves."""
        return self.stage is CaseStage.UNKNOWN or self.kind is CaseKind.UNKNOWN_CASE
