"""What a person may do to an order under way, judged by where its parts are. Pure rules.

Each rule returns the parts that the change is about, or raises Conflict with a code that names what to do instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Conflict, Facts
from domain.holds import HoldCode
from domain.states import FINAL_STATES, RANK, State
from domain.stops import StopAsker, StopGoal

# Nothing is routed yet: a part is divided or joined there without anything outside.
_BEFORE_ROUTING = frozenset({State.PAID, State.APPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPart:
    """A fulfillment order, and what is outside of us for it.

    `at`: its state, or what a hold interrupts. `is_consumed`: its goods were handed over. `waybills`: numbers of
    packages that have not left; `refused`: those of them that their courier has refused to cancel. `is_called`: a call
    that books a waybill, or places the document, may have happened. `is_placed`: a warehouse has its document.
    `stop_asker`, `stop_goal`: of its open stop; empty: none is open. The asker is the platform as soon as it asks too.
    `stop_rung`: what the open stop waits for. `is_told_stopped`: its platform was told, or may have been told, that its
    goods stay here. `lines`: pieces by line.
    """

    id: int
    order_id: int
    number: int
    state: State
    at: State
    is_consumed: bool = False
    location: str | None = None
    waybills: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    is_called: bool = False
    is_placed: bool = False
    is_told_stopped: bool = False
    stop_asker: str = ""
    stop_goal: str = ""
    stop_rung: str = ""
    lines: Mapping[str, int]

    @property
    def has_ended(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def has_left(self) -> bool:
        return self.is_consumed or RANK[self.at] >= RANK[State.IN_TRANSIT]

    @property
    def is_inside(self) -> bool:
        """Whether its goods are in the house, and somebody still wants them to leave."""
        return not self.has_ended and not self.has_left

    @property
    def is_stopping(self) -> bool:
        return bool(self.stop_goal)

    @property
    def is_bound(self) -> bool:
        """Whether a courier or a warehouse has, or may have, something of it."""
        return bool(self.waybills) or self.is_called or self.is_placed or RANK[self.at] >= RANK[State.IN_WAREHOUSE]


class PlannedAct(StrEnum):
    """What a stop does of a part, in its order."""

    INTERCEPT = "intercept"
    SETTLE = "settle"
    RECALL = "recall"
    VOID = "void"
    CLOSE = "close"
    REBUILD = "rebuild"


def plan(part: OrderPart, goal: StopGoal) -> tuple[PlannedAct, ...]:
    """What a stop of the part would do as things stand."""
    if part.has_left:
        return (PlannedAct.INTERCEPT,)
    acts = (
        (PlannedAct.SETTLE, part.is_called),
        (PlannedAct.RECALL, part.is_placed or RANK[part.at] >= RANK[State.IN_WAREHOUSE]),
        (PlannedAct.VOID, bool(part.waybills)),
    )
    end = PlannedAct.CLOSE if goal is StopGoal.CLOSE else PlannedAct.REBUILD
    return (*(act for act, is_needed in acts if is_needed), end)


def to_stop(parts: Sequence[OrderPart], lines: Sequence[str] = ()) -> list[OrderPart]:
    """The parts that a stop is asked for. `lines`: the lines that it is about; none: all.

    Raises Conflict ``order_ended``, ``order_comes_back``, and ``stop_open`` where all of them are being stopped.
    """
    _some(parts, [one for one in parts if not one.has_ended], "order_ended")
    out = [one for one in parts if not one.has_ended and one.state is not State.AFTER_SALE]
    _some(parts, out, "order_comes_back")
    wanted = [one for one in out if not lines or set(lines) & set(one.lines)]
    _some(parts, wanted, "lines_not_here", lines=", ".join(lines))
    free = [one for one in wanted if lines or one.stop_goal != StopGoal.CLOSE]
    return _some(parts, free, "stop_open")


def to_close(parts: Sequence[OrderPart]) -> list[OrderPart]:
    """The parts that are closed at once, as nothing of them is outside.

    Raises Conflict ``order_ended``, ``stop_open``, and ``order_bound`` where something is outside: that is stopped.
    """
    left = _some(parts, [one for one in parts if not one.has_ended], "order_ended")
    if any(one.is_stopping for one in left):
        raise _refusal(parts, "stop_open")
    bound = [one for one in left if one.state is not State.AFTER_SALE and (one.has_left or one.is_bound)]
    if bound:
        raise _refusal(bound, "order_bound")
    return left


def to_withdraw(parts: Sequence[OrderPart]) -> list[OrderPart]:
    """The parts whose stop a person may take back.

    Raises Conflict ``stop_not_open``, and ``stop_not_ours`` where the platform asks for it.
    """
    stopping = _some(parts, [one for one in parts if one.is_stopping], "stop_not_open")
    return _some(parts, [one for one in stopping if one.stop_asker != StopAsker.PLATFORM], "stop_not_ours")


def to_confirm(parts: Sequence[OrderPart]) -> list[OrderPart]:
    """The parts of which a person says that the goods are still in the house.

    Raises Conflict ``stop_not_open``, and ``order_left``.
    """
    stopping = _some(parts, [one for one in parts if one.is_stopping], "stop_not_open")
    return _some(parts, [one for one in stopping if not one.has_left], "order_left")


def to_relabel(parts: Sequence[OrderPart]) -> list[OrderPart]:
    """The parts whose waybills are cancelled, and booked anew.

    Raises Conflict ``order_ended``, ``order_left``, ``stop_open`` and ``nothing_to_relabel``.
    """
    inside = _changeable(parts)
    return _some(parts, [one for one in inside if one.waybills or one.is_called], "nothing_to_relabel")


def to_reroute(parts: Sequence[OrderPart]) -> list[OrderPart]:
    """The parts that another location is chosen for.

    Raises Conflict ``order_ended``, ``order_left``, ``stop_open`` and ``nothing_to_reroute``.
    """
    inside = _changeable(parts)
    return _some(parts, [one for one in inside if one.location is not None], "nothing_to_reroute")


def to_correct(parts: Sequence[OrderPart]) -> list[OrderPart]:
    """The parts that are shipped to the corrected address. Raises Conflict as `to_relabel` does, but for the last."""
    return _changeable(parts)


def to_split(parts: Sequence[OrderPart], lines: Sequence[str]) -> OrderPart:
    """The part that these lines leave.

    Raises Conflict ``order_ended``, ``order_left``, ``stop_open``, ``order_routed``, ``lines_not_here`` and
    ``nothing_left_behind``.
    """
    inside = _changeable(parts)
    free = _some(parts, [one for one in inside if one.at in _BEFORE_ROUTING and not one.is_bound], "order_routed")
    having = [one for one in free if set(lines) <= set(one.lines)]
    [part, *_] = _some(parts, having, "lines_not_here", lines=", ".join(lines))
    if set(part.lines) <= set(lines):
        raise _refusal(parts, "nothing_left_behind")
    return part


def to_unsplit(parts: Sequence[OrderPart]) -> tuple[OrderPart, list[OrderPart]]:
    """The part that takes the others, and those.

    Raises Conflict ``order_ended``, ``order_left``, ``stop_open``, and ``not_split`` where fewer than two parts are
    before their routing.
    """
    inside = _changeable(parts)
    free = [one for one in inside if one.at in _BEFORE_ROUTING and not one.is_bound and one.lines]
    if len(free) < 2:  # noqa: PLR2004 - one part cannot be joined with itself
        raise _refusal(parts, "order_routed" if len(inside) > 1 else "not_split")
    first, *others = sorted(free, key=lambda one: one.number)
    return first, others


# Holds that say that the order must not be shipped. Another act than a release ends each of them.
_OF_REFUNDS = frozenset({HoldCode.REFUND_REQUESTED})


def may_release(
    code: HoldCode, parts: Sequence[OrderPart], changed: Sequence[str] = (), *, despite_refund: bool = False
) -> None:
    """Whether a release lets the order go on without shipping what the hold was about. `parts`: those that are held.
    `changed`: what the buyer has changed since the review, of a hold `buyer_changed`.

    A waybill whose courier has refused to cancel it is settled by a person's word: by the release. Raises Conflict
    ``refund_open``, ``stop_open``, ``waybill_lives``, ``label_outdated``, and ``stopped_told`` where the platform pays
    the buyer back because the goods stay here.
    """
    if code in _OF_REFUNDS and any(one.is_told_stopped for one in parts):
        raise _refusal(parts, "stopped_told")
    if code in _OF_REFUNDS and not despite_refund:
        raise _refusal(parts, "refund_open")
    if code is HoldCode.STOPPING and any(one.is_stopping for one in parts):
        raise _refusal(parts, "stop_open", fault="release")
    unasked = [number for one in parts for number in one.waybills if number not in one.refused]
    if code is HoldCode.UNWANTED_WAYBILL and unasked:
        raise _refusal(parts, "waybill_lives", waybills=" ".join(unasked))
    is_labelled = any(one.waybills or one.is_called for one in parts)
    if code is HoldCode.BUYER_CHANGED and is_labelled and set(changed) != {"sums"}:
        raise _refusal(parts, "label_outdated", changed=", ".join(changed))


def _changeable(parts: Sequence[OrderPart]) -> list[OrderPart]:
    left = _some(parts, [one for one in parts if not one.has_ended], "order_ended")
    inside = _some(parts, [one for one in left if one.is_inside], "order_left", fault="change")
    return _some(parts, [one for one in inside if not one.is_stopping], "stop_open")


def _some(parts: Sequence[OrderPart], found: list[OrderPart], code: str, **facts: str) -> list[OrderPart]:
    if not found:
        raise _refusal(parts, code, **facts)
    return found


def _refusal(parts: Sequence[OrderPart], code: str, **facts: str) -> Conflict:
    return Conflict(code, facts={**_facts(parts), **facts})


def _facts(parts: Sequence[OrderPart]) -> Facts:
    if not parts:
        return {}
    return {"order": parts[0].order_id, "states": ", ".join(sorted({one.state for one in parts}))}
