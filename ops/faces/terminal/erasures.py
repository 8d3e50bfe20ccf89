"""Erasures on a terminal."""

from typing import Any

import msgspec

from ops.faces.terminal.words import WORDS
from ops.views.erasures import ErasurePlan, InFlight


def in_flight_in_words(order: InFlight) -> str:
    """What keeps the order from being erased now, and what to do about it."""
    facts = {"states": order.states, "holds": order.holds, "letters": order.letters}
    return WORDS.say("phrase.in_the_way", {"order": order.order, "in_the_way": WORDS.in_the_way(order.code, facts)})


def plan_tree(plan: ErasurePlan) -> dict[str, Any]:
    """For scripts: `in_flight` in English, `in_the_way` as codes and facts."""
    sentences = [in_flight_in_words(one) for one in plan.in_flight]
    return {"orders": plan.orders, "in_flight": sentences, "in_the_way": msgspec.to_builtins(plan.in_flight)}
