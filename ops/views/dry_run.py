"""Normalize a payload as the step would, without any store."""

from dataclasses import dataclass, replace
from typing import IO

from adapters import registry
from adapters.payload import PAYLOAD_MAX_BYTES
from domain.deadlines import ship_by
from domain.errors import FulfilmentError, Poison
from domain.holds import Finding
from domain.normalize import NOT_OURS, InitialState, initial_state
from domain.order import Order
from domain.review import ReviewFacts, review
from domain.rules import RuleSet
from domain.stock import Reservation
from infra.process.steps import STEPS


@dataclass(frozen=True, slots=True)
class DryRun:
    """The canonical order, how it would enter, and what would hold it."""

    order: Order
    intake: InitialState
    findings: tuple[Finding, ...]


def read_bounded(stream: IO[bytes]) -> bytes:
    """A payload of at most the allowed size; no more than that and one byte is ever read.

    Raises Poison ``payload_too_large``.
    """
    body = stream.read(PAYLOAD_MAX_BYTES + 1)
    if len(body) > PAYLOAD_MAX_BYTES:
        raise Poison("payload_too_large", facts={"bytes_max": PAYLOAD_MAX_BYTES})
    return body


def normalize(body: bytes, platform: str, shop: str, rules: RuleSet) -> DryRun:
    """Read a payload of `platform`. Raises Poison, or Misconfigured ``platform_unknown``.

    An error outside the tree is a bug of the reader; to whoever tries a payload it is one that cannot be read, as it
    is a dead letter of one order in the step.
    """
    kind = registry.platform(platform)
    try:
        order = kind.read_order(body, shop)
        due = ship_by(order, rules)
    except FulfilmentError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever one payload raises is told as its own fault
        # The error's text may quote the payload, so the cause is not chained.
        raise Poison("reader_failed", facts={"error": type(error).__name__}) from None
    order = replace(order, ship_by=due)
    intake = initial_state(order)
    return DryRun(order, intake, _findings(order, intake, rules))


def _findings(order: Order, intake: InitialState, rules: RuleSet) -> tuple[Finding, ...]:
    """The findings of the intake and, if the order would reach the review, those of the review with all stock present;
    each code once.
    """
    if intake.reason == NOT_OURS or intake.state not in STEPS["review"].works_in:
        return intake.holds
    held = {finding.code for finding in intake.holds}
    found = review(order, ReviewFacts(Reservation.RESERVED), rules).holds
    return (*intake.holds, *(finding for finding in found if finding.code not in held))
