"""Writes the outcomes of a batch: states, holds, events, dead letters, finished and new work, set by set.

Everything here happens in the step's own transaction; the returned bells are rung after the commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.holds import HOLDS
from domain.order import Lane
from domain.outcomes import Hold, Later
from domain.states import FINAL_STATES, Cause, State, may
from domain.steps import Subject
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables import fulfillment, letters, work
from infra.tables.answers import NewAnswer, keep
from infra.tables.events import record_events
from infra.tables.fulfillment import SubjectsQuery, lock_subject_rows
from infra.tables.holds import add_holds
from infra.tables.pool import Connection
from infra.tables.rows import Row
from infra.tables.work import NewWorkRow


@dataclass(slots=True)
class Writes:
    """The rows for a batch's outcomes, collected before anything is written."""

    finished: list[int] = field(default_factory=list)
    postponed: list[Row] = field(default_factory=list)
    gated: list[Row] = field(default_factory=list)
    moves: list[Row] = field(default_factory=list)
    holds: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)
    answers: list[NewAnswer] = field(default_factory=list)
    added: list[NewWork] = field(default_factory=list)
    rings: set[BellKey] = field(default_factory=set)


def write_outcomes(tx: Connection, step: str, results: Sequence[Result], judge: "Judge") -> set[BellKey]:
    """Write all outcomes of a batch; return the bells to ring after the commit.

    Raises RuntimeError when a state moved although its row was locked: a defect, never a race.
    """
    writes = Writes()
    for result in results:
        if isinstance(result, Failed):
            judge.judge(tx, step, result, writes)
            writes.added.extend(result.follow)
        else:
            gather(step, result, writes)
    write(tx, step, writes)
    return writes.rings | {BellKey(one.step, one.lane, one.account) for one in writes.added if one.after_s <= 0}


class Judge(Protocol):
    """Decides the result for a failed subject."""

    def judge(self, tx: Connection, step: str, failed: Failed, writes: Writes) -> None: ...


def gather(step: str, finished: Finished, writes: Writes) -> None:
    """Turn one outcome into rows."""
    ref, outcome = finished.ref, finished.outcome
    strays = [one.step for one in finished.follow if one.step not in STEPS[step].leads_to]
    if strays:
        raise RuntimeError(f"{step} does not lead to {', '.join(strays)}")
    writes.added.extend(finished.follow)
    writes.rings |= finished.rings
    for hold in finished.holds:
        add_hold(step, ref, hold, writes)
    if isinstance(outcome, Later):
        if finished.via:
            add_move(step, finished, finished.via, writes, facts={})
        is_fresh = STEPS[step].is_endless
        writes.postponed.append(postponed(ref, outcome.after_s, is_fresh=is_fresh))
        return
    writes.finished.append(ref.subject_id)
    if isinstance(outcome, Hold):
        stop(step, ref, outcome, writes)
        return
    path = (*finished.via, outcome.state) if outcome.state else finished.via
    if path:
        add_move(step, finished, path, writes, facts=outcome.facts)
    else:
        writes.events.append(event(step, ref, f"{step}_done", finished.cause, facts=outcome.facts))


def postponed(
    ref: SubjectRef, after_s: float, *, spent: int = 0, cause: Row | None = None, is_fresh: bool = False
) -> Row:
    """A row for `infra.tables.work.postpone`: due again in `after_s` seconds; `spent` is 1 if an attempt counts."""
    return {
        "subject_id": ref.subject_id,
        "after_s": after_s,
        "spent": spent,
        "cause": cause,
        "is_fresh": is_fresh,
    }


def gated_row(ref: SubjectRef, gate: str, cause: Row | None = None) -> Row:
    """Work that waits until an account's gate opens."""
    return {"subject_id": ref.subject_id, "gate": gate, "cause": cause}


def stop(step: str, ref: SubjectRef, hold: Hold, writes: Writes) -> None:
    """Open a hold and, where the table allows it, move the fulfillment order to `on_hold`.

    After `packed` nothing can be stopped any more, and write-back and notice never stop a shipment: the hold then
    leaves the state unchanged.
    """
    add_hold(step, ref, hold, writes)
    if STEPS[step].stops_order and ref.state is not None and may(ref.state, State.ON_HOLD, Cause.RULES):
        add_move(step, Finished(ref, hold), (State.ON_HOLD,), writes, facts={"code": hold.code})


def add_hold(step: str, ref: SubjectRef, hold: Hold, writes: Writes) -> None:
    """Gather the row of a hold, and its event on the timeline."""
    rule = HOLDS[hold.code]
    writes.holds.append(
        {
            "fulfillment_order_id": ref.fulfillment_order_id,
            "code": hold.code,
            "step": step,
            "owner": rule.owner,
            "due_h": rule.due_h,
            "facts": dict(hold.facts),
        }
    )
    # An error behind a hold has a code of its own.
    facts = {"error" if name == "code" else name: value for name, value in hold.facts.items()}
    writes.events.append(event(step, ref, "hold_opened", Cause.RULES, facts={"code": hold.code, **facts}))


def add_move(step: str, finished: Finished, path: Sequence[State], writes: Writes, *, facts: Mapping[str, Any]) -> None:
    """Walk `path` from the subject's state; the first move outside the table is refused and recorded."""
    ref = finished.ref
    assert ref.state is not None
    now, came_from = ref.state, ref.state
    for to in path:
        if to == now:
            continue
        if not may(now, to, finished.cause):
            writes.events.append(
                event(step, ref, "move_refused", finished.cause, move=(now, to), facts={"path": list(path)})
            )
            break
        writes.events.append(event(step, ref, f"{step}_moved", finished.cause, move=(now, to), facts=facts))
        came_from, now = now, to
    if now == ref.state:
        return
    writes.moves.append(
        {
            "id": ref.fulfillment_order_id,
            "from_state": ref.state,
            "to_state": now,
            "resume_state": came_from if now == State.ON_HOLD else None,
            "is_final": now in FINAL_STATES,
            "closed_reason": finished.closed_reason if now == State.CLOSED else None,
            "lane": finished.lane,
        }
    )


def event(
    step: str,
    ref: SubjectRef,
    kind: str,
    cause: Cause,
    *,
    move: tuple[State, State] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Row:
    """A row of the timeline, for `infra.tables.events.record_events`."""
    return {
        "order_id": ref.order_id,
        "fulfillment_order_id": ref.fulfillment_order_id,
        "package_id": ref.package_id,
        "kind": kind,
        "step": step,
        "cause": cause,
        "from_state": move[0] if move else None,
        "to_state": move[1] if move else None,
        "facts": dict(facts or {}),
    }


def write(tx: Connection, step: str, writes: Writes) -> None:
    """Send the gathered rows, at most one statement a table; nothing is read until all are sent."""
    have_moved = fulfillment.move(tx, writes.moves)
    if writes.holds:
        add_holds(tx, writes.holds)
    if writes.letters:
        letters.add_letters(tx, writes.letters)
    if writes.answers:
        keep(tx, writes.answers)
    if writes.events:
        record_events(tx, writes.events)
    if writes.finished:
        work.finish(tx, step, writes.finished)
    if writes.postponed:
        work.postpone(tx, step, writes.postponed)
    if writes.gated:
        work.wait_for_gate(tx, step, writes.gated)
    add_work(tx, writes.added)
    if not have_moved():
        raise RuntimeError(f"{step}: a fulfillment order moved while its row was locked")


def add_work(tx: Connection, added: Iterable[NewWork]) -> None:
    """Make work due; work that is there already keeps its place."""
    work.add(tx, (NewWorkRow(one.step, one.subject_id, one.lane, one.account, one.shop, one.after_s) for one in added))


_SUBJECTS_QUERY = {
    Subject.FULFILLMENT_ORDER: SubjectsQuery.FULFILLMENT_ORDER,
    Subject.PACKAGE: SubjectsQuery.PACKAGE,
    Subject.NOTICE: SubjectsQuery.NOTICE,
}


def lock_subjects(tx: Connection, step: str, lane: str, subject_ids: Sequence[int]) -> dict[int, SubjectRef]:
    """The present references of subjects, with their fulfillment orders locked until the transaction ends.

    For a step that only another version knows, the reference holds the subject alone.
    """
    known = STEPS.get(step)
    subjects = _SUBJECTS_QUERY.get(known.subject) if known else None
    found: dict[int, SubjectRef] = {}
    for one in lock_subject_rows(tx, subjects, subject_ids) if subjects else ():
        found[one.subject_id] = SubjectRef(
            one.subject_id, one.lane, one.order_id, one.fulfillment_order_id, one.package_id, one.state
        )
    return {id_: found.get(id_) or SubjectRef(id_, Lane(lane)) for id_ in subject_ids}
