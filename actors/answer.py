"""answer: tell the platform the truth about the goods of a case. Intent first, read the case, tell once, record.

*Stopped* pays the buyer back: it is told only when nothing of the case's lines can leave, and never a second time after
an unclear answer. What the seller decides about money is no part of this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.tools import Tools
from adapters.after_sale import AfterSale, StopAnswer, StopReport
from domain.after_sale import AfterSaleCase, CaseStage
from domain.case_asks import CaseAbout
from domain.cases import CaseKind
from domain.errors import Conflict, Misconfigured, Refused, Throttled, Transient
from domain.order import Lane
from domain.outcomes import Done, Later
from domain.steps import Step, Subject
from domain.stop_answers import SETTLING, AnswerKind, StopVerdict, verdict_of
from domain.take_over import Mode, ShopWatchedError
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, NotCalledError, call_each
from infra.engine.results import Failed, Finished, Result, SubjectRef, decide_each
from infra.engine.watch import LOOK_AGAIN_S
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.after_sale import AnswerEnd, AnswerRow, begin_answers, end_answers, load_answers, parts_of_cases
from infra.tables.pool import Connection

STEP = Step(
    name="answer",
    does="tell the platform whether the goods of a case were stopped, before it decides by itself",
    subject=Subject.CASE,
    is_remote=True,
    group="tell",
    failpoints=("told", "decide"),
    stops_order=False,
)

# A stop that has not ended is looked at again after so long, though its end makes the answer due by itself.
_LOOK_S = 300.0
# After its end the review is about to hold what is left of the order.
_SETTLING_S = 10.0
# An unclear answer is looked for in the case so often, and for so long where the platform names no deadline.
_UNCLEAR_S = 60.0
_UNCLEAR_MAX_S = 86_400.0
# These errors say that the call had no effect.
_CLEAR = (Transient, Throttled, Misconfigured)
# Cases whose platform waits for no word about goods.
_OF_NO_GOODS = frozenset({CaseKind.COMPENSATION, CaseKind.RESHIP, CaseKind.REPAIR})
_SETTLED = frozenset({"told", "already", "refused", "unknown"})


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """A case that its platform must hear about. `seen_before`: it may have heard already.

    `left_s`: until the platform decides by itself. `unclear_s`: since an unclear call ended; None: there was none.
    """

    ref: SubjectRef
    row: AnswerRow
    port: AfterSale
    answer: StopAnswer
    code: str
    seen_before: bool


@dataclass(frozen=True, slots=True)
class AnswerTold:
    """The platform took the answer now."""


@dataclass(frozen=True, slots=True)
class AlreadyDecided:
    """The case was over before anything was told, or an earlier call has shown its effect."""

    stage: str


@dataclass(frozen=True, slots=True)
class OtherCase:
    """The case is about something else now: it is read and judged again before anything is told."""


@dataclass(frozen=True, slots=True)
class StillUnclear:
    """*Stopped* may have been told, and the case does not show it."""


@dataclass(frozen=True, slots=True)
class AnswerStep:
    """Answers the cases of one shop."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        # Read, tell, read back.
        return 3 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[PendingAnswer]:
        rows = load_answers(tx, subject_ids)
        parts = parts_of_cases(tx, [row.id for row in rows])
        intents: list[PendingAnswer] = []
        settled: list[Result] = []
        for row in rows:
            ref = SubjectRef(row.id, Lane.P1, row.order_id)
            port = self._port(row)
            if (early := self._left_alone(ref, row, port)) is not None:
                settled.append(early)
                continue
            assert port is not None
            verdict = verdict_of(parts.get(row.id, ()), is_due=self._is_due(row))
            pending = self._pending(ref, row, port, verdict)
            if isinstance(pending, Finished):
                settled.append(pending)
            else:
                intents.append(pending)
        begin_answers(tx, {one.row.id: one.answer for one in intents}, self.call_s)
        return Intended(intents, settled)

    def _port(self, row: AnswerRow) -> AfterSale | None:
        platform = self.tools.platforms.get(row.shop)
        port = platform.after_sale if platform is not None else None
        return port if port is not None and port.answers_stops else None

    def _left_alone(self, ref: SubjectRef, row: AnswerRow, port: AfterSale | None) -> Finished | None:
        shop = self.tools.directory.shops.get(row.shop)
        if shop is not None and shop.mode is Mode.WATCH:
            return Finished(ref, Later("shop_watched", after_s=LOOK_AGAIN_S))
        if port is None or row.answer_status in _SETTLED or not row.platform_order_id:
            return Finished(ref, Done(facts={"left_alone": row.answer_status or "not_answered"}))
        if row.busy_s > 0:
            return Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s))
        about = CaseAbout(kind=CaseKind(row.kind), stage=CaseStage(row.stage))
        if not row.is_asked_about and (about.is_over or about.kind in _OF_NO_GOODS):
            return Finished(ref, Done(facts={"left_alone": row.stage}))
        return None

    def _pending(
        self, ref: SubjectRef, row: AnswerRow, port: AfterSale, verdict: StopVerdict
    ) -> PendingAnswer | Finished:
        is_stopped = verdict.verdict is AnswerKind.STOPPED
        if row.is_asked_about and not (is_stopped and row.answer == StopAnswer.NOT_STOPPED):
            # What may have been told is looked for, whatever has become of the order.
            answer = StopAnswer(row.answer)
            return PendingAnswer(ref, row, port, answer, verdict.code, seen_before=True)
        if verdict.verdict is AnswerKind.NOTHING:
            return Finished(ref, Done(facts={"left_alone": "no_stop"}))
        if verdict.verdict is AnswerKind.WAIT:
            most_s = _SETTLING_S if verdict.code == SETTLING else _LOOK_S
            return Finished(ref, Later("stop_under_way", after_s=self._look_s(row, most_s)))
        answer = StopAnswer.STOPPED if is_stopped else StopAnswer.NOT_STOPPED
        return PendingAnswer(ref, row, port, answer, verdict.code, seen_before=False)

    def _margin_s(self, row: AnswerRow) -> float:
        shop = self.tools.directory.shops.get(row.shop)
        return shop.answer_margin_s if shop is not None else 0.0

    def _is_due(self, row: AnswerRow) -> bool:
        return row.left_s is not None and row.left_s <= self._margin_s(row)

    def _look_s(self, row: AnswerRow, most_s: float) -> float:
        if row.left_s is None:
            return most_s
        return max(1.0, min(most_s, row.left_s - self._margin_s(row)))

    async def call(self, intents: Sequence[PendingAnswer], lease: Lease) -> Mapping[int, Any]:
        return await call_each(
            intents,
            lambda one: self._tell(one, lease),
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
            is_draining=lease.is_draining,
        )

    async def _tell(self, one: PendingAnswer, lease: Lease) -> AnswerTold | AlreadyDecided | OtherCase | StillUnclear:
        """Tell, unless the case is over or is another one now. Raises NotCalledError in a process that drains."""
        case = await one.port.case(one.row.case_id)
        if case.is_final:
            return AlreadyDecided(case.stage)
        if one.seen_before and one.answer is StopAnswer.STOPPED:
            return StillUnclear()
        if _is_other(one.row, case):
            return OtherCase()
        if lease.is_draining():
            raise NotCalledError
        await one.port.answer_stop(
            StopReport(
                case_id=one.row.case_id,
                platform_order_id=one.row.platform_order_id,
                line_ids=tuple(one.row.lines),
                answer=one.answer,
                code=one.code,
                at=self.tools.clock.utcnow(),
                amount=case.amount,
            )
        )
        failpoint("answer.told", one.ref.subject_id)
        return AnswerTold()

    def record(self, tx: Connection, answered: Sequence[tuple[PendingAnswer, Any]]) -> Sequence[Result]:
        end_answers(tx, [_ended(one, answer, self._gives_up(one)) for one, answer in answered])
        answers = {one.ref.subject_id: answer for one, answer in answered}

        def settle(one: PendingAnswer) -> Result:
            return self._settle(one, answers[one.ref.subject_id])

        return decide_each(STEP.name, [one for one, _ in answered], settle)

    def _gives_up(self, one: PendingAnswer) -> bool:
        """Whether nobody looks for an unclear answer any more: its owner asks the platform."""
        if one.row.left_s is not None:
            return one.row.left_s <= 0
        return (one.row.unclear_s or 0.0) > _UNCLEAR_MAX_S

    def _settle(self, one: PendingAnswer, answer: object) -> Result:
        ref = SubjectRef(one.row.id, one.ref.lane, one.row.order_id)
        told: dict[str, object] = {}
        again: Later | None = None
        match answer:
            case AnswerTold():
                told = {"told": True}
            case AlreadyDecided(stage=stage):
                told = {"already": stage}
            case Refused() | Conflict():
                told = {"refused": answer.code}
            case StillUnclear() if self._gives_up(one):
                told = {"told": "unknown"}
            case StillUnclear():
                again = Later("answer_unclear", after_s=_UNCLEAR_S)
            case OtherCase():
                again = Later("case_changed", after_s=_UNCLEAR_S)
            case ShopWatchedError():
                again = Later(answer.code, after_s=LOOK_AGAIN_S)
            case _:
                assert isinstance(answer, Exception)
                return Failed(ref, answer)
        facts = {"case": one.row.case_id, "answer": one.answer, "code": one.code, **told}
        return Finished(ref, again or Done(facts=facts))


@actor(STEP, AnswerStep)
def answer(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _is_other(row: AnswerRow, now: AfterSaleCase) -> bool:
    """Whether the case is about other goods, or none, than when its stop was judged."""
    is_money_only = now.kind is CaseKind.COMPENSATION
    return is_money_only or now.is_unknown or set(now.line_ids) != set(row.lines)


def _ended(one: PendingAnswer, answer: object, gives_up: bool) -> AnswerEnd:  # noqa: FBT001 - passed on as it is
    id_ = one.row.id
    match answer:
        case AnswerTold():
            return AnswerEnd(id_, "told", is_clear=True)
        case AlreadyDecided():
            return AnswerEnd(id_, "told" if one.seen_before else "already", is_clear=True)
        case Refused() | Conflict():
            return AnswerEnd(id_, "refused", is_clear=True)
        case OtherCase():
            return AnswerEnd(id_, "", is_clear=True)
        case StillUnclear():
            return AnswerEnd(id_, "unknown" if gives_up else "asked", is_clear=gives_up)
    is_clear = isinstance(answer, (*_CLEAR, ShopWatchedError)) and not one.seen_before
    return AnswerEnd(id_, "" if is_clear else "asked", is_clear=is_clear)
