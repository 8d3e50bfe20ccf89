"""Words for what verbs and views return, filled from a catalogue: refusals, reasons, events, holds, causes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from domain.errors import FulfilmentError
from domain.reasons import Reason, read_reason
from ops.faces.terminal.catalogue import ENGLISH

Facts = Mapping[str, Any]

# Facts that have a sentence of their own, or that only programs use.
_TOLD_ELSEWHERE = frozenset({"rules", "rule", "type", "at", "when", "attempt", "behind"})


class _Known(dict[str, Any]):
    """Facts of rows that an earlier version wrote may lack a name of today's template."""

    def __missing__(self, name: str) -> str:
        return "?"


def placeholders(template: str) -> set[str]:
    """The facts that a template names."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@dataclass(frozen=True, slots=True)
class Words:
    """What a catalogue says of codes and their facts. One object for each language."""

    catalogue: Mapping[str, str]

    def has(self, key: str) -> bool:
        return key in self.catalogue

    def say(self, key: str, facts: Facts | None = None) -> str:
        """The template of ``kind.code`` with its facts; raises KeyError for a key that the catalogue lacks."""
        return self.catalogue[key].format_map(
            _Known({name: self._plain(value) for name, value in (facts or {}).items()})
        )

    def listed(self, names: Sequence[str]) -> str:
        """Names in a row, the last one after the language's *and*."""
        *first, last = names or ("",)
        return self.say("phrase.and", {"first": ", ".join(first), "second": last}) if first else last

    def refusal(self, error: FulfilmentError) -> str:
        """An error as one line begins: its code, then what it says."""
        return self._with_code(error.code, error.message, error.facts)

    def _with_code(self, code: str, message: str, facts: Facts) -> str:
        said = message or self._said_of(code, facts)
        return f"{code}: {said}" if said else code

    def message(self, code: str, facts: Facts) -> str:
        """The sentence of an error of ours, without its code; empty for a code that the catalogue lacks."""
        return self._said_of(code, facts)

    def _said_of(self, code: str, facts: Facts) -> str:
        given = dict(facts)
        variants = [str(given[name]) for name in ("fault",) if given.get(name)]
        if code == "order_in_flight":
            given["in_the_way"] = self.in_the_way(str(given.get("fault", "")), given)
            variants = ["others"] if given.get("others") else []
        elif code == "order_not_fetched" and given.get("letter") is not None and given.get("tries"):
            variants = ["given_up"]
        elif given.get("known") == "":
            variants = ["none_known"]
        elif code == "hold_not_open" and given.get("by"):
            variants.append("released")
        elif "ending" in given:
            given["ending"] = self.say(f"why.{given['ending']}", given)
        keys = [*(f"refusal.{code}.{variant}" for variant in variants), f"refusal.{code}"]
        key = next((key for key in keys if self.has(key)), None)
        return self.say(key, given) if key else ""

    def reason(self, reason: Reason | None) -> str:
        """Why something is so. Of another system's error its code and message."""
        if reason is None:
            return ""
        for kind in ("why", "foreseen"):
            if self.has(f"{kind}.{reason.code}"):
                return self.say(f"{kind}.{reason.code}", reason.facts)
        return self._with_code(reason.code, str(reason.facts.get("message", "")), reason.facts)

    def stored(self, text: str | None) -> str:
        """A stored reason in words; what is none, such as a person's own words, as it is."""
        found = read_reason(text or "")
        return self.reason(found) if found and self.has(f"why.{found.code}") else text or ""

    def in_the_way(self, code: str, facts: Facts) -> str:
        """What keeps an order from being erased now."""
        is_held = self.has(f"in_the_way.{code}_and_held") and facts.get("holds")
        return self.say(f"in_the_way.{code}{'_and_held' if is_held else ''}", facts)

    def kept(self, days: int) -> str:
        """How long something is kept; 0 days is for ever."""
        return self.say("phrase.days", {"days": days}) if days else self.say("phrase.for_ever")

    def meaning(self, code: str) -> str:
        """A hold's code in words; empty for a code that the catalogue lacks."""
        return self.catalogue.get(f"hold.{code}", "")

    def parcel(self, kind: str) -> str:
        """What happened to a parcel."""
        return self.say(f"parcel.{kind}")

    def case(self, kind: str) -> str:
        """A case's kind in words; empty for a kind that the catalogue lacks."""
        return self.catalogue.get(f"case.{kind}", "")

    def event(self, kind: str, facts: Facts) -> str:
        """Why the event happened. Facts that have no words of their own are named as they are."""
        rest = dict(facts)
        sentences = [
            *self._opening(kind, rest),
            *self._decision(rest),
            *self._remaining(rest),
            *(self.say("fact.rules", {"value": facts["rules"]}) for _ in range("rules" in facts)),
        ]
        return "; ".join(sentences)

    def facts(self, facts: Facts) -> str:
        """The facts of a hold or a case."""
        return "; ".join(self._remaining(dict(facts)))

    def _taken(self, key: str, rest: dict[str, Any]) -> str:
        """A filled template; the facts that it names are removed from `rest`."""
        names = placeholders(self.catalogue[key])
        return self.say(key, {name: rest.pop(name) for name in names if name in rest})

    def _opening(self, kind: str, rest: dict[str, Any]) -> Iterator[str]:
        if kind == "hold_opened" and self.meaning(str(rest.get("code", ""))):
            rest["meaning"] = self.meaning(str(rest["code"]))
        variants = (name for name in ("by", "meaning", "days_late", "until") if rest.get(name))
        keys = [*(f"event.{kind}.{name}" for name in variants), f"event.{kind}"]
        key = next((key for key in keys if self.has(key)), None)
        if key:
            yield self._taken(key, rest)
        if rest.pop("amended", False):
            yield self.say("phrase.amended")
        if rest.pop("repeated", False):
            yield self.say("phrase.repeated")
        if "state" in rest and "reason" in rest:
            yield self._taken("phrase.enters_because" if rest["reason"] else "phrase.enters", rest)
            rest.pop("reason", None)
        if "left_alone" in rest:
            yield self._taken("phrase.left_alone", rest)

    def _decision(self, rest: dict[str, Any]) -> Iterator[str]:
        if "waybill" in rest:
            yield self._waybill(rest)
        if "document" in rest and "their_id" in rest:
            # The warehouse's own id stands in the section of documents.
            rest.pop("their_id")
            yield self._taken("phrase.found_at" if rest.pop("adopted", False) else "phrase.handed_to", rest)
        if "location" in rest and "courier" in rest:
            yield self._taken("phrase.routed", rest)
        if "lane" in rest:
            yield self._taken("phrase.lane_with_points" if "score" in rest else "phrase.lane", rest)
        if "reservation" in rest:
            key = "phrase.stock_of" if rest.get("skus") else "phrase.stock"
            yield self._taken(key, rest)
            rest.pop("skus", None)
        if "notice" in rest:
            yield self._taken("phrase.notice", {"event": "notice"} | rest)
            rest.pop("notice")
            rest.pop("event", None)
        if rest.get("reasons"):
            yield ", ".join(map(str, rest.pop("reasons")))

    def _waybill(self, rest: dict[str, Any]) -> str:
        if "told_now" in rest:
            return self._taken("phrase.confirmed_now" if rest.pop("told_now") else "phrase.confirmed_earlier", rest)
        return self._taken("phrase.adopted" if rest.pop("adopted", False) else "phrase.booked", rest)

    def _remaining(self, rest: Facts) -> Iterator[str]:
        for name, value in rest.items():
            if name in _TOLD_ELSEWHERE or value in (None, "", [], {}):
                continue
            key = f"fact.{name}" if self.has(f"fact.{name}") else "fact.other"
            yield self.say(key, {"name": name.replace("_", " "), "value": value})

    def _plain(self, value: object) -> str:
        if isinstance(value, bool):
            return self.catalogue["fact.yes" if value else "fact.no"]
        if isinstance(value, Sequence) and not isinstance(value, str):
            return ", ".join(map(str, value))
        return "" if value is None else str(value)


WORDS = Words(ENGLISH)


def cause_in_words(cause: Facts) -> Iterator[str]:
    """One try of a dead letter: what was raised, where, and what stood behind it, outermost first."""
    for link in (cause, *cause.get("behind", ())):
        code, message = link.get("code") or link.get("type", ""), link.get("message", "")
        place = f" at {link['at']}" if link.get("at") else ""
        yield f"{code}: {message}{place}" if message else f"{code}{place}"
