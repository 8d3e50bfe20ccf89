"""review: checks every rule that can hold an order. If no rule fires, the order is approved in its final lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from actors.orders.parts import SplitOff, nothing_left, split_off
from actors.tools import Tools
from domain.holds import HoldCode
from domain.lanes import lane_facts, score
from domain.order import Lane, Order
from domain.outcomes import Done, Hold
from domain.part_shipping import lines_held_back
from domain.review import Review as Findings
from domain.review import ReviewFacts
from domain.review import review as ask_rules
from domain.rules import RuleSet
from domain.states import Cause, State
from domain.steps import Step, Subject
from domain.stock import Reservation
from domain.waivers import Waiver, lines_waived, refund_facts, refunds_of
from infra.engine.actor import Runner, actor
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, Result, SubjectRef, decide_each
from infra.queue.keys import BellKey
from infra.tables.holds import load_waivers, open_holds, release_holds
from infra.tables.lines import load_plans, own_shipments
from infra.tables.orders import Locked, load_orders, lock_fulfillment
from infra.tables.pool import Connection

STEP = Step(
    name="review",
    does="check every rule that can hold the order; if none fires, approve it in its final lane",
    subject=Subject.FULFILLMENT_ORDER,
    works_in=frozenset({State.PAID, State.ON_HOLD}),
    leads_to=("reserve", "route"),
    resumes=frozenset({State.PAID}),
    group="order",
)

# The rules may release holds that the rules opened; holds of a person or of a later step stay.
_OURS = frozenset({"normalize", "reserve", "review"})
_NOT_OF_RULES = frozenset({HoldCode.DEAD_LETTER, HoldCode.UNWANTED_WAYBILL, HoldCode.STOPPING})


def _is_ours(code: str, step: str) -> bool:
    return step in _OURS and code not in _NOT_OF_RULES


@dataclass(frozen=True, slots=True)
class UnderReview:
    """A fulfillment order with its content, the open holds as (code, step), and what people released for it.

    `own`: pieces by line that other parts of the order have shipped.
    """

    ref: SubjectRef
    locked: Locked
    order: Order
    holds: tuple[tuple[str, str], ...]
    waivers: tuple[Waiver, ...]
    own: Mapping[str, int]

    @property
    def is_promised(self) -> bool:
        return self.locked.reservation in {Reservation.RESERVED, Reservation.ALLOCATED}


@dataclass(frozen=True, slots=True)
class ReviewStep:
    """Runs again whenever the content changes; holds whose reason is gone are released."""

    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        subjects, stays = self._hold_back(tx, _load(tx, subject_ids))
        cities = self.tools.directory.sender_cities
        released: list[tuple[int, str]] = []

        def decide(subject: UnderReview) -> Result:
            reservation = Reservation(subject.locked.reservation)
            lines = frozenset(line_id for line_id, _ in subject.locked.quantities)
            known = ReviewFacts(reservation, waivers=subject.waivers, own=subject.own, lines=lines)
            findings = ask_rules(subject.order, known, self.tools.rules)
            found = {finding.code for finding in findings.holds}
            gone = [code for code, step in subject.holds if _is_ours(code, step) and code not in found]
            stands = len(subject.holds) > len(gone)
            if findings.approved and not stands and not subject.locked.quantities:
                # An order that others ship stays open until its platform shows it as completed or closed.
                is_ours = subject.order.is_ours
                result = nothing_left(subject.ref) if is_ours else Finished(subject.ref, Done(State.PAID))
            elif findings.approved and not stands:
                scored = score(lane_facts(subject.order), cities, self.tools.rules, in_stock=subject.is_promised)
                is_chosen = subject.locked.is_lane_chosen
                lane = subject.locked.lane if is_chosen else scored.lane
                reasons = ["chosen by a person"] if is_chosen else list(scored.reasons)
                facts = {"lane": lane, "score": scored.score, "reasons": reasons}
                result = self._approved(subject, Done(State.APPROVED, facts | self._version()), lane)
            else:
                result = self._held(subject, findings)
            released.extend((subject.ref.subject_id, code) for code in gone)
            return result

        results = decide_each(STEP.name, subjects, decide)
        release_holds(tx, released, STEP.name)
        return [*results, *stays]

    def _hold_back(self, tx: Connection, subjects: Sequence[UnderReview]) -> tuple[list[UnderReview], list[Result]]:
        """Take lines for which a refund is asked into a part of their own, where the rules let the others go."""
        backs = {subject.ref.subject_id: _held_back(subject, self.tools.rules) for subject in subjects}
        split = [subject for subject in subjects if backs[subject.ref.subject_id]]
        if not split or has_worker_without_parts(tx):
            return list(subjects), []
        parts = split_off(
            tx,
            [SplitOff(subject.locked, subject.order, backs[subject.ref.subject_id], State.PAID) for subject in split],
        )
        results: list[Result] = []
        again: set[int] = set()
        for subject, part in zip(split, parts, strict=True):
            ref = replace(subject.ref, subject_id=part, fulfillment_order_id=part, state=State.PAID)
            back = backs[subject.ref.subject_id]
            hold = Hold(HoldCode.REFUND_REQUESTED, {**refund_facts(back), **self._version()})
            # The order may have been short, or without a SKU, only because of the lines of the other part.
            promised = () if subject.is_promised else (_to_reserve(subject, part), _to_reserve(subject))
            held_back = Done(State.ON_HOLD, {"held_back": dict(back)})
            results.append(Finished(ref, held_back, holds=(hold,), follow=promised))
            if promised:
                again.add(subject.ref.subject_id)
                results.append(Finished(subject.ref, Done(facts={"held_back": dict(back)})))
        stays = [subject for subject in subjects if subject.ref.subject_id not in again]
        return [_without(subject, backs[subject.ref.subject_id]) for subject in stays], results

    def _approved(self, subject: UnderReview, done: Done, lane: Lane) -> Finished:
        ref = subject.ref
        return Finished(
            ref,
            done,
            via=(State.PAID,) if ref.state is State.ON_HOLD else (),
            follow=(NewWork("route", ref.subject_id, lane, shop=subject.order.key.account),),
            lane=lane,
        )

    def _held(self, subject: UnderReview, findings: Findings) -> Finished:
        open_codes = {code for code, _ in subject.holds}
        holds = tuple(
            Hold(finding.code, {**finding.facts, "rule": finding.rule, **self._version()})
            for finding in findings.holds
            if finding.code not in open_codes
        )
        return Finished(subject.ref, Done(State.ON_HOLD, self._version()), Cause.RULES, holds=holds)

    def _version(self) -> dict[str, str]:
        return {"rules": self.tools.rules.version}


@actor(STEP, ReviewStep)
def review(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _held_back(subject: UnderReview, rules: RuleSet) -> dict[str, int]:
    """Pieces by line that stay for a refund while others of the fulfillment order may go; empty where all stay."""
    asked = refunds_of(subject.order) - lines_waived(subject.waivers, HoldCode.REFUND_REQUESTED)
    lines = lines_held_back(subject.order.lines, asked, rules)
    back = {line_id: quantity for line_id, quantity in subject.locked.quantities if line_id in lines}
    return back if len(back) < len(subject.locked.quantities) else {}


def _to_reserve(subject: UnderReview, part: int | None = None) -> NewWork:
    id_ = subject.ref.subject_id if part is None else part
    return NewWork("reserve", id_, subject.ref.lane, shop=subject.order.key.account)


def _without(subject: UnderReview, back: Mapping[str, int]) -> UnderReview:
    if not back:
        return subject
    kept = tuple(line for line in subject.locked.lines if line.line_id not in back)
    return replace(subject, locked=msgspec.structs.replace(subject.locked, lines=kept))


def _own_shipments(tx: Connection, orders: Mapping[int, Order]) -> dict[int, dict[str, int]]:
    """By order. Reads the database only for orders that the platform shows as partly shipped."""
    shipped = [id_ for id_, order in orders.items() if any(line.shipped for line in order.lines)]
    if not shipped:
        return {}
    _, told = load_plans(tx, shipped)
    return {id_: own_shipments(orders[id_], told.get(id_, ())) for id_ in shipped}


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[UnderReview]:
    locked = [
        locked_part
        for locked_part in lock_fulfillment(tx, subject_ids)
        if locked_part.state in STEP.works_in and locked_part.resume_state in {None, State.PAID}
    ]
    orders = load_orders(tx, [locked_part.order_id for locked_part in locked])
    holds = open_holds(tx, [locked_part.id for locked_part in locked])
    waivers = load_waivers(tx, [locked_part.id for locked_part in locked])
    own = _own_shipments(tx, orders)
    return [
        UnderReview(
            SubjectRef(locked_part.id, locked_part.lane, locked_part.order_id, locked_part.id, None, locked_part.state),
            locked_part,
            orders[locked_part.order_id],
            tuple(holds.get(locked_part.id, ())),
            waivers.get(locked_part.id, ()),
            own.get(locked_part.order_id, {}),
        )
        for locked_part in locked
    ]
