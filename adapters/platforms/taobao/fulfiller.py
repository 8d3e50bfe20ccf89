"""Who fulfils the lines of a TOP trade, by every mark that decides it. Source: TOP's trade and sub-order structures.

A mark whose value is not known makes its lines unknown. One that is absent is not set: TOP sends it with the trades
that it concerns. Only `type`, `shipping_type`, and `cod_status` of cash on delivery are in every trade; without them it
is unknown who ships. `store_code` decides nothing: it names warehouses of the merchant as well as of the platform.
"""

from collections.abc import Iterator, Sequence

from adapters.payload import Fields
from adapters.platforms.taobao import describe
from domain.order import FulfilledBy, OrderLine

# If a line has several answers, the first one in this list counts.
_DECIDES = (
    FulfilledBy.UNKNOWN,
    FulfilledBy.NOBODY,
    FulfilledBy.PLATFORM,
    FulfilledBy.PICKUP,
    FulfilledBy.COURIER,
)
_YES = frozenset({"1", "true", "yes", "y"})
_NO = frozenset({"0", "false", "no", "n"})
# A line that was given to another merchant to ship, and is not any more.
_TAKEN_BACK = "cancel"
# The platform's warehouse ships: by the trade, or line by line.
_PLATFORM_MARKS = ("is_sh_ship", "is_force_dc")


class Fulfillers:
    """The answers of one trade. Marks of the whole trade are read once."""

    __slots__ = ("_of_all", "_resold", "_shipping_type", "_taken", "_with_platform")

    def __init__(self, trade: Fields, subs: Sequence[Fields]) -> None:
        self._of_all = frozenset(_of_trade(trade))
        self._shipping_type = trade.word("shipping_type")
        self._taken = _taken_by_courier(trade)
        self._resold = trade.word("is_daixiao")
        self._with_platform = [
            (name, word, any(_is_yes(sub.word(name)) for sub in subs))
            for name in _PLATFORM_MARKS
            if (word := trade.word(name)) and not _is_no(word)
        ]

    def of(self, sub: Fields, *, has_left: bool) -> FulfilledBy:
        """Who ships a sub-order. `has_left`: the platform shows it as shipped, so a mark that a courier has it adds
        nothing.
        """
        found = set(self._of_all)
        found.add(describe.SHIPPING_BY.get(sub.word("shipping_type") or self._shipping_type, FulfilledBy.UNKNOWN))
        found.update(_marked(sub, "is_service_order", FulfilledBy.NOBODY))
        found.update(self._by_platform(sub))
        resold = (sub.word("is_daixiao") or self._resold, sub.word("b2b_daixiao"), sub.word("distribute_status"))
        if any(word and not _is_no(word) and word != _TAKEN_BACK for word in resold):
            # Another merchant ships the goods that this merchant sells. The field does not say whether the other
            # merchant already did.
            found.add(FulfilledBy.UNKNOWN)
        if not has_left:
            found.add(self._taken)
        return next((kind for kind in _DECIDES if kind in found), FulfilledBy.MERCHANT)

    def _by_platform(self, sub: Fields) -> Iterator[FulfilledBy]:
        for name in _PLATFORM_MARKS:
            yield from _marked(sub, name, FulfilledBy.PLATFORM)
        for name, of_trade, is_named in self._with_platform:
            of_line = sub.word(name)
            if not of_line:
                yield FulfilledBy.PLATFORM if _is_yes(of_trade) else FulfilledBy.UNKNOWN
            elif _is_no(of_line) and not is_named:
                # The trade has the mark, but none of its lines has it.
                yield FulfilledBy.UNKNOWN


def fulfiller_of_gifts(lines: Sequence[OrderLine]) -> FulfilledBy:
    """Who ships a gift that has no sub-order: the party that ships the trade's packages, if there is only one."""
    left = [line for line in lines if not line.refunded] or lines
    found = {line.fulfilled_by for line in left} - {FulfilledBy.NOBODY}
    return found.pop() if len(found) == 1 else FulfilledBy.UNKNOWN


def _of_trade(trade: Fields) -> Iterator[FulfilledBy]:
    kind = trade.text("type")
    if kind in describe.NO_GOODS_TYPES:
        yield FulfilledBy.NOBODY
    elif kind not in describe.GOODS_TYPES:
        yield FulfilledBy.UNKNOWN
    for name in ("no_shipping", "q_r_pay"):
        yield from _marked(trade, name, FulfilledBy.NOBODY)
    for name in ("shop_pick", "obs"):
        yield from _marked(trade, name, FulfilledBy.PICKUP)
    yield from _difference_paid(trade)
    yield from _in_a_shop(trade)
    yield from _forced_to_platform(trade)


def _difference_paid(trade: Fields) -> Iterator[FulfilledBy]:
    """A trade that only pays what was missing in another one has no goods."""
    kind = trade.word("receipt_type")
    if not kind:
        return
    is_named = bool(trade.entries("receipt_rel_ids", "string"))
    is_money = kind == describe.RECEIPT_POSTAGE or (kind == describe.RECEIPT_OTHER and is_named)
    yield FulfilledBy.NOBODY if is_money else FulfilledBy.UNKNOWN


def _in_a_shop(trade: Fields) -> Iterator[FulfilledBy]:
    handed_over, guided = trade.word("o2o_delivery"), trade.word("o2o")
    if handed_over:
        yield describe.O2O_DELIVERY.get(handed_over, FulfilledBy.UNKNOWN)
    elif guided and not _is_no(guided):
        yield FulfilledBy.UNKNOWN
    for name in describe.IN_A_STORE:
        yield from _marked(trade, name, FulfilledBy.UNKNOWN)
    sent_by = trade.word("rt_omni_send_type")
    if sent_by:
        yield describe.OMNI_SEND_TYPES.get(sent_by, FulfilledBy.UNKNOWN)


def _forced_to_platform(trade: Fields) -> Iterator[FulfilledBy]:
    """Both marks together force a trade into the platform's logistics; the meaning of one mark alone is not
    documented.
    """
    forced = trade.word("is_force_wlb")
    if forced and not _is_no(forced):
        is_sure = _is_yes(forced) and _is_yes(trade.word("is_brand_sale"))
        yield FulfilledBy.PLATFORM if is_sure else FulfilledBy.UNKNOWN


def _taken_by_courier(trade: Fields) -> FulfilledBy:
    if trade.word("type") not in describe.COD_TYPES:
        return FulfilledBy.MERCHANT
    taken = describe.COD_WITH_COURIER.get(trade.word("cod_status"))
    if taken is None:
        return FulfilledBy.UNKNOWN
    return FulfilledBy.COURIER if taken else FulfilledBy.MERCHANT


def _marked(fields: Fields, name: str, fulfiller: FulfilledBy) -> Iterator[FulfilledBy]:
    word = fields.word(name)
    if word and not _is_no(word):
        yield fulfiller if _is_yes(word) else FulfilledBy.UNKNOWN


def _is_yes(word: str) -> bool:
    return word.lower() in _YES


def _is_no(word: str) -> bool:
    return word.lower() in _NO
