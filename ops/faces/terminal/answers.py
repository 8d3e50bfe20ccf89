"""What platforms and couriers answered, in a line: write-backs that were retried, and packages that were compared."""

from collections.abc import Iterable
from typing import Any

import msgspec

from domain.reasons import Reason
from ops.faces.terminal.words import WORDS
from ops.verbs.reconcile import Reconciled, ReconcileOutcome
from ops.verbs.writeback_retry import PlatformAnswer, RetryResult


def answer_in_words(said: PlatformAnswer) -> str:
    return WORDS.say(f"said.{said}")


def outcome_in_words(outcome: ReconcileOutcome) -> str:
    return WORDS.say(f"outcome.{outcome}")


def retry_result_in_words(result: RetryResult) -> str:
    """One line of the result of a retry."""
    return f"{result.order} {result.waybill}: {answer_in_words(result.said)}{_in_brackets(result.why)}"


def reconciled_in_words(one: Reconciled) -> str:
    """One line of the result of a reconciliation."""
    about = one.document or one.waybill or WORDS.say("phrase.no_waybill")
    return f"{one.order} {about}: {outcome_in_words(one.outcome)}{_in_brackets(one.why)}"


def _in_brackets(why: Reason | None) -> str:
    return f" ({WORDS.reason(why)})" if why else ""


def retry_result_tree(result: RetryResult) -> dict[str, Any]:
    """For scripts: `said` and `words` in English, and their codes."""
    codes = {"said_code": result.said, "why_code": result.why.code if result.why else ""}
    words = {"said": answer_in_words(result.said), "words": WORDS.reason(result.why)}
    return {**_without_why(result), **words, **codes}


def reconciled_tree(one: Reconciled) -> dict[str, Any]:
    """For scripts: `outcome` and `words` in English, and their codes."""
    codes = {"outcome_code": one.outcome, "why_code": one.why.code if one.why else ""}
    words = {"outcome": outcome_in_words(one.outcome), "words": WORDS.reason(one.why)}
    return {**_without_why(one), **words, **codes}


def answer_counts(result: Iterable[RetryResult]) -> dict[str, int]:
    """How many packages each answer has, by the answer in English."""
    all_said = [one.said for one in result]
    return {answer_in_words(said): all_said.count(said) for said in PlatformAnswer}


def _without_why(one: RetryResult | Reconciled) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(one)
    del whole["why"]
    return whole
