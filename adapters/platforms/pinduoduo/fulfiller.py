"""Who fulfils a Pinduoduo order, by every mark that decides it. Source: the vendor's order page.

A mark whose value is not known makes it unknown who ships. One that is absent is not set.
"""

from collections.abc import Iterator, Sequence

from adapters.payload import UNREADABLE, Fields
from adapters.platforms.pinduoduo import describe
from domain.order import FulfilledBy

# If an order has several answers, the first one in this list counts.
_DECIDES = (FulfilledBy.UNKNOWN, FulfilledBy.NOBODY, FulfilledBy.PICKUP)
_YES, _NO = frozenset({"1", "true"}), frozenset({"", "0", "false"})


def fulfiller_of(order: Fields) -> FulfilledBy:
    """Who ships the goods."""
    found = set(_marks(order))
    return next((kind for kind in _DECIDES if kind in found), FulfilledBy.MERCHANT)


def gift_ships(order: Fields, gifts: Sequence[Fields], goods: FulfilledBy) -> FulfilledBy | None:
    """Who ships the gifts of an order; None where they are in an order of their own.

    While the platform has not decided it (`gift_order_status` 0), or where it does not say, it is unknown.
    """
    status = order.word("gift_order_status")
    if status == describe.GIFT_ELSEWHERE or (not status and all(gift.has("order_sn") for gift in gifts)):
        return None
    return goods if status == describe.GIFT_HERE else FulfilledBy.UNKNOWN


def tags_of(order: Fields) -> dict[str, str]:
    """The tags that an order has, each with its value; those that say no are left out."""
    tags: dict[str, str] = {}
    for _, entry in order.entries("order_tag_list"):
        if isinstance(entry, dict):
            tag = Fields(entry)
            name, value = tag.word("name"), tag.word("value")
            if name and value not in _NO:
                tags[name] = value
    return tags


def _marks(order: Fields) -> Iterator[FulfilledBy]:
    if order.entries("card_info_list"):
        yield FulfilledBy.NOBODY
    pickup = order.word("self_contained")
    if pickup not in _NO:
        yield FulfilledBy.PICKUP if pickup in _YES else FulfilledBy.UNKNOWN
    if order.word("ship_additional_origin_order"):
        yield FulfilledBy.NOBODY
    yield from _of_tags(order)
    yield from _of_relations(order)
    if order.word("bonded_warehouse") or order.word("shipping_type") not in describe.USUAL_SHIPPING:
        yield FulfilledBy.UNKNOWN
    if _depot(order) not in describe.OWN_DEPOTS:
        yield FulfilledBy.UNKNOWN


def _of_tags(order: Fields) -> Iterator[FulfilledBy]:
    for name, value in tags_of(order).items():
        if name in describe.TAGS_BY:
            yield describe.TAGS_BY[name] if value in _YES else FulfilledBy.UNKNOWN


def _of_relations(order: Fields) -> Iterator[FulfilledBy]:
    for related in order.listed("related_order_list"):
        kind = related.word("relation_type")
        if kind == describe.PAYS_DIFFERENCE:
            yield FulfilledBy.NOBODY
        elif kind != describe.GIFT_OF:
            yield FulfilledBy.UNKNOWN


def _depot(order: Fields) -> str:
    """The type of the warehouse that has the order; empty for none."""
    entries = order.entries("order_depot_info")
    if not entries:
        return ""
    depot = entries[0][1]
    return Fields(depot).word("depot_type") if isinstance(depot, dict) else UNREADABLE
