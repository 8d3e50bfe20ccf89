"""Who fulfils the lines of a Douyin order, by every mark that decides it. Source: the vendor's generated clients.

A mark whose value is not known makes its lines unknown. `order_type` is in every order: without it it is unknown who
ships. The other marks decide nothing where they are absent.
"""

from collections.abc import Iterator, Mapping

from adapters.payload import Fields
from adapters.platforms.douyin import describe
from domain.order import FulfilledBy

# If a line has several answers, the first one in this list counts.
_FIRST = (FulfilledBy.UNKNOWN, FulfilledBy.NOBODY, FulfilledBy.PLATFORM, FulfilledBy.PICKUP)
_STORES_MAX = 1_000


def fulfiller_of(order: Fields, row: Fields) -> FulfilledBy:
    """Who ships a line. Raises Poison for a list that cannot be read."""
    found = {
        describe.ORDER_TYPES.get(row.word("order_type") or order.word("order_type"), FulfilledBy.UNKNOWN),
        *_marked(row.word("trade_type") or order.word("trade_type"), describe.TRADE_TYPES),
        *_marked(row.word("goods_type"), describe.GOODS_TYPES),
        *_marked(row.word("receive_type"), describe.RECEIVE_TYPES),
        *_in_warehouses(row),
    }
    if (row.word("biz") or order.word("biz")) in describe.BORDER_BUSINESS:
        found.add(FulfilledBy.UNKNOWN)
    if row.has("store_info") and row.child("store_info").word("store_id") not in describe.NO_ID:
        # A store of the merchant has the order: nothing says what is left to do.
        found.add(FulfilledBy.UNKNOWN)
    return next((kind for kind in _FIRST if kind in found), FulfilledBy.MERCHANT)


def _marked(word: str, table: Mapping[str, FulfilledBy]) -> Iterator[FulfilledBy]:
    if word:
        yield table.get(word, FulfilledBy.UNKNOWN)


def _in_warehouses(row: Fields) -> Iterator[FulfilledBy]:
    for stock in row.listed("inventory_list", limit=_STORES_MAX):
        yield from _marked(stock.word("warehouse_type"), describe.WAREHOUSE_TYPES)
    for chosen in row.listed("sku_yun_warehouse_info", limit=_STORES_MAX):
        if chosen.word("sku_id") or chosen.has("real_yun_warehouse_info"):
            yield FulfilledBy.PLATFORM
