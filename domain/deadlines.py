"""The time from which an order may leave, and the time by which it must have left."""

from datetime import datetime, timedelta

from domain.lines import is_gone
from domain.order import Order, OrderType, PlatformState
from domain.rules import RuleSet


def ship_by(order: Order, rules: RuleSet) -> datetime | None:
    """The ship-by time; None while nothing is paid, and where nothing of the order is ours to ship.

    A time that the payload names (`Order.ship_by`) has precedence: a presale has a date of its own, and a platform that
    names a time counts its penalties from that time. Otherwise the rule's hours run from the payment; for cash on
    delivery, from the creation of the order.
    """
    is_cod = order.order_type is OrderType.COD
    if order.lines and all(is_gone(line) for line in order.lines):
        return None
    if order.state is PlatformState.UNPAID and not is_cod:
        return None
    if order.ship_by is not None:
        return order.ship_by
    starts_at = order.created_at if is_cod else order.paid_at
    if starts_at is None:
        return None
    hours = rules.ship_by.platform_h.get(order.key.platform, rules.ship_by.default_h)
    return starts_at + timedelta(hours=hours)


def ship_from(order: Order, due: datetime | None, *, presale_waits: bool) -> datetime | None:
    """Before this nothing is labelled; None: as soon as it can be.

    `due`: its ship-by time. `presale_waits`: the shop wants its presale orders to wait for the day that their platform
    names. A day that leaves no time until `due`, and one without a clock, are not waited for: waiting never makes an
    order late.
    """
    if not presale_waits or order.ship_from is None or due is None or order.ship_from >= due:
        return None
    return order.ship_from


# Until an order whose day nobody has read is looked at again; the day is read meanwhile.
DAY_UNREAD_S = 60.0


def wait_for_day_s(early_s: float, *, is_read: bool, presale_waits: bool) -> float:
    """Seconds until an order may be labelled and handed to a warehouse; 0: it may be now.

    `early_s`: until the day that is stored. `is_read`: it was read from the content that the order has now; a worker of
    an earlier version reads none, so the order waits until it is read, if its shop waits for such days at all.
    """
    return early_s if is_read or not presale_waits else max(early_s, DAY_UNREAD_S)
