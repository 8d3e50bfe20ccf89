"""What a warehouse event does to the state of a fulfillment order: forward, or nothing."""

from dataclasses import dataclass
from enum import StrEnum

from domain.states import RANK, State


class Scan(StrEnum):
    """Kinds of warehouse events.

    A document: ACCEPTED or REFUSED by the people of the warehouse after the system had taken it, SHORT where the shelf
    held fewer pieces than planned, STOPPED or STOP_FAILED as the late answer to a stop. Its work: PRINTED, PICKED,
    CHECKED. A package: PACKED, HANDED_OVER. OTHER: a word that we do not know.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    PRINTED = "printed"
    PICKED = "picked"
    CHECKED = "checked"
    SHORT = "short"
    PACKED = "packed"
    HANDED_OVER = "handed_over"
    STOPPED = "stopped"
    STOP_FAILED = "stop_failed"
    OTHER = "other"


# Whoever prints, picks or checks has accepted the document, though the event of that may be lost.
TARGET: dict[Scan, State] = {
    Scan.ACCEPTED: State.IN_WAREHOUSE,
    Scan.PRINTED: State.IN_WAREHOUSE,
    Scan.PICKED: State.IN_WAREHOUSE,
    Scan.CHECKED: State.IN_WAREHOUSE,
    Scan.PACKED: State.PACKED,
    Scan.HANDED_OVER: State.IN_TRANSIT,
}

_WAY = (State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED, State.IN_TRANSIT)


@dataclass(frozen=True, slots=True)
class Move:
    """The states that a fulfillment order passes one by one, behind its present state; never empty.

    More than one where an event was lost or is still on its way.
    """

    path: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class Late:
    """A repeated or overtaken event: it goes on the timeline and changes nothing."""


@dataclass(frozen=True, slots=True)
class Note:
    """An event that says nothing of goods that move: it walks no order forward, whatever its state."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The warehouse did what our state forbids: recorded, not applied.

    `needs_person`: goods moved without an open hold, or left the warehouse against a hold.
    """

    code: str
    needs_person: bool


def advance(now: State, kind: Scan, *, is_tracked: bool = False) -> Move | Late | Note | Contradiction:
    """What `kind` does to an order in state `now`.

    `is_tracked`: the courier tells when it has the package; until then the order stays packed, handed over or not.

    While an order is on hold the warehouse has been asked to stop and the hold has its owner, so a
    crossing scan is only recorded, and looked at again after the release. A package that left against
    the hold is for a person.
    """
    if kind not in TARGET:
        return Note()
    if now is State.CLOSED:
        return Contradiction("moved_though_closed", needs_person=True)
    if now is State.ON_HOLD:
        left = kind is Scan.HANDED_OVER
        return Contradiction("left_while_held" if left else "moved_while_held", needs_person=left)
    if RANK[now] < RANK[State.ALLOCATED]:
        return Contradiction("moved_before_allocation", needs_person=True)
    target = State.PACKED if is_tracked and kind is Scan.HANDED_OVER else TARGET[kind]
    if RANK[now] >= RANK[target]:
        return Late()
    return Move(_WAY[_WAY.index(now) + 1 : _WAY.index(target) + 1])


def leave_though_stopping(interrupted: State, *, is_tracked: bool) -> tuple[State, ...]:
    """The states that a hand-over walks, one by one, of an order that is on hold because it is being stopped.

    The scan proves that the goods have left, whatever was asked. `interrupted`: by the hold. `is_tracked` as above.
    Empty where the scan contradicts all that we know: nothing was allocated.
    """
    match advance(interrupted, Scan.HANDED_OVER, is_tracked=is_tracked):
        case Move(path=path):
            return (interrupted, *path)
        case Late():
            return (interrupted,)
    return ()


def names_other_waybill(ours: str, scanned: str) -> bool:
    """Whether a scan that names a waybill at all names another than ours, whatever its case and blanks."""
    named = "".join(scanned.split()).casefold()
    return bool(named) and named != "".join(ours.split()).casefold()
