"""Look for orders by personal data, which is itself written down."""

from domain.errors import Refused
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.order_list import LOOKED_MAX, OrderFilter
from infra.tables.pool import Database
from ops.verbs.change import change
from ops.views.order_list import OrderPage, list_orders

# Fewer digits of a phone number would show too many people's orders.
PHONE_DIGITS_MIN = 4
_PHONE_DIGITS_MAX = 20


def find_by_phone(
    db: Database,
    phone: str,
    author: Author,
    *,
    after: int | None = None,
    limit: int,
    looked_max: int = LOOKED_MAX,
) -> OrderPage:
    """Orders whose receiver's phone number ends so, the newest first; that somebody has asked is written down.

    The digits are kept nowhere. A number that the platform shows in part only is found by the part that it shows.
    Raises Refused ``phone_short`` for fewer than four digits.
    """
    digits = "".join(one for one in phone if one.isascii() and one.isdigit())
    if not PHONE_DIGITS_MIN <= len(digits) <= _PHONE_DIGITS_MAX:
        raise Refused("phone_short", facts={"digits_min": PHONE_DIGITS_MIN, "digits_max": _PHONE_DIGITS_MAX})
    page = list_orders(db, OrderFilter(phone=digits), after=after, limit=limit, looked_max=looked_max)
    with change(db, author) as made:
        made.note(Verb.ORDERS_SEARCHED, "phone", None, None, found=len(page.orders))
    return page
