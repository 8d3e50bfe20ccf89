"""What a step hands back to the engine for each subject."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from domain.order import Lane
from domain.outcomes import Hold, Outcome
from domain.states import Cause, State
from infra.process.failpoints import failpoint


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subject stands: the ids its events and holds hang on, and the state it was read in."""

    subject_id: int
    lane: Lane
    order_id: int | None = None
    fulfillment_order_id: int | None = None
    package_id: int | None = None
    state: State | None = None


class PlaceRow(Protocol):
    """What a row must tell for its subject's place."""

    @property
    def lane(self) -> str: ...
    @property
    def order_id(self) -> int: ...
    @property
    def fulfillment_order_id(self) -> int: ...
    @property
    def package_id(self) -> int: ...
    @property
    def state(self) -> str: ...


def place_of(row: PlaceRow, subject_id: int) -> Place:
    """The place of a subject that hangs on a package."""
    return Place(subject_id, Lane(row.lane), row.order_id, row.fulfillment_order_id, row.package_id, State(row.state))


@dataclass(frozen=True, slots=True)
class NewWork:
    """Work that becomes due when the step's transaction commits.

    `shop`: whose turn it takes while its line is crowded, where the account does not say it.
    """

    step: str
    subject_id: int
    lane: Lane
    account: str = ""
    shop: str = ""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """A step's outcome for one subject, with everything that commits together with it.

    `via`: states passed on the way to `Done.state`, or before a `Later`. `holds`: recorded without moving the state by
    themselves. `lane`: the fulfillment order's lane from the move to `Done.state` on.
    """

    place: Place
    outcome: Outcome
    cause: Cause = Cause.RULES
    via: tuple[State, ...] = ()
    holds: tuple[Hold, ...] = ()
    follow: tuple[NewWork, ...] = ()
    lane: Lane | None = None
    closed_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A step raised for one subject. `error` decides its fate."""

    place: Place
    error: Exception = field(repr=False)


Result = Settled | Failed


class HasPlace(Protocol):
    @property
    def place(self) -> Place: ...


S = TypeVar("S", bound=HasPlace)


def each(step: str, subjects: Iterable[S], decide: Callable[[S], Result]) -> list[Result]:
    """Decide every subject on its own, so that one that raises fails alone."""
    results: list[Result] = []
    for subject in subjects:
        try:
            failpoint(f"{step}.decide", subject.place.subject_id)
            results.append(decide(subject))
        except Exception as error:  # noqa: BLE001 - whatever a rule raises is this member's fate, not its batch's
            results.append(Failed(subject.place, error))
    return results
