"""recall: ask a warehouse not to ship the document that it has. Intent first, ask how far it is, stop, record.

Only a confirmed stop counts. A warehouse that will answer later is asked again; its events may be faster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.tools import Tools
from adapters.documents import DocumentProgress, Stop
from adapters.ports import Warehouse
from domain.errors import Conflict, Malformed, Refused, Throttled, Transient
from domain.order import Lane
from domain.outcomes import Done, Later
from domain.states import Cause, State
from domain.steps import Step, Subject
from domain.stops import RecallStatus
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, call_each
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef, decide_each
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.fulfillment import SubjectsQuery, lock_subject_rows
from infra.tables.placements import RecallRow, intend_recalls, load_recalls, note_recalls, stop_documents
from infra.tables.pool import Connection
from infra.tables.progress import ended_recalls, open_recalls
from infra.tables.stops import open_stops

STEP = Step(
    name="recall",
    does="ask the warehouse to stop what it has of a stopped order",
    subject=Subject.FULFILLMENT_ORDER,
    is_remote=True,
    leads_to=("stop",),
    group="label",
    failpoints=("asked", "decide"),
    stops_order=False,
    done=ended_recalls,
    open_calls=open_recalls,
)

# Seconds until a warehouse that has promised an answer is asked for it.
ANSWER_S = 60.0
_OVER = frozenset({RecallStatus.REFUSED, RecallStatus.TOO_LATE})
# A call that ended so had no effect.
_NO_EFFECT = (Transient, Throttled)


@dataclass(frozen=True, slots=True)
class Recall:
    """A document to stop. `seen_before`: a stop may have been asked for already."""

    ref: SubjectRef
    location: str
    reference: str
    their_id: str
    seen_before: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What a warehouse says of a stop. `is_stopped`: confirmed; otherwise `status`. `code`: why it refused."""

    is_stopped: bool
    status: RecallStatus = RecallStatus.NONE
    code: str = ""


@dataclass(frozen=True, slots=True)
class RecallStep:
    """Stops documents at one warehouse."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        # How far it is, and the stop.
        return 2 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Recall]:
        lock_subject_rows(tx, SubjectsQuery.FULFILLMENT_ORDER, subject_ids)
        intents: list[Recall] = []
        finished: list[Result] = []
        shops = open_stops(tx, subject_ids)
        for row in load_recalls(tx, subject_ids):
            ref, id_ = _place_of(row), row.fulfillment_order_id
            status = RecallStatus(row.recall)
            if row.busy_s > 0:
                # An earlier caller may still be talking to the warehouse: ask only after it has given up.
                finished.append(Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s)))
            elif status in _OVER or id_ not in shops:
                facts = {"left_alone": status or "not_wanted"}
                finished.append(Finished(ref, Done(facts=facts), Cause.SAGA, follow=_again(ref, shops)))
            else:
                seen_before = status is not RecallStatus.NONE
                intents.append(Recall(ref, row.location, row.reference, row.their_id, seen_before))
        intend_recalls(tx, [one.reference for one in intents], self.call_s)
        return Intended(intents, finished)

    async def call(self, intents: Sequence[Recall], lease: Lease) -> Mapping[int, Any]:
        return await call_each(
            intents,
            self._ask,
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
            is_draining=lease.is_draining,
        )

    async def _ask(self, one: Recall) -> Answered:
        warehouse = self.tools.warehouse(one.location)
        if one.seen_before and warehouse.capabilities.can_find:
            known = await _look_up(warehouse, one.reference)
            if known is not None:
                return known
        try:
            answer = await warehouse.stop(one.reference, one.their_id)
        except Conflict as error:
            # The warehouse surely has no such document.
            if error.code != "unknown_reference":
                return Answered(is_stopped=False, status=RecallStatus.REFUSED, code=error.code)
            answer = Stop.STOPPED
        except Refused as error:
            return Answered(is_stopped=False, status=RecallStatus.REFUSED, code=error.code)
        failpoint("recall.asked", one.ref.subject_id)
        if answer is Stop.STOPPED:
            return Answered(is_stopped=True)
        late = answer is Stop.TOO_LATE
        return Answered(is_stopped=False, status=RecallStatus.TOO_LATE if late else RecallStatus.PENDING)

    def record(self, tx: Connection, answered: Sequence[tuple[Recall, Any]]) -> Sequence[Result]:
        stop_documents(tx, [one.reference for one, a in answered if isinstance(a, Answered) and a.is_stopped])
        note_recalls(tx, {one.reference: _status(one, a) for one, a in answered if not _is_stopped(a)})
        shops = open_stops(tx, [one.ref.subject_id for one, _ in answered])
        answers = {one.ref.subject_id: answer for one, answer in answered}

        def result_of(one: Recall) -> Result:
            answer = answers[one.ref.subject_id]
            if not isinstance(answer, Answered):
                return Failed(one.ref, answer)
            if answer.status is RecallStatus.PENDING:
                return Finished(one.ref, Later("stop_pending", after_s=ANSWER_S))
            facts = {"document": one.reference, "location": one.location, "answer": answer.status or "stopped"}
            if answer.code:
                facts["code"] = answer.code
            return Finished(one.ref, Done(facts=facts), Cause.WAREHOUSE, follow=_again(one.ref, shops))

        return decide_each(STEP.name, [one for one, _ in answered], result_of)


@actor(STEP, RecallStep)
def recall(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


async def _look_up(warehouse: Warehouse, reference: str) -> Answered | None:
    """What has become of a stop that may have been asked for; None: the warehouse still has the document in work."""
    found = await warehouse.find(reference)
    if found is None:
        return Answered(is_stopped=True)
    if found.reference != reference:
        raise Malformed("foreign_answer", "the warehouse answered for another reference")
    match found.progress:
        case DocumentProgress.STOPPED | DocumentProgress.REFUSED:
            return Answered(is_stopped=True)
        case DocumentProgress.HANDED_OVER:
            return Answered(is_stopped=False, status=RecallStatus.TOO_LATE)
    return None


def _is_stopped(answer: object) -> bool:
    return isinstance(answer, Answered) and answer.is_stopped


def _status(one: Recall, answer: object) -> RecallStatus:
    if isinstance(answer, Answered):
        return answer.status
    if isinstance(answer, _NO_EFFECT):
        return RecallStatus.UNKNOWN if one.seen_before else RecallStatus.NONE
    return RecallStatus.UNKNOWN


def _again(ref: SubjectRef, shops: Mapping[int, str]) -> tuple[NewWork, ...]:
    shop = shops.get(ref.subject_id)
    return () if shop is None else (NewWork("stop", ref.subject_id, ref.lane, shop=shop),)


def _place_of(row: RecallRow) -> SubjectRef:
    id_ = row.fulfillment_order_id
    return SubjectRef(id_, Lane(row.lane), row.order_id, id_, None, State(row.state))
