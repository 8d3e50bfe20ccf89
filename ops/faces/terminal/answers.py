"""What platforms and couriers answered, in a line: write-backs that were retried, and packages that were compared."""

from collections.abc import Iterable
from typing import Any

import msgspec

from domain.reasons import Reason
from ops.faces.terminal.words import WORDS
from ops.verbs.reconcile import Outcome, Reconciled
from ops.verbs.writeback_retry import Said, Told


def said_in_words(said: Said) -> str:
    return WORDS.say(f"said.{said}")


def outcome_in_words(outcome: Outcome) -> str:
    return WORDS.say(f"outcome.{outcome}")


def told_in_words(told: Told) -> str:
    """One line of the result of a retry."""
    return f"{told.order} {told.waybill}: {said_in_words(told.said)}{_in_brackets(told.why)}"


def reconciled_in_words(one: Reconciled) -> str:
    """One line of the result of a reconciliation."""
    waybill = one.waybill or WORDS.say("phrase.no_waybill")
    return f"{one.order} {waybill}: {outcome_in_words(one.outcome)}{_in_brackets(one.why)}"


def _in_brackets(why: Reason | None) -> str:
    return f" ({WORDS.reason(why)})" if why else ""


def told_tree(told: Told) -> dict[str, Any]:
    """For scripts: `said` and `words` in English, and their codes."""
    codes = {"said_code": told.said, "why_code": told.why.code if told.why else ""}
    words = {"said": said_in_words(told.said), "words": WORDS.reason(told.why)}
    return {**_without_why(told), **words, **codes}


def reconciled_tree(one: Reconciled) -> dict[str, Any]:
    """For scripts: `outcome` and `words` in English, and their codes."""
    codes = {"outcome_code": one.outcome, "why_code": one.why.code if one.why else ""}
    words = {"outcome": outcome_in_words(one.outcome), "words": WORDS.reason(one.why)}
    return {**_without_why(one), **words, **codes}


def said_counts(told: Iterable[Told]) -> dict[str, int]:
    """How many packages each answer has, by the answer in English."""
    all_said = [one.said for one in told]
    return {said_in_words(said): all_said.count(said) for said in Said}


def _without_why(one: Told | Reconciled) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(one)
    del whole["why"]
    return whole
