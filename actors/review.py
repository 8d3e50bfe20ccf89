"""review: every rule that can hold an order is asked; none fires, and it is approved in its final lane."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools import Tools
from domain.holds import HoldCode
from domain.lanes import lane_facts, score
from domain.order import Lane, Order
from domain.outcomes import Done, Hold
from domain.review import Review as Findings
from domain.review import ReviewFacts
from domain.review import review as ask_rules
from domain.states import STEPS, Cause, State, Step
from domain.stock import Reservation
from domain.waivers import Waiver
from infra.db.letters import load_waivers
from infra.db.orders import Locked, load_orders, lock_fulfillment, open_holds, rows_json
from infra.db.pool import Connection
from infra.engine.results import NewWork, Place, Result, Settled, each
from infra.engine.settle import FULFILLMENT

STEP = Step.REVIEW

# Holds that the rules opened, the rules may take back; what a person or a later step opened stays.
_OURS = frozenset({Step.NORMALIZE, Step.RESERVE, Step.REVIEW})


def _is_ours(code: str, step: str) -> bool:
    return step in _OURS and code != HoldCode.DEAD_LETTER


@dataclass(frozen=True, slots=True)
class UnderReview:
    """A fulfillment order with its content, the open holds as (code, step), and what people released for it."""

    place: Place
    locked: Locked
    order: Order
    holds: tuple[tuple[str, str], ...]
    waivers: tuple[Waiver, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """Runs again whenever the content changes; holds whose reason is gone are released."""

    tools: Tools
    step: Step = STEP

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        subjects = _load(tx, subject_ids)
        cities = [location.sender.city for location in self.tools.settings.locations]
        released: list[dict[str, object]] = []

        def decide(subject: UnderReview) -> Result:
            reservation = Reservation(subject.locked.reservation)
            findings = ask_rules(subject.order, ReviewFacts(reservation, waivers=subject.waivers), self.tools.rules)
            found = {finding.code for finding in findings.holds}
            gone = [code for code, step in subject.holds if _is_ours(code, step) and code not in found]
            stands = len(subject.holds) > len(gone)
            if findings.approved and not stands and not subject.locked.quantities:
                result = _nothing_left(subject)
            elif findings.approved and not stands:
                in_stock = reservation in {Reservation.RESERVED, Reservation.ALLOCATED}
                scored = score(lane_facts(subject.order), cities, self.tools.rules, in_stock=in_stock)
                is_chosen = subject.locked.is_lane_chosen
                lane = subject.locked.lane if is_chosen else scored.lane
                reasons = ["chosen by a person"] if is_chosen else list(scored.reasons)
                facts = {"lane": lane, "score": scored.score, "reasons": reasons}
                result = self._approved(subject, Done(State.APPROVED, facts | self._version()), lane)
            else:
                result = self._held(subject, findings)
            released.extend({"fulfillment_order_id": subject.place.subject_id, "code": code} for code in gone)
            return result

        results = each(STEP, subjects, decide)
        if released:
            tx.execute(FULFILLMENT["release_holds"], {"rows": rows_json(released), "by": STEP})
        return results

    def _approved(self, subject: UnderReview, done: Done, lane: Lane) -> Settled:
        place = subject.place
        return Settled(
            place,
            done,
            via=(State.PAID,) if place.state is State.ON_HOLD else (),
            follow=(NewWork(Step.ROUTE, place.subject_id, lane, shop=subject.order.key.account),),
            lane=lane,
        )

    def _held(self, subject: UnderReview, findings: Findings) -> Settled:
        open_codes = {code for code, _ in subject.holds}
        holds = tuple(
            Hold(finding.code, {**finding.facts, "rule": finding.rule, **self._version()})
            for finding in findings.holds
            if finding.code not in open_codes
        )
        return Settled(subject.place, Done(State.ON_HOLD, self._version()), Cause.RULES, holds=holds)

    def _version(self) -> dict[str, str]:
        return {"rules": self.tools.rules.version}


def _nothing_left(subject: UnderReview) -> Settled:
    """Every piece was refunded, or somebody else has shipped it, and a person has looked at that."""
    return Settled(subject.place, Done(State.CLOSED), Cause.PLATFORM, closed_reason="nothing_left")


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[UnderReview]:
    locked = [
        each_
        for each_ in lock_fulfillment(tx, subject_ids)
        if each_.state in STEPS[STEP].works_in and each_.resume_state in {None, State.PAID}
    ]
    orders = load_orders(tx, [each_.order_id for each_ in locked])
    holds = open_holds(tx, [each_.id for each_ in locked])
    waivers = load_waivers(tx, [each_.id for each_ in locked])
    return [
        UnderReview(
            Place(each_.id, each_.lane, each_.order_id, each_.id, None, each_.state),
            each_,
            orders[each_.order_id],
            tuple(holds.get(each_.id, ())),
            waivers.get(each_.id, ()),
        )
        for each_ in locked
    ]
