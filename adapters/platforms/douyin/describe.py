"""Names that Douyin uses: methods, states, types, courier codes. Source: the vendor's generated clients."""

from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.order import FulfilledBy, PlatformState

NAME = "douyin"
CURRENCY = "CNY"
# Our own bound: the platform limits depth and age, and no length of a window.
WINDOW_MAX_S = 86_400.0
PAGE_SIZE = 100
DEPTH_MAX = 50_000
# Orders that were made longer ago are in no listing.
AGE_MAX_DAYS = 90
DECRYPT_MAX = 50
VERSION = "2"
SUCCESS = "10000"

LIST_CHANGES = "order.searchList"
READ_ORDER = "order.orderDetail"
DECRYPT = "order.batchDecrypt"
# Ships all that is left of an order that was not divided.
SHIP_ALL = "order.logisticsAdd"
# Ships some pieces of some lines. Once an order is divided, no other call ships it.
SHIP_LINES = "order.logisticsAddMultiPack"
SHIPS = frozenset({SHIP_ALL, SHIP_LINES})
LIST_CASES = "afterSale.List"
READ_CASE = "afterSale.Detail"
# With it the platform pays the buyer back at once, if the shop's strategy says so.
ANSWER_STOP = "afterSale.CancelSendGoodsSuccess"
# Calls that change something. A repetition may do it twice.
WRITES = SHIPS | {ANSWER_STOP}
LISTINGS = frozenset({LIST_CHANGES, LIST_CASES})

# `order_status` and `main_status` have the same numbers.
STATES = {
    "1": PlatformState.UNPAID,
    "105": PlatformState.HOLD,
    "103": PlatformState.HOLD,
    "2": PlatformState.TO_SHIP,
    "101": PlatformState.PART_SHIPPED,
    "3": PlatformState.SHIPPED,
    "5": PlatformState.DONE,
    "4": PlatformState.CLOSED,
    "21": PlatformState.CLOSED,
    "22": PlatformState.CLOSED,
    "39": PlatformState.CLOSED,
}
PART_PAID = "103"
# What `main_status` adds to `order_status`: these decide where the two differ.
DECIDES = frozenset({PlatformState.HOLD, PlatformState.CLOSED})
LEFT_WHOLE = frozenset({PlatformState.SHIPPED, PlatformState.DONE})

# `order_type`. A type that is not here is unknown.
ORDER_TYPES = {
    **dict.fromkeys(("0", "1"), FulfilledBy.MERCHANT),
    # Virtual goods, vouchers, services of the platform's market.
    **dict.fromkeys(("2", "4", "5", "6"), FulfilledBy.NOBODY),
}
# `trade_type`: plain, group, deposit presale, deposit search, auction, for nothing, lottery, custom made, public
# auction, gift of a presale; 103 only collects money. A rider collects 18; 6 and 7 are second-hand goods; 10 and 12 are
# samples. Those are unknown, as is every other number.
TRADE_TYPES = {
    **dict.fromkeys(("0", "1", "2", "3", "4", "5", "11", "13", "16", "102"), FulfilledBy.MERCHANT),
    "103": FulfilledBy.NOBODY,
}
GROUP_TRADE, PRESALE_TRADES = "1", frozenset({"2", "3"})
GOODS_TYPES = {"0": FulfilledBy.MERCHANT, "1": FulfilledBy.NOBODY}
# `receive_type`: 0 is shown for orders that were sent by a courier.
RECEIVE_TYPES = {"0": FulfilledBy.MERCHANT, "1": FulfilledBy.MERCHANT, "2": FulfilledBy.PICKUP}
# The merchant's warehouse, a bonded one, the platform's.
WAREHOUSE_TYPES = {"0": FulfilledBy.MERCHANT, "2": FulfilledBy.PLATFORM}
# Orders across the border: a service provider may be the one who ships.
BORDER_BUSINESS = frozenset({"21", "22", "23", "28", "29", "102"})
READY_GOODS = "0"
CASH_ON_DELIVERY = "0"
FREE_GIFT = "FREE"
LIVE_ROOM = "1"
NO_ID = frozenset({"", "0"})

# `after_sale_status` of a line, or `aftersale_status` of a case.
NO_CASE = "0"
CASE_STATES = {
    "6": (CaseStage.REQUESTED, CaseNeeds.SELLER),
    "7": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "11": (CaseStage.RETURNING, CaseNeeds.SELLER),
    "8": (CaseStage.RECEIVED, CaseNeeds.SELLER),
    "13": (CaseStage.RECEIVED, CaseNeeds.BUYER),
    "12": (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    "14": (CaseStage.EXCHANGED, CaseNeeds.NOBODY),
    # Refused once, and a second time. The buyer may change the claim or call the platform in.
    "27": (CaseStage.REQUESTED, CaseNeeds.BUYER),
    "29": (CaseStage.REQUESTED, CaseNeeds.BUYER),
    "28": (CaseStage.WITHDRAWN, CaseNeeds.NOBODY),
    # The order is cancelled, or the way back is done: the goods are wanted no more.
    "51": (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    "53": (CaseStage.REFUNDED, CaseNeeds.NOBODY),
}
CASE_FAILED, REFUSED = "28", frozenset({"27", "29"})
# Of a line: whether goods may leave.
REFUND_OPEN = frozenset({"6", "7", "8", "11", "27", "29"})
REFUND_OVER = frozenset({"12", "51", "53"})
CASE_KINDS = {
    "0": CaseKind.RETURN_REFUND,
    "1": CaseKind.REFUND_ONLY,
    "2": CaseKind.PRE_SHIP,
    "3": CaseKind.EXCHANGE,
    # Cancelled by the system, or by the buyer.
    "4": CaseKind.PRE_SHIP,
    "5": CaseKind.PRE_SHIP,
    "6": CaseKind.COMPENSATION,
    "7": CaseKind.RESHIP,
    "8": CaseKind.REPAIR,
}
COMPENSATION = "6"
# These end with goods, and not with money.
ENDS_WITH_GOODS = frozenset({CaseKind.EXCHANGE, CaseKind.RESHIP, CaseKind.REPAIR})
# `refund_status`: nothing, waiting, running, paid, failed, taken back.
REFUND_STATES = frozenset({"0", "1", "2", "3", "4", "5"})
REFUND_RUNS, REFUND_PAID = frozenset({"1", "2"}), "3"
# `aftersale_order_type`: a case of one line. 2 is of the whole order, -1 is of former times.
CASE_OF_LINE = "1"
# `arbitrate_status` of the platform's service.
AT_SERVICE, SERVICE_WANTS_SELLER, SERVICE_FOR_SELLER = "1", "4", "3"

# Our courier -> `company_code`, which a read order shows as `company`.
COURIER_CODES = {
    "sf": "shunfeng",
    "zto": "zhongtong",
    "yto": "yuantong",
    "sto": "shentong",
    "yunda": "yunda",
    "ems": "ems",
    "post": "youzhengguonei",
    "jt": "jtexpress",
    "jd": "jd",
    "deppon": "debangwuliu",
}
