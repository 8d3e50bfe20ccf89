"""What happened to an order, by time: events, and what stands in rows of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.gates import ENGINE
from domain.states import Cause
from infra.engine.author import Role
from infra.process.steps import STEPS

# What stands in the place of a step beside cases: several steps and duties open them, and the row does not say which.
_CASE = "case"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHold:
    """`released_role`: of `released_by`; None while it is open, and where an earlier version released it.

    `snoozed_until`: nobody is reminded of it before; None, or past: it is not snoozed.
    """

    id: int
    fulfillment_order_id: int
    code: str
    step: str
    owner: str
    opened_at: datetime
    due_at: datetime
    snoozed_until: datetime | None
    facts: dict[str, Any]
    released_at: datetime | None
    released_by: str | None
    released_role: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Trouble with a parcel of the order, or what the buyer asks for afterwards. It stops nothing.

    `reason`: why `closed_by` closed it.
    """

    id: int
    case_id: str
    kind: str
    package_id: int | None
    owner: str
    opened_at: datetime
    due_at: datetime
    facts: dict[str, Any]
    closed_at: datetime | None
    closed_by: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: datetime
    kind: str
    step: str
    cause: str
    from_state: str | None
    to_state: str | None
    package_id: int | None
    facts: dict[str, Any]


def timeline(
    payloads: Iterable[Mapping[str, Any]],
    events: Iterable[dict[str, Any]],
    holds: Iterable[ShownHold],
    cases: Iterable[Case],
) -> tuple[Event, ...]:
    """Events, with what stands in rows of its own: payloads that came, holds that were released, and cases."""
    told = [Event(**row) for row in events]
    received = [
        _plain_event("payload_received", row["received_at"], "pull", Cause.PLATFORM, {"source": row["source"]})
        for row in payloads
    ]
    released = [
        _plain_event(
            "hold_released",
            hold.released_at,
            hold.step,
            _who(hold),
            {"code": hold.code, "by": hold.released_by},
        )
        for hold in holds
        if hold.released_at is not None
    ]
    opened = [
        _plain_event(
            "case_opened", case.opened_at, _CASE, Cause.RULES, {"case": case.id, "code": case.kind, "owner": case.owner}
        )
        for case in cases
    ]
    closed = [
        _plain_event(
            "case_closed",
            case.closed_at,
            _CASE,
            Cause.RULES if case.closed_by == ENGINE else Cause.PERSON,
            {"case": case.id, "code": case.kind, "by": case.closed_by, "reason": case.reason},
        )
        for case in cases
        if case.closed_at is not None
    ]
    # Sorting is stable: what one transaction wrote bears one time and keeps its order.
    return tuple(sorted([*received, *told, *released, *opened, *closed], key=lambda event: event.at))


def _who(released: ShownHold) -> Cause:
    if released.released_role is None:
        # An earlier version kept no role: its machine signed with the name of a step.
        return Cause.RULES if released.released_by in set(STEPS) else Cause.PERSON
    return Cause.RULES if released.released_role == Role.MACHINE else Cause.PERSON


def _plain_event(kind: str, at: datetime, step: str, cause: str, facts: dict[str, Any]) -> Event:
    return Event(
        at=at,
        kind=kind,
        step=step,
        cause=cause,
        from_state=None,
        to_state=None,
        package_id=None,
        facts=facts,
    )
