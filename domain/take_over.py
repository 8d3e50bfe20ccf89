"""Which orders another system ships: those paid before a shop was taken over, and all orders of a shop that is watched.

Such an order is stored, shown, and closed at once with a reason of its own, so that no step can begin it. Only a person
adopts it, or, for an order that came while its shop was watched, the instant that the settings name.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Throttled
from domain.order import Order

# The reasons with which an order that another system ships is closed.
NOT_TAKEN_OVER = "not_taken_over"
WATCHED = "watched"
KEPT_OUT = (NOT_TAKEN_OVER, WATCHED)
# What stands for the step of a hold on an order that could not be begun.
TAKES_OVER = "take_over"


class Mode(StrEnum):
    """How a shop is served: `live`, or only read and decided (`watch`)."""

    LIVE = "live"
    WATCH = "watch"


# Seconds until a call that was refused for a watched shop is tried again: the watch may have ended.
_REFUSED_S = 30.0


class ShopWatchedError(Throttled):
    """A call other than reading was about to be made for a shop that is only watched. Nothing left the process."""

    def __init__(self, account: str) -> None:
        message = f"{account} is only watched"
        super().__init__("shop_watched", message, {"account": account}, after_s=_REFUSED_S)


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What is known of a shop's take-over.

    `joined_at`: since when the shop is known here. `kept_before`: orders that were paid before this instant are another
    system's; None: no such order is expected. `is_watched`: every order is another system's for now.
    """

    joined_at: datetime | None = None
    kept_before: datetime | None = None
    is_watched: bool = False


NOTHING_KNOWN = TakeOver()


def why_kept_out(order: Order, shop: TakeOver, *, is_unpaid: bool, unpaid_at: datetime | None = None) -> str:
    """Why an order must not be begun: `NOT_TAKEN_OVER` or `WATCHED`; empty if it may.

    `is_unpaid`: it waits for its payment, so the payment decides later. `unpaid_at`: the platform showed it as unpaid
    at that time, so it was not paid before.

    The moment of payment counts. If the platform does not give it, the earliest possible moment counts, so that an
    unknown time never begins an order.
    """
    if shop.is_watched:
        return WATCHED
    if shop.kept_before is None or is_unpaid:
        return ""
    earliest = order.paid_at or max(order.created_at, unpaid_at or order.created_at)
    return NOT_TAKEN_OVER if earliest < shop.kept_before else ""
