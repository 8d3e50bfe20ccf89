"""Whether a person's scan of a package at a location of our own may be taken, and whether it changes anything."""

from dataclasses import dataclass
from enum import StrEnum

from domain.states import RANK, State
from domain.warehouse import Scan

# The scans by which a person says what was done, in the order of the work.
ACCEPTED, PACKED, HANDED_OVER = Scan.ACCEPTED, Scan.PACKED, Scan.HANDED_OVER
# The scan by which a person says that a package stays in the house.
STOPPED = Scan.STOPPED
# Before these the platform is asked whether the order may still be shipped.
ASKS_FIRST = frozenset({PACKED, HANDED_OVER})


class WhyNot(StrEnum):
    """Why a scan is not taken. `NOT_LEFT`: it cannot have come back.

    `REFUND_OR_CHANGE`, `ORDER_CHANGES`: found by asking the platform; the second is over in a moment.
    """

    PACKAGE_UNKNOWN = "package_unknown"
    PACKAGE_AMBIGUOUS = "package_ambiguous"
    NOT_OUR_LOCATION = "not_our_location"
    WAYBILL_VOID = "waybill_void"
    NOT_LABELLED = "not_labelled"
    NOT_LEFT = "not_left"
    ORDER_HELD = "order_held"
    ORDER_STOPPED = "order_stopped"
    PACKAGE_CANCELLED = "package_cancelled"
    DOCUMENT_STOPPED = "document_stopped"
    DOCUMENT_REFUSED = "document_refused"
    NOT_ALLOCATED = "not_allocated"
    HAS_LEFT = "has_left"
    NOT_PLACED = "not_placed"
    STOP_NOT_WANTED = "stop_not_wanted"
    OTHER_PACKAGES = "other_packages"
    REFUND_OR_CHANGE = "refund_or_change"
    ORDER_CHANGES = "order_changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageNow:
    """A package as it stands. `shipment` and `document`: status of its waybill, and of the last document, if any.

    `has_others`: the document has further packages, and the person has named only this one.
    """

    state: State
    shipment: str
    document: str = ""
    is_ours: bool = True
    is_closed_on_platform: bool = False
    is_cancelled: bool = False
    is_packed: bool = False
    has_left: bool = False
    has_others: bool = False


def why_refused(package: PackageNow) -> WhyNot | None:
    """Why no scan of the package is taken; None where one is. What has left is refused for nothing."""
    reasons: tuple[tuple[WhyNot | None, bool], ...] = (
        (WhyNot.NOT_OUR_LOCATION, not package.is_ours),
        (None, package.has_left),
        (WhyNot.WAYBILL_VOID, package.shipment == "voided"),
        (WhyNot.NOT_LABELLED, package.shipment != "booked"),
        (WhyNot.ORDER_HELD, package.state is State.ON_HOLD),
        (WhyNot.ORDER_STOPPED, package.state is State.CLOSED or package.is_closed_on_platform),
        (WhyNot.PACKAGE_CANCELLED, package.is_cancelled),
        (WhyNot.DOCUMENT_STOPPED, package.document == "stopped"),
        (WhyNot.DOCUMENT_REFUSED, package.document == "refused"),
        (WhyNot.NOT_ALLOCATED, RANK[package.state] < RANK[State.ALLOCATED]),
    )
    return next((code for code, applies in reasons if applies), None)


def why_not_stopped(package: PackageNow) -> WhyNot | None:
    """Why nobody may say that the package stays in the house; None where a person may.

    A stop is of a document: it is confirmed for all its packages at once, and only where the order is held or closed.
    """
    is_wanted = package.state in {State.ON_HOLD, State.CLOSED}
    reasons: tuple[tuple[WhyNot | None, bool], ...] = (
        (WhyNot.NOT_OUR_LOCATION, not package.is_ours),
        (WhyNot.HAS_LEFT, package.has_left or package.document == "final"),
        (None, package.document == "stopped"),
        (WhyNot.DOCUMENT_REFUSED, package.document == "refused"),
        (WhyNot.NOT_PLACED, package.document != "placed"),
        (WhyNot.STOP_NOT_WANTED, not is_wanted),
        (WhyNot.OTHER_PACKAGES, package.has_others),
    )
    return next((code for code, applies in reasons if applies), None)


def is_repeat(scan: Scan, package: PackageNow) -> bool:
    """Whether the scan tells what is known: it changes nothing, and moves nothing back."""
    if scan is STOPPED:
        return package.document == "stopped"
    if package.has_left:
        return True
    if scan is PACKED:
        return package.is_packed
    return scan is ACCEPTED and RANK[package.state] >= RANK[State.IN_WAREHOUSE]


def may_be_shipped(age_s: float | None, max_age_s: float) -> bool:
    """Whether the platform's last permission still counts. `age_s`: None where nobody knows of one."""
    return age_s is not None and age_s <= max_age_s
