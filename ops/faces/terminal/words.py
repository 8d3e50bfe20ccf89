"""What happened to an order, in words: one line for each event, hold, and cause."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from domain.holds import HOLDS, HoldCode

Facts = Mapping[str, Any]

# Told in a sentence of their own, or of use to machines only.
_TOLD_ELSEWHERE = frozenset({"rules", "rule", "type", "at", "when", "attempt", "behind"})

_NAMES = {
    "lines_off_minor": "lines differ from the payable sum by (minor units)",
    "totals_off_minor": "goods less discount differ from the payable sum by (minor units)",
    "platform_state": "the platform shows it as",
    "skus": "SKU",
    "path": "wanted to go to",
    "found_by": "found by",
    "refunds": "refund of",
}


def meaning(code: str) -> str:
    """A hold's code in words; empty for a code this version does not know."""
    return HOLDS[HoldCode(code)].meaning if code in set(HoldCode) else ""


def event_in_words(kind: str, facts: Facts) -> str:
    """Why the event happened. Facts that have no words of their own are named as they are."""
    rest = dict(facts)
    sentences = [
        *_opening(kind, rest),
        *_decision(rest),
        *_remaining(rest),
        *(f"rules {facts[name]}" for name in ("rules",) if name in facts),
    ]
    return "; ".join(sentences)


def facts_in_words(facts: Facts) -> str:
    """The facts of a hold."""
    return "; ".join(_remaining(dict(facts)))


def cause_in_words(cause: Facts) -> Iterator[str]:
    """One try of a dead letter: what was raised, where, and what stood behind it, outermost first."""
    for link in (cause, *cause.get("behind", ())):
        code, message = link.get("code") or link.get("type", ""), link.get("message", "")
        place = f" at {link['at']}" if link.get("at") else ""
        yield f"{code}: {message}{place}" if message else f"{code}{place}"


def _hold_opened(rest: dict[str, Any]) -> str:
    code = str(rest.pop("code", ""))
    return f"hold {code}: {meaning(code)}" if meaning(code) else f"hold {code}"


def _letter(verb: str, rest: dict[str, Any]) -> str:
    by = f" by {rest.pop('by')}" if rest.get("by") else ""
    return f"dead letter {rest.pop('letter', '?')} {verb}{by}"


def _clock_alarm(rest: dict[str, Any]) -> str:
    if "days_late" in rest:
        return f"still here, {rest.pop('days_late')} days after its ship-by time"
    return f"{rest.pop('clock_used_percent', '?')} % of the time until its ship-by have passed"


def _hold_assigned(rest: dict[str, Any]) -> str:
    for name in ("due_at", "was_due_at"):
        rest.pop(name, None)
    was, owner = rest.pop("was", "?"), rest.pop("owner", "?")
    return f"hold {rest.pop('code', '')} given from {was} to {owner} by {rest.pop('by', '')}"


def _hold_snoozed(rest: dict[str, Any]) -> str:
    code, until, by = rest.pop("code", ""), rest.pop("until", None), rest.pop("by", "")
    rest.pop("owner", None)
    rest.pop("was", None)
    return f"hold {code} snoozed until {until} by {by}" if until else f"snooze of hold {code} ended by {by}"


_OPENINGS: dict[str, Callable[[dict[str, Any]], str]] = {
    "hold_opened": _hold_opened,
    "hold_released": lambda rest: f"hold {rest.pop('code', '')} released by {rest.pop('by', '')}",
    "hold_assigned": _hold_assigned,
    "hold_snoozed": _hold_snoozed,
    "payload_received": lambda rest: f"payload received by {rest.pop('source', '')}",
    "move_refused": lambda _: "move refused: not in the table of states",
    "scan_contradicts": lambda rest: f"the warehouse's scan contradicts the state: {rest.pop('code', '')}",
    "skus_mapped": lambda rest: f"by the listing map {', '.join(rest.pop('lines', ()))}",
    "lines_let_go": lambda rest: f"{rest.pop('by', '')} let go of {', '.join(rest.pop('lines', ()))}",
    "adopted": lambda rest: f"begun by {rest.pop('by', '')}, was {rest.pop('was', '')}",
    "lane_chosen": lambda rest: f"lane {rest.pop('lane', '')} chosen by {rest.pop('by', '')}",
    "step_stopped": lambda _: "stopped without effect",
    "letter_replayed": lambda rest: _letter("replayed", rest),
    "letter_superseded": lambda rest: _letter("closed: the order moved on without it", rest),
    "letter_discarded": lambda rest: _letter("discarded", rest),
    "letter_reopened": lambda rest: _letter("opened again", rest),
    "clock_alarm": _clock_alarm,
}


def _opening(kind: str, rest: dict[str, Any]) -> Iterator[str]:
    if kind in _OPENINGS:
        yield _OPENINGS[kind](rest)
    if rest.pop("amended", False):
        yield "content changed on the platform"
    if rest.pop("repeated", False):
        yield "known content again: nothing to do"
    if "state" in rest and "reason" in rest:
        reason = rest.pop("reason")
        yield f"enters as {rest.pop('state')}" + (f": {reason}" if reason else "")
    if "left_alone" in rest:
        yield f"nothing to do: {rest.pop('left_alone')}"


def _decision(rest: dict[str, Any]) -> Iterator[str]:
    if "waybill" in rest:
        yield from _waybill(rest)
    if "location" in rest:
        yield f"from {rest.pop('location')} by {rest.pop('courier', '?')}"
    if "lane" in rest:
        points = f" with {rest.pop('score')} points" if "score" in rest else ""
        yield f"lane {rest.pop('lane')}{points}"
    if "reservation" in rest:
        skus = ", ".join(rest.pop("skus", ()))
        yield f"stock {rest.pop('reservation')}" + (f" ({skus})" if skus else "")
    if "notice" in rest:
        yield f"{rest.pop('event', 'notice')} {rest.pop('notice')}"
    if rest.get("reasons"):
        yield ", ".join(map(str, rest.pop("reasons")))


def _waybill(rest: dict[str, Any]) -> Iterator[str]:
    number = rest.pop("waybill")
    if "told_now" in rest:
        yield f"the platform shows {number}" + ("" if rest.pop("told_now") else ", told by an earlier call")
    else:
        adopted = " (found there by our reference)" if rest.pop("adopted", False) else ""
        yield f"waybill {number} of {rest.pop('courier', '?')}{adopted}"


def _remaining(rest: dict[str, Any]) -> Iterator[str]:
    for name, value in rest.items():
        if name in _TOLD_ELSEWHERE or value in (None, "", [], {}):
            continue
        yield f"{_NAMES.get(name, name.replace('_', ' '))} {_plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
