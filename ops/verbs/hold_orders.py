"""Hold an order as a person, give a hold another owner or due time, and snooze its reminder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import Conflict, Refused
from domain.holds import HOLDS, PERSON, HoldCode
from domain.order import Lane
from domain.states import FINAL_STATES, Cause, State, may
from infra.engine.author import Author
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, event, write
from infra.tables.audit import Verb
from infra.tables.holds import (
    LockedHold,
    assign_holds,
    ended_holds,
    lock_holds,
    open_by_person,
    snooze_holds,
)
from infra.tables.orders import Locked, lock_fulfillment_of_orders
from infra.tables.pool import Connection, Database
from infra.tables.rows import Row
from ops.verbs.change import Change, change
from ops.verbs.holds import codes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOrder:
    """An order that a person has stopped. `states`: of its parts now; `was`: the former states of the parts that the
    hold moved.

    `left`: states of parts that have left or ended, which nothing stops any more.
    """

    order_id: int
    code: str
    owner: str
    due_at: datetime
    states: tuple[str, ...]
    was: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedHold:
    """A hold after the change; `was_*`: before."""

    hold_id: int
    order_id: int
    code: str
    owner: str
    due_at: datetime
    was_owner: str
    was_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SnoozedHold:
    """A hold after the change. None: not snoozed."""

    hold_id: int
    order_id: int
    code: str
    owner: str
    snoozed_until: datetime | None
    was_snoozed_until: datetime | None


def hold(
    db: Database,
    order_id: int,
    code: HoldCode,
    author: Author,
    *,
    owner: str | None = None,
    due_at: datetime | None = None,
) -> HeldOrder:
    """Stop an order where it stands; only a person's release lets it go on.

    All its parts that have not left are held, also those that come to be later. Without `owner` and `due_at` the code
    decides. What a step has begun outside ends as it began: its answer is recorded, and nothing follows from it.

    Raises Conflict ``hold_open`` when a person holds it with this code already, ``order_ended`` and ``order_left`` when
    nothing of it can be stopped any more.
    """
    with change(db, author) as made:
        return hold_in(made, order_id, code, author, owner=owner, due_at=due_at)


def hold_in(
    made: Change,
    order_id: int,
    code: HoldCode,
    author: Author,
    *,
    owner: str | None = None,
    due_at: datetime | None = None,
) -> HeldOrder:
    """As `hold`, in the caller's change, which must not have locked any row of the order before."""
    tx = made.tx
    # A running step holds these rows to its end, so the hold stops the steps that follow. The rows of their work are
    # not locked here: a step locks those first and then finds its order held.
    locked = lock_fulfillment_of_orders(tx, [order_id]).get(order_id, [])
    inside = [one for one in locked if one.state not in FINAL_STATES and not one.has_left]
    left = tuple(sorted(one.state for one in locked if one not in inside))
    if not inside:
        raise Conflict(
            "order_ended" if all(one.state in FINAL_STATES for one in locked) else "order_left",
            facts={"order": order_id, "states": ", ".join(sorted(set(left)))},
        )
    ids = [one.id for one in inside]
    before = {"states": sorted(one.state for one in inside), "holds": codes_of(tx, ids)}
    rule = HOLDS[code]
    whose = owner or rule.owner
    opened = open_by_person(
        tx,
        ids,
        code=code,
        owner=whose,
        due_h=rule.due_h,
        due_at=due_at,
        facts={"by": author.who, "reason": author.reason},
    )
    if not opened:
        raise Conflict("hold_open", facts={"order": order_id, "hold": code})
    held = [one for one in inside if one.id in opened]
    moved = _stop(tx, held, code, author)
    due = min(opened.values())
    states = tuple(sorted(State.ON_HOLD if one in moved else one.state for one in inside))
    made.note(
        Verb.ORDER_HELD,
        f"order/{order_id}",
        before,
        {"states": states, "holds": codes_of(tx, ids)},
        code=code,
        owner=whose,
        due_at=due.isoformat(),
    )
    return HeldOrder(
        order_id=order_id,
        code=code,
        owner=whose,
        due_at=due,
        states=states,
        was=tuple(sorted(one.state for one in moved)),
        left=left,
    )


def _stop(tx: Connection, held: Iterable[Locked], code: HoldCode, author: Author) -> list[Locked]:
    """Move what the table of states lets a person hold; the others, not paid yet or held already, stay."""
    writes = Writes()
    moved = []
    for one in held:
        ref = SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state)
        facts = {"code": code, "by": author.who, "reason": author.reason}
        move = (one.state, State.ON_HOLD)
        is_moved = one.state is not State.ON_HOLD and may(*move, Cause.PERSON)
        writes.events.append(_of_person(ref, "hold_opened", facts, move if is_moved else None))
        if is_moved:
            moved.append(one)
            writes.moves.append(
                {
                    "id": one.id,
                    "from_state": one.state,
                    "to_state": State.ON_HOLD,
                    "resume_state": one.state,
                    "is_final": False,
                    "closed_reason": None,
                    "lane": None,
                }
            )
    write(tx, PERSON, writes)
    return moved


def _of_person(ref: SubjectRef, kind: str, facts: Mapping[str, Any], move: tuple[State, State] | None = None) -> Row:
    """An event that no step has caused."""
    return event(PERSON, ref, kind, Cause.PERSON, move=move, facts=facts)


def assign(
    db: Database, hold_ids: Sequence[int], owner: str, author: Author, *, due_at: datetime | None = None
) -> list[AssignedHold]:
    """Give open holds to a person or team; all of them or none.

    Without `due_at` the due time stays. Raises Conflict ``hold_not_open`` for one that is over, and Refused
    ``hold_unknown`` for one that never was.
    """
    with change(db, author) as made:
        return assign_in(made, hold_ids, owner, author, due_at=due_at)


def assign_in(
    made: Change, hold_ids: Sequence[int], owner: str, author: Author, *, due_at: datetime | None = None
) -> list[AssignedHold]:
    """The same in the caller's change."""
    locked = _lock(made.tx, hold_ids)
    assign_holds(made.tx, hold_ids, owner, due_at)
    done = [
        AssignedHold(
            hold_id=one.id,
            order_id=one.order_id,
            code=one.code,
            owner=owner,
            due_at=due_at or one.due_at,
            was_owner=one.owner,
            was_due_at=one.due_at,
        )
        for one in locked
    ]
    for one in done:
        made.note(
            Verb.HOLD_ASSIGNED,
            f"hold/{one.hold_id}",
            {"owner": one.was_owner, "due_at": _text(one.was_due_at)},
            {"owner": one.owner, "due_at": _text(one.due_at)},
            order_id=one.order_id,
            code=one.code,
        )
    facts = [{"code": one.code, "owner": one.owner, "was": one.was_owner} for one in done]
    _record(made.tx, Verb.HOLD_ASSIGNED, locked, facts, author)
    return done


def snooze(db: Database, hold_ids: Sequence[int], until: datetime | None, author: Author) -> list[SnoozedHold]:
    """Remind nobody of open holds before `until`; None ends a snooze. All of them or none.

    The orders stay held, and their clocks run. Raises as `assign` does.
    """
    with change(db, author) as made:
        return snooze_in(made, hold_ids, until, author)


def snooze_in(made: Change, hold_ids: Sequence[int], until: datetime | None, author: Author) -> list[SnoozedHold]:
    """The same in the caller's change."""
    locked = _lock(made.tx, hold_ids)
    snooze_holds(made.tx, hold_ids, until)
    for one in locked:
        made.note(
            Verb.HOLD_SNOOZED,
            f"hold/{one.id}",
            {"snoozed_until": _text(one.snoozed_until)},
            {"snoozed_until": _text(until)},
            order_id=one.order_id,
            code=one.code,
        )
    facts = [{"code": one.code, "until": _text(until)} for one in locked]
    _record(made.tx, Verb.HOLD_SNOOZED, locked, facts, author)
    return [
        SnoozedHold(
            hold_id=one.id,
            order_id=one.order_id,
            code=one.code,
            owner=one.owner,
            snoozed_until=until,
            was_snoozed_until=one.snoozed_until,
        )
        for one in locked
    ]


def _lock(tx: Connection, hold_ids: Sequence[int]) -> list[LockedHold]:
    locked = lock_holds(tx, hold_ids)
    missing = sorted(set(hold_ids) - {one.id for one in locked})
    if missing:
        ended = ended_holds(tx, missing)
        first = missing[0]
        if first not in ended:
            raise Refused("hold_unknown", facts={"hold": first})
        by, at = ended[first].released_by, ended[first].released_at
        raise Conflict(
            "hold_not_open",
            facts={"fault": "by_number", "hold": first, "by": by, "at": f"{at:%Y-%m-%d %H:%M:%S %Z}"},
        )
    return locked


def _record(
    tx: Connection, verb: Verb, locked: Sequence[LockedHold], facts: Sequence[Mapping[str, Any]], author: Author
) -> None:
    """Write who did what and why on the timelines of the orders."""
    told = {"by": author.who, "reason": author.reason}
    events = [
        _of_person(
            SubjectRef(one.id, Lane(one.lane), one.order_id, one.fulfillment_order_id, None, State(one.state)),
            verb,
            {**fact, **told},
        )
        for one, fact in zip(locked, facts, strict=True)
    ]
    write(tx, PERSON, Writes(events=events))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
