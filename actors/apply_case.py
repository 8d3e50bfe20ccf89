"""apply_case: let an after-sale case act on its order. It asks for a stop, a hold, or takes back what it asked.

An order has one standing for all its cases together, so that one case never takes back what another asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.stops.asking import StopRequest, ask, withdraw
from actors.tools import Tools
from domain.case_asks import CaseAsk, PartAbout, ask_of
from domain.holds import HoldCode
from domain.order import Lane, Order
from domain.outcomes import Done, Hold
from domain.states import FINAL_STATES, Cause, State
from domain.steps import Step, Subject
from domain.stops import StopAsker, StopCode, StopGoal, StopStatus
from domain.waivers import line_facts, lines_waived
from infra.engine.actor import Runner, actor
from infra.engine.replay import go_on
from infra.engine.results import Finished, NewWork, Result, SubjectRef
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.after_sale import PlatformCase, load_platform_cases, platform_cases_of_orders
from infra.tables.holds import load_waivers, open_holds, release_holds
from infra.tables.lines import load_plans
from infra.tables.orders import Locked, load_orders, lock_fulfillment_of_orders
from infra.tables.pool import Connection
from infra.tables.stops import StopRow, stops_of_orders

STEP = Step(
    name="apply_case",
    does="ask for what an after-sale case needs of its order: a stop, a hold, or nothing any more",
    subject=Subject.CASE,
    leads_to=("stop", "answer"),
    group="order",
)

# A stop that ended like this is not asked for again: its end is what the platform hears.
_ENDS_OUTSIDE = frozenset({StopStatus.COMING_BACK, StopStatus.TOO_LATE})
_OF_REFUNDS = frozenset({StopCode.REFUND_ASKED, StopCode.REFUND_PAID})


@dataclass(frozen=True, slots=True)
class CasePart:
    """A fulfillment order, what each case of its order asks of it, its newest stop, and codes of our holds."""

    locked: Locked
    order: Order
    asks: Sequence[tuple[PlatformCase, CaseAsk]]
    stop: StopRow | None
    holds: frozenset[tuple[str, str]]

    @property
    def ref(self) -> SubjectRef:
        locked = self.locked
        return SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)

    @property
    def has_stop(self) -> bool:
        return self.stop is not None and self.stop.status == StopStatus.ASKED

    @property
    def has_failed(self) -> bool:
        """Whether a stop that was asked for a refund, or for good, has ended with goods that have left."""
        stop = self.stop
        if stop is None or stop.status not in _ENDS_OUTSIDE:
            return False
        return stop.goal == StopGoal.CLOSE or stop.code in _OF_REFUNDS

    def request(self) -> StopRequest | None:
        """The stop that the cases ask for together; None where none is wanted, or it is asked for already."""
        wanted = [(case, one) for case, one in self.asks if one.stop is not None]
        if not wanted or self.has_failed:
            return None
        lines: set[str] = set().union(*(one.lines for _, one in wanted))
        is_whole = any(not one.lines for _, one in wanted)
        deadlines = [case.decide_by for case, _ in wanted if case.decide_by is not None]
        is_paid = any(one.stop is StopCode.REFUND_PAID for _, one in wanted)
        request = StopRequest(
            locked=self.locked,
            shop=self.order.key.account,
            asked_by=StopAsker.PLATFORM,
            author=self.order.key.account,
            code=StopCode.REFUND_PAID if is_paid else StopCode.REFUND_ASKED,
            # A refund that is not paid may be withdrawn: the order waits for that as one that nothing binds.
            goal=StopGoal.CLOSE if is_paid else StopGoal.REBUILD,
            lines=() if is_whole else tuple(sorted(lines)),
            case_id=wanted[0][0].case_id,
            until_at=min(deadlines, default=None),
            facts={"case": wanted[0][0].case_id},
        )
        return None if self.stop is not None and _covers(self.stop, request) else request

    @property
    def takes_back(self) -> bool:
        """Whether the open stop was a case's, and neither a case nor the order's content asks for it any more."""
        stop = self.stop
        if stop is None or not self.has_stop or stop.case_id is None or stop.code not in _OF_REFUNDS:
            return False
        mine = {line for line, _ in self.locked.quantities}
        is_asked = any(line.refund_open and line.line_id in mine for line in self.order.lines)
        return not is_asked and not any(one.stop is not None for _, one in self.asks)

    @property
    def holds_unknown(self) -> tuple[str, ...]:
        """Lines whose case nobody can read, for a hold that is not there yet."""
        if not any(one.holds for _, one in self.asks) or any(code == HoldCode.REFUND_UNKNOWN for code, _ in self.holds):
            return ()
        return tuple(sorted(line for line, _ in self.locked.quantities))

    @property
    def frees_unknown(self) -> bool:
        """Whether our hold has lost its reason."""
        is_ours = (HoldCode.REFUND_UNKNOWN, STEP.name) in self.holds
        return is_ours and not any(one.holds for _, one in self.asks)


@dataclass(slots=True)
class _Applied:
    """What was done for an order: results beside those of the cases, facts, and bells."""

    holds: list[tuple[CasePart, tuple[str, ...]]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    rings: set[BellKey] = field(default_factory=set)
    is_answered: bool = False


@dataclass(frozen=True, slots=True)
class ApplyCase:
    """Applies cases, order by order. A case whose order is not here waits for it."""

    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        cases = load_platform_cases(tx, subject_ids)
        order_ids = sorted({one.order_id for one in cases if one.order_id is not None})
        applied = {id_: self._apply(tx, parts) for id_, parts in self._parts(tx, order_ids).items()}
        results: list[Result] = []
        seen: set[int] = set()
        for case in cases:
            failpoint(f"{STEP.name}.decide", case.id)
            if case.order_id is None or case.order_id not in applied:
                ref = SubjectRef(case.id, Lane.P1, case.order_id)
                results.append(Finished(ref, Done(facts={"case": case.case_id, "waits_for": "order"})))
                continue
            done = applied[case.order_id]
            first = case.order_id not in seen
            seen.add(case.order_id)
            results.append(self._settled(case, done, rings=frozenset(done.rings) if first else frozenset()))
            results += [_held(case, part, lines) for part, lines in (done.holds if first else ())]
        return results

    def _settled(self, case: PlatformCase, done: _Applied, *, rings: frozenset[BellKey]) -> Finished:
        port = self.tools.platforms.get(case.shop)
        answers = done.is_answered and port is not None and port.after_sale is not None
        follow = (NewWork("answer", case.id, Lane.P1, case.shop),) if answers else ()
        ref = SubjectRef(case.id, Lane.P1, case.order_id)
        facts = {"case": case.case_id, "kind": case.kind, "stage": case.stage, **done.facts}
        return Finished(ref, Done(facts=facts), Cause.PLATFORM, follow=follow, rings=rings)

    def _parts(self, tx: Connection, order_ids: Sequence[int]) -> dict[int, list[CasePart]]:
        if not order_ids:
            return {}
        fulfillment = lock_fulfillment_of_orders(tx, order_ids)
        ids = [locked.id for each in fulfillment.values() for locked in each]
        cases = platform_cases_of_orders(tx, order_ids)
        orders = load_orders(tx, order_ids)
        planned, _ = load_plans(tx, order_ids)
        bound = {one.fulfillment_order_id for each in planned.values() for one in each if one.bound}
        waivers = load_waivers(tx, ids)
        stops = {one.fulfillment_order_id: one for one in stops_of_orders(tx, order_ids)}
        holds = open_holds(tx, ids)
        found: dict[int, list[CasePart]] = {}
        for order_id, mine in fulfillment.items():
            for locked in mine:
                let_pass = waivers.get(locked.id, ())
                about = PartAbout(
                    at=locked.state if locked.state in FINAL_STATES else locked.at,
                    lines=frozenset(line for line, _ in locked.quantities),
                    is_bound=locked.id in bound,
                    has_left=locked.has_left,
                    waived=lines_waived(let_pass, HoldCode.REFUND_REQUESTED),
                    let_pass=lines_waived(let_pass, HoldCode.REFUND_UNKNOWN),
                )
                asks = [(case, ask_of(case.about, about)) for case in cases.get(order_id, ())]
                part = CasePart(
                    locked, orders[order_id], asks, stops.get(locked.id), frozenset(holds.get(locked.id, ()))
                )
                found.setdefault(order_id, []).append(part)
        return found

    def _apply(self, tx: Connection, parts: Sequence[CasePart]) -> _Applied:
        done = _Applied()
        requests = [request for one in parts if (request := one.request()) is not None]
        if requests:
            _, bells = ask(tx, requests)
            done.rings |= bells
            done.facts["asked"] = "stop"
        is_asked = bool(requests) or any(one.stop is not None for one in parts)
        done.is_answered = is_asked or any(asks.waits for one in parts for _, asks in one.asks)
        for one in parts:
            if one.takes_back:
                done.rings |= withdraw(tx, [one.locked], one.order.key.account, Cause.PLATFORM)
                done.facts["withdrawn"] = "stop"
            if one.frees_unknown:
                done.rings |= _free(tx, one)
                done.facts["released"] = HoldCode.REFUND_UNKNOWN
        done.holds = [(one, lines) for one in parts if (lines := one.holds_unknown)]
        return done


@actor(STEP, ApplyCase)
def apply_case(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _covers(stop: StopRow, request: StopRequest) -> bool:
    """Whether an open stop asks for all of it already, for a case and by the same deadline."""
    is_weaker = request.goal is StopGoal.CLOSE and stop.goal != StopGoal.CLOSE
    if stop.status != StopStatus.ASKED or is_weaker or stop.case_id is None:
        return False
    is_all = not stop.lines or (bool(request.lines) and set(request.lines) <= set(stop.lines))
    is_in_time = request.until_at is None or (stop.until_at is not None and stop.until_at <= request.until_at)
    return is_all and is_in_time


def _held(case: PlatformCase, part: CasePart, lines: Sequence[str]) -> Finished:
    ref = part.ref
    of_case = SubjectRef(case.id, ref.lane, ref.order_id, ref.fulfillment_order_id, None, ref.state)
    facts: Mapping[str, object] = {"case": case.case_id, **line_facts(lines)}
    return Finished(of_case, Hold(HoldCode.REFUND_UNKNOWN, facts), Cause.PLATFORM)


def _free(tx: Connection, part: CasePart) -> set[BellKey]:
    release_holds(tx, [(part.locked.id, HoldCode.REFUND_UNKNOWN)], STEP.name)
    others = part.holds - {(HoldCode.REFUND_UNKNOWN, STEP.name)}
    if part.locked.state is not State.ON_HOLD or others:
        return set()
    return go_on(tx, part.locked, STEP.name, Cause.PLATFORM, {"released": HoldCode.REFUND_UNKNOWN})
