"""Whether a Pinduoduo order may still go, by what it says of refunds."""

from typing import NamedTuple

from adapters.foreign import code_of
from adapters.payload import Fields
from adapters.platforms.pinduoduo import describe
from domain.after_sale import FINAL_STAGES
from domain.errors import Poison

# A case of the order in one of these states waits for somebody.
_OPEN = frozenset(status for status, (stage, _) in describe.CASE_STATES.items() if stage not in FINAL_STAGES)
_KNOWN = frozenset({"", describe.NO_CASE, *describe.CASE_STATES})


class OrderRefund(NamedTuple):
    """Of the whole order: the platform shows no line of it. `is_over`: the money went back."""

    is_open: bool
    is_over: bool
    is_unknown: bool


def refund_of(order: Fields) -> OrderRefund:
    """Raises Poison ``status_unknown`` for a `refund_status` that is in no table.

    An order without `refund_status`, or with a state of its case that is in no table, may have an open refund.
    """
    refund, case = order.word("refund_status"), order.word("after_sales_status")
    if refund and refund not in {describe.REFUND_NONE, describe.REFUND_DONE} | describe.REFUND_OPEN:
        raise unknown_state("refund_status", refund)
    is_over = refund == describe.REFUND_DONE or (not refund and case == describe.CASE_REFUNDED)
    is_open = not is_over and (refund in describe.REFUND_OPEN or case in _OPEN)
    return OrderRefund(is_open, is_over, not (is_open or is_over) and (not refund or case not in _KNOWN))


def unknown_state(field: str, status: str) -> Poison:
    """A state outside the tables is never guessed."""
    return Poison("status_unknown", f"unknown {field}", {"field": field, "status": code_of(status)})
