"""What a step hands back to the engine for each subject."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from domain.order import Lane
from domain.outcomes import Hold, Outcome
from domain.states import Cause, State
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """The ids to which a subject's events and holds belong, and the state in which the subject was read."""

    subject_id: int
    lane: Lane
    order_id: int | None = None
    fulfillment_order_id: int | None = None
    package_id: int | None = None
    state: State | None = None


class SubjectColumns(Protocol):
    """The columns that a row needs for its subject's reference."""

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


def ref_of(row: SubjectColumns, subject_id: int) -> SubjectRef:
    """The reference of a subject that belongs to a package."""
    return SubjectRef(
        subject_id, Lane(row.lane), row.order_id, row.fulfillment_order_id, row.package_id, State(row.state)
    )


@dataclass(frozen=True, slots=True)
class NewWork:
    """Work that becomes due when the step's transaction commits.

    `shop`: the shop whose turn the work uses when many rows are due, if the account does not name the shop.
    """

    step: str
    subject_id: int
    lane: Lane
    account: str = ""
    shop: str = ""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A step's outcome for one subject, with everything that commits together with it.

    `via`: states passed on the way to `Done.state`, or before a `Later`. `holds`: recorded without moving the state by
    themselves. `lane`: the fulfillment order's lane from the move to `Done.state` on.
    """

    ref: SubjectRef
    outcome: Outcome
    cause: Cause = Cause.RULES
    via: tuple[State, ...] = ()
    holds: tuple[Hold, ...] = ()
    follow: tuple[NewWork, ...] = ()
    lane: Lane | None = None
    closed_reason: str | None = None
    rings: frozenset[BellKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Failed:
    """A step raised for one subject. `error` decides its fate. `follow`: due whatever that is."""

    ref: SubjectRef
    error: Exception = field(repr=False)
    follow: tuple[NewWork, ...] = ()


Result = Finished | Failed


class HasSubject(Protocol):
    @property
    def ref(self) -> SubjectRef: ...


S = TypeVar("S", bound=HasSubject)


def decide_each(step: str, subjects: Iterable[S], decide: Callable[[S], Result]) -> list[Result]:
    """One result for each subject, in their order. Each subject is decided separately: an error of `decide`, of any
    type, becomes a `Failed` of that subject and is not raised.
    """
    results: list[Result] = []
    for subject in subjects:
        try:
            failpoint(f"{step}.decide", subject.ref.subject_id)
            results.append(decide(subject))
        except Exception as error:  # noqa: BLE001 - whatever a rule raises is this member's fate, not its batch's
            results.append(Failed(subject.ref, error))
    return results
