"""Stops: which step keeps a fulfillment order from leaving next, and how a stop ends. Pure rules.

A platform, a rule or a person asks for a stop. It goes on from wherever the goods are: calls whose outcome is unknown
are settled, a warehouse that has the document is asked to stop it, waybills are voided, a parcel that has left is
intercepted. Only what is confirmed counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.dispatch import AT_WAREHOUSE, PlacementStatus
from domain.states import RANK, State


class StopStatus(StrEnum):
    """Where a stop stands.

    `STOPPED`: nothing leaves. `COMING_BACK`: it has left, and its return is confirmed. `TOO_LATE`: it has left, or will
    leave, and nothing brings it back. `WITHDRAWN`: nobody asks for it any more.
    """

    ASKED = "asked"
    WITHDRAWN = "withdrawn"
    STOPPED = "stopped"
    COMING_BACK = "coming_back"
    TOO_LATE = "too_late"


class StopGoal(StrEnum):
    """What for. `CLOSE`: the pieces are not wanted. `REBUILD`: they go on from `paid`, to another address or way, or to
    wait there for the decision about a refund.
    """

    CLOSE = "close"
    REBUILD = "rebuild"


class StopAsker(StrEnum):
    PLATFORM = "platform"
    RULE = "rule"
    PERSON = "person"


class StopCode(StrEnum):
    """Why a stop was asked for. `WITHDRAWN`: it was taken back when a call had gone out, so the order is made anew."""

    REFUND_ASKED = "refund_asked"
    REFUND_PAID = "refund_paid"
    CLOSED_BY_PLATFORM = "closed_by_platform"
    ADDRESS_CHANGED = "address_changed"
    PERSON = "person"
    RELABEL = "relabel"
    REROUTE = "reroute"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class StopWish:
    """A stop that a newer content of an order asks for. `lines`: ids, none: all.

    `is_outdated`: the address has changed, so that the label is never sent, whatever becomes of the stop.
    """

    code: StopCode
    goal: StopGoal
    lines: tuple[str, ...] = ()
    is_outdated: bool = False


class RecallStatus(StrEnum):
    """What a warehouse has said of a stop of its document. The document's own status says when it is stopped."""

    NONE = ""
    ASKED = "asked"
    PENDING = "pending"
    REFUSED = "refused"
    TOO_LATE = "too_late"
    UNKNOWN = "unknown"


class VoidStatus(StrEnum):
    """What a courier has said of the cancel of a waybill. `COLLECTED`: it has the parcel already."""

    NONE = ""
    ASKED = "asked"
    REFUSED = "refused"
    COLLECTED = "collected"
    UNKNOWN = "unknown"


class InterceptStatus(StrEnum):
    """How far the intercept of a parcel that has left is. `TAKEN`: the courier tries; nothing is confirmed.

    `CONFIRMED`: the parcel comes back. `FAILED`: it does not, or its courier cannot be asked. `RECEIVED`: it came back,
    and its pieces were counted.
    """

    NONE = ""
    ASKED = "asked"
    TAKEN = "taken"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    RECEIVED = "received"


# Nothing more will be heard of the intercept.
INTERCEPT_ENDED = frozenset({InterceptStatus.CONFIRMED, InterceptStatus.FAILED, InterceptStatus.RECEIVED})
# The goods are back, or on their way back.
_BACK = frozenset({InterceptStatus.CONFIRMED, InterceptStatus.RECEIVED})


class RungKind(StrEnum):
    """What a stop waits for.

    `ASK_WAREHOUSE`, `ASK_COURIER`: the outcome of a call is unknown. `RECALL`: the warehouse's stop. `CONFIRM`: a
    person or a scan says that the goods are still in the house. `VOID`: couriers' cancels. `VOID_BY_HAND`: a courier
    refused, and a person settles it. `INTERCEPT`: parcels that have left, or will leave. `END`: nothing more.
    """

    ASK_WAREHOUSE = "ask_warehouse"
    ASK_COURIER = "ask_courier"
    RECALL = "recall"
    CONFIRM = "confirm"
    VOID = "void"
    VOID_BY_HAND = "void_by_hand"
    INTERCEPT = "intercept"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelFacts:
    """A package that was not cancelled.

    `is_unclear`: a call that books its waybill may have happened. `lives`: it has a waybill. `is_ours`: our own
    contract booked it, so that we can void it; otherwise the warehouse did. `has_left`: handed over, or its courier has
    it. `has_others`: pieces lie in it that are to arrive, so that it is not intercepted.
    """

    package_id: int
    lives: bool = False
    is_unclear: bool = False
    is_ours: bool = True
    has_left: bool = False
    has_others: bool = False
    void: VoidStatus = VoidStatus.NONE
    intercept: InterceptStatus = InterceptStatus.NONE

    @property
    def is_intercept_over(self) -> bool:
        """Whether it is known that the parcel comes back, or that it does not."""
        return self.has_others or self.intercept in INTERCEPT_ENDED

    @property
    def is_gone(self) -> bool:
        """Whether it is out of the house, by a scan or by its courier's word."""
        return self.has_left or (self.lives and self.void is VoidStatus.COLLECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopFacts:
    """Where the goods of a fulfillment order with an open stop are.

    `at`: its state, or what a hold interrupts. `document`: of the live document, None without one. `is_unclear`: a call
    that places it may have happened. `can_ask`: the warehouse can be asked to stop. `is_confirmed`: a person said that
    the goods are still in the house.
    """

    at: State
    parcels: tuple[ParcelFacts, ...] = ()
    document: PlacementStatus | None = None
    is_unclear: bool = False
    can_ask: bool = False
    recall: RecallStatus = RecallStatus.NONE
    is_confirmed: bool = False

    @property
    def is_placed(self) -> bool:
        """Whether a warehouse has the document, or works on the order without one: its word is needed then."""
        if self.document in AT_WAREHOUSE:
            return True
        return self.document is not PlacementStatus.STOPPED and RANK[self.at] >= RANK[State.IN_WAREHOUSE]


@dataclass(frozen=True, slots=True)
class Rung:
    """What comes next. `packages`: ids that it is about. `end`: how the stop ends, of kind `END` only."""

    kind: RungKind
    packages: tuple[int, ...] = ()
    end: StopStatus | None = None


def next_rung(facts: StopFacts) -> Rung:
    """The next thing that a stop waits for, or its end."""
    gone = [one for one in facts.parcels if one.is_gone]
    here = [one for one in facts.parcels if not one.is_gone]
    if gone or RANK[facts.at] >= RANK[State.IN_TRANSIT]:
        # Goods that are still here keep their way through the house; what has left is the first to be lost.
        pending = [one for one in gone if not one.is_intercept_over]
        if pending:
            return Rung(RungKind.INTERCEPT, _ids(pending))
        if not here or RANK[facts.at] >= RANK[State.IN_TRANSIT]:
            # An order of which something is still to leave does not come back: its parts are a person's.
            return _over([*gone, *here])
    rung = _in_house(facts, here)
    if rung.kind is RungKind.END and gone:
        return _over(gone)
    return rung


def _in_house(facts: StopFacts, parcels: list[ParcelFacts]) -> Rung:
    if facts.is_unclear:
        return Rung(RungKind.ASK_WAREHOUSE)
    if facts.is_placed and not (facts.is_confirmed and facts.document not in AT_WAREHOUSE):
        # A document that came to be known after a person's word may be picked again.
        return _at_warehouse(facts, parcels)
    return _of_waybills(parcels)


def _at_warehouse(facts: StopFacts, parcels: list[ParcelFacts]) -> Rung:
    if not facts.can_ask or facts.document is None:
        return Rung(RungKind.CONFIRM)
    if facts.recall not in {RecallStatus.REFUSED, RecallStatus.TOO_LATE}:
        return Rung(RungKind.RECALL)
    # The goods will leave: the courier is asked as soon as it has them.
    pending = [one for one in parcels if not one.is_intercept_over]
    return Rung(RungKind.INTERCEPT, _ids(pending)) if pending else _over(parcels)


def _of_waybills(parcels: list[ParcelFacts]) -> Rung:
    unclear = [one for one in parcels if one.is_unclear]
    if unclear:
        return Rung(RungKind.ASK_COURIER, _ids(unclear))
    living = [one for one in parcels if one.lives and one.is_ours]
    unsettled = [one for one in living if one.void is not VoidStatus.REFUSED]
    if unsettled:
        return Rung(RungKind.VOID, _ids(unsettled))
    if living:
        return Rung(RungKind.VOID_BY_HAND, _ids(living))
    return Rung(RungKind.END, end=StopStatus.STOPPED)


def _over(parcels: Iterable[ParcelFacts]) -> Rung:
    known = [one.intercept in _BACK and not one.has_others for one in parcels]
    comes_back = bool(known) and all(known)
    return Rung(RungKind.END, end=StopStatus.COMING_BACK if comes_back else StopStatus.TOO_LATE)


def _ids(parcels: Iterable[ParcelFacts]) -> tuple[int, ...]:
    return tuple(one.package_id for one in parcels)
