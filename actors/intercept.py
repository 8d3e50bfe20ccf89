"""intercept: ask couriers to bring parcels back whose orders are being stopped, until that is proven or too late.

A courier is asked from its first scan of the parcel on, again and again while it does not take it. *Taken* proves
nothing: what is told of the parcel decides, or what the courier answers when it is asked for the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.stops.asking import stop_work
from actors.tools import Tools
from adapters.ports import Courier, Interception, InterceptRequest
from domain.errors import Conflict, Facts, FulfilmentError, Refused, Throttled, UnknownOutcome
from domain.gates import PAUSED
from domain.interception import (
    CONFIRMED_BY_COURIER,
    DELIVERED,
    InterceptAct,
    InterceptFacts,
    InterceptVerdict,
    judge,
    way_of,
)
from domain.order import Address
from domain.outcomes import Done, Later
from domain.returns import ReturnReason
from domain.states import FINAL_STATES, Cause, State
from domain.steps import Step, Subject
from domain.stops import INTERCEPT_ENDED, InterceptStatus
from domain.tracking import ParcelEvent
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, NotCalledError, call_each
from infra.engine.results import Failed, Finished, Result, SubjectRef, decide_each, ref_of
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.interceptions import (
    CallEnd,
    InterceptNote,
    InterceptRow,
    intend_intercepts,
    load_intercepts,
    note_intercepts,
    unwant_intercepts,
    with_stop,
)
from infra.tables.pool import Connection
from infra.tables.returns import NewReturn, expect_returns
from infra.tables.tracking import events_of
from infra.telemetry.log import get_logger

STEP = Step(
    name="intercept",
    does="ask the courier to bring back a parcel whose order is being stopped",
    subject=Subject.PACKAGE,
    is_remote=True,
    works_in=frozenset(State),
    leads_to=("stop",),
    group="label",
    repeats=True,
    failpoints=("checked", "asked", "decide"),
    # The parcel has left, or leaves: what its courier refuses holds nothing.
    stops_order=False,
)

# A call that ended with one of these errors was certainly not taken.
_NOT_TAKEN = (Refused, Conflict)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WantedIntercept:
    """A parcel and what its courier is called for: its interception, or what became of it."""

    ref: SubjectRef
    row: InterceptRow
    act: InterceptAct


@dataclass(frozen=True, slots=True)
class _News:
    """What becomes of a parcel's interception: what is noted, and when the parcel is looked at again (None: never)."""

    note: InterceptNote
    after_s: float | None

    @property
    def is_confirmed(self) -> bool:
        return self.note.status is InterceptStatus.CONFIRMED


@dataclass(frozen=True, slots=True)
class InterceptStep:
    """Asks one courier account about the parcels that should come back."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        return self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[WantedIntercept]:
        rows = load_intercepts(tx, subject_ids)
        events = events_of(tx, [row.package_id for row in rows]) if rows else {}
        stopped = with_stop(tx, [row.fulfillment_order_id for row in rows])
        results: list[Result] = []
        wanted: list[WantedIntercept] = []
        ended: list[tuple[InterceptRow, _News]] = []
        withdrawn: list[int] = []
        for row in rows:
            ref, status = ref_of(row, row.package_id), InterceptStatus(row.status)
            if status in INTERCEPT_ENDED or ref.state in FINAL_STATES:
                results.append(Finished(ref, Done(facts={"left_alone": status or row.state})))
            elif status is InterceptStatus.NONE and row.fulfillment_order_id not in stopped:
                withdrawn.append(row.package_id)
                results.append(Finished(ref, Done(facts={"left_alone": "withdrawn"})))
            elif row.busy_s > 0:
                # An earlier caller may still be talking to the courier.
                results.append(Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s)))
            else:
                verdict = self._judge(row, events[row.package_id])
                if verdict.act in {InterceptAct.ASK, InterceptAct.ASK_RESULT}:
                    wanted.append(WantedIntercept(ref, row, verdict.act))
                elif verdict.act is InterceptAct.WAIT:
                    results.append(Finished(ref, Later(verdict.why, after_s=verdict.after_s)))
                else:
                    ended.append((row, _end(row, verdict)))
        unwant_intercepts(tx, withdrawn)
        results += self._note(tx, ended)
        asked = [one.ref.subject_id for one in wanted if one.act is InterceptAct.ASK]
        intend_intercepts(tx, asked, self.call_s)
        return Intended(wanted, results)

    def _judge(self, row: InterceptRow, events: set[ParcelEvent]) -> InterceptVerdict:
        courier = self.tools.couriers.get(row.account)
        facts = InterceptFacts(
            status=InterceptStatus(row.status),
            can_ask=courier is not None and courier.can_intercept,
            can_ask_result=courier is not None and courier.can_ask_intercept,
            repeats=courier is not None and courier.repeats_intercept,
            is_tracked=courier is not None and courier.can_track,
            has_left=row.has_left,
            is_collected=row.is_collected,
            is_unclear=row.is_unclear,
            asked_at=row.asked_at,
            since=row.since,
            way=way_of(events, row.delivered_at),
        )
        return judge(facts, row.seen_at, self.tools.settings.intercept.pace)

    async def call(self, intents: Sequence[WantedIntercept], lease: Lease) -> Mapping[int, Any]:
        courier = self.tools.courier(lease.key.account)
        return await call_each(
            intents,
            lambda one: self._call(courier, one),
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
            is_draining=lease.is_draining,
        )

    async def _call(self, courier: Courier, one: WantedIntercept) -> Interception | None:
        row = one.row
        failpoint(f"{STEP.name}.checked", row.package_id)
        if one.act is InterceptAct.ASK_RESULT:
            answer = await courier.ask_intercept(row.waybill)
        else:
            sender = self.tools.directory.location(row.location).sender
            back_to = Address(
                sender.contact, sender.phone, sender.province, sender.city, sender.district, "", sender.detail
            )
            answer = await courier.intercept(InterceptRequest(row.reference, row.waybill, back_to))
        failpoint(f"{STEP.name}.asked", row.package_id)
        return answer

    def record(self, tx: Connection, answered: Sequence[tuple[WantedIntercept, Any]]) -> Sequence[Result]:
        results: list[Result] = []
        known: list[tuple[InterceptRow, _News]] = []
        refs = {one.row.package_id: one.ref for one, _ in answered}
        for one, answer in answered:
            if isinstance(answer, Exception) and _is_engines(answer):
                if one.act is InterceptAct.ASK:
                    note_intercepts(tx, [_not_made(one.row)])
                results.append(Failed(one.ref, answer))
            else:
                known.append((one.row, self._read(one, answer)))
        return [*results, *self._note(tx, known, refs)]

    def _read(self, one: WantedIntercept, answer: object) -> _News:
        """What an answer means. An error is never the end: the parcel is looked at again until its clock ends."""
        pace = self.tools.settings.intercept.pace
        if isinstance(answer, Exception):
            return self._read_error(one, answer)
        note, taken = InterceptStatus.ASKED, pace.retry_s
        match answer:
            case Interception.TAKEN:
                note, taken = InterceptStatus.TAKEN, pace.result_s if self._can_ask_result(one) else pace.look_s
            case Interception.STOPPED:
                return _News(_note(one.row, InterceptStatus.CONFIRMED, CONFIRMED_BY_COURIER), None)
            case Interception.TOO_LATE:
                return _News(_note(one.row, InterceptStatus.FAILED, DELIVERED), None)
            case None:
                # Whatever was sent, the courier knows of no interception: it is asked for one.
                return _News(_note(one.row, InterceptStatus.ASKED, "none_there"), 0.0)
            case _:
                pass
        return _News(_note(one.row, note, str(answer)), taken)

    def _read_error(self, one: WantedIntercept, error: Exception) -> _News:
        assert isinstance(error, FulfilmentError)
        pace = self.tools.settings.intercept.pace
        was = InterceptStatus(one.row.status)
        log.warning("intercept_unanswered", package_id=one.row.package_id, code=error.code, error=error.message)
        if one.act is InterceptAct.ASK_RESULT:
            # A question that fails says nothing: what is known stays.
            call = CallEnd.UNCLEAR if one.row.is_unclear else CallEnd.CLEAR
            return _News(InterceptNote(one.row.package_id, was, error.code, call), pace.result_s)
        if isinstance(error, UnknownOutcome):
            still = InterceptStatus.TAKEN if was is InterceptStatus.TAKEN else InterceptStatus.ASKED
            return _News(InterceptNote(one.row.package_id, still, error.code, CallEnd.UNCLEAR), pace.unclear_s)
        if isinstance(error, _NOT_TAKEN):
            # Perhaps an earlier one was taken. Only a courier that never carries out two is asked a second time.
            return _News(_note(one.row, InterceptStatus.ASKED, error.code), pace.retry_s)
        status = InterceptStatus.ASKED if was is InterceptStatus.NONE else was
        call = CallEnd.UNCLEAR if one.row.is_unclear else CallEnd.CLEAR
        return _News(InterceptNote(one.row.package_id, status, error.code, call), pace.retry_s)

    def _can_ask_result(self, one: WantedIntercept) -> bool:
        courier = self.tools.couriers.get(one.row.account)
        return courier is not None and courier.can_ask_intercept

    def _note(
        self,
        tx: Connection,
        known: Sequence[tuple[InterceptRow, _News]],
        refs: Mapping[int, SubjectRef] | None = None,
    ) -> list[Result]:
        """Store what is known. What is proven is expected back, and its stop looks at it."""
        note_intercepts(tx, [news.note for _, news in known])
        back = [row for row, news in known if news.is_confirmed]
        expect_returns(tx, [NewReturn(row.package_id, row.order_id, ReturnReason.INTERCEPTED) for row in back])
        news_of = {row.package_id: (row, news) for row, news in known}
        subjects = [_NotedParcel((refs or {}).get(row.package_id) or ref_of(row, row.package_id)) for row, _ in known]
        return decide_each(STEP.name, subjects, lambda one: _settled(one.ref, *news_of[one.ref.subject_id]))


@actor(STEP, InterceptStep)
def intercept(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


@dataclass(frozen=True, slots=True)
class _NotedParcel:
    ref: SubjectRef


def _settled(ref: SubjectRef, row: InterceptRow, news: _News) -> Result:
    facts: Facts = {"courier": row.courier, "waybill": row.waybill, "why": news.note.code}
    if news.after_s is not None:
        return Finished(ref, Later(news.note.code or news.note.status, after_s=news.after_s), Cause.COURIER)
    follow = (stop_work(row.fulfillment_order_id, ref.lane, row.key.account),)
    return Finished(ref, Done(facts={"intercept": news.note.status, **facts}), Cause.COURIER, follow=follow)


def _end(row: InterceptRow, verdict: InterceptVerdict) -> _News:
    is_back = verdict.act is InterceptAct.CONFIRM
    return _News(_note(row, InterceptStatus.CONFIRMED if is_back else InterceptStatus.FAILED, verdict.why), None)


def _note(row: InterceptRow, status: InterceptStatus, code: str) -> InterceptNote:
    return InterceptNote(row.package_id, status, code)


def _not_made(row: InterceptRow) -> InterceptNote:
    status = InterceptStatus(row.status)
    call = CallEnd.UNCLEAR if row.is_unclear else CallEnd.NOT_MADE
    return InterceptNote(row.package_id, status, "", call, row.asked_at)


def _is_engines(error: Exception) -> bool:
    """Whether the engine knows best when the call may be made again, or the error is a defect of ours."""
    if not isinstance(error, FulfilmentError):
        return True
    return isinstance(error, (Throttled, NotCalledError)) or PAUSED in error.facts
