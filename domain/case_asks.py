"""What an after-sale case asks of a fulfillment order, by its kind and stage and by where the goods are. Pure rules.

An order that nothing binds yet is held by its own content, and goes on by itself: a case asks nothing of it.
"""

from dataclasses import dataclass

from domain.after_sale import ENDED_WITHOUT_EFFECT, CaseStage
from domain.cases import CaseKind
from domain.states import FINAL_STATES, RANK, State
from domain.stops import StopCode

# Refunds for which no goods come back from the buyer.
_KEEPS_GOODS = frozenset({CaseKind.PRE_SHIP, CaseKind.REFUND_ONLY})
# Goods must not leave as they are while one of these is open.
_STOPS = _KEEPS_GOODS | {CaseKind.RETURN_REFUND, CaseKind.EXCHANGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAbout:
    """A case, as far as it asks something. `line_ids`: none: all lines."""

    kind: CaseKind
    stage: CaseStage
    line_ids: frozenset[str] = frozenset()

    @property
    def is_unknown(self) -> bool:
        return self.stage is CaseStage.UNKNOWN or self.kind is CaseKind.UNKNOWN_CASE

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and the order is as if nobody had asked."""
        return self.stage in ENDED_WITHOUT_EFFECT


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAbout:
    """A fulfillment order. `at`: its state, or what a hold interrupts. `lines`: pieces by line.

    `is_bound`: it has a label, or a warehouse has it, or may have. `has_left`: it was handed over. `waived`: lines
    whose refund a person let pass; `let_pass`: lines of which a person let pass that nobody knows.
    """

    at: State
    lines: frozenset[str]
    is_bound: bool
    has_left: bool
    waived: frozenset[str] = frozenset()
    let_pass: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CaseAsk:
    """What a case asks of one fulfillment order: a stop of some lines (none named: all), or a hold.

    Neither: nothing; what it asked earlier is taken back, unless another case asks the same. `waits`: nothing binds the
    goods, and the order's own content holds them; its platform waits for an answer all the same.
    """

    stop: StopCode | None = None
    lines: tuple[str, ...] = ()
    holds: bool = False
    waits: bool = False


_NOTHING = CaseAsk()


def ask_of(case: CaseAbout, part: PartAbout) -> CaseAsk:
    """What the case asks of the fulfillment order now."""
    mine = part.lines & case.line_ids if case.line_ids else part.lines
    if not mine or part.at in FINAL_STATES or case.is_over:
        return _NOTHING
    if case.is_unknown:
        return CaseAsk(holds=not part.has_left and not mine <= part.let_pass)
    code = _stop_of(case, part)
    if code is None:
        return CaseAsk(waits=_is_held_by_content(case, part) and not mine <= part.waived)
    if code is StopCode.REFUND_ASKED and mine <= part.waived:
        return _NOTHING
    return CaseAsk(stop=code, lines=() if mine == part.lines else tuple(sorted(mine)))


def _is_held_by_content(case: CaseAbout, part: PartAbout) -> bool:
    return case.kind in _STOPS and not part.is_bound and not part.has_left


def _stop_of(case: CaseAbout, part: PartAbout) -> StopCode | None:
    if case.kind not in _STOPS:
        return None
    code = StopCode.REFUND_PAID if case.stage is CaseStage.REFUNDED else StopCode.REFUND_ASKED
    if not part.has_left:
        return code if part.is_bound else None
    # What the buyer sends back, or has already, is not taken from the courier.
    is_under_way = RANK[part.at] < RANK[State.DELIVERED]
    return code if is_under_way and case.kind in _KEEPS_GOODS else None
