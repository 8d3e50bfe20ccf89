"""Names that TOP uses: methods, fields, states, courier codes. Source: TOP trade and logistics pages."""

from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.order import FulfilledBy, PlatformState

NAME = "taobao"
CURRENCY = "CNY"
WINDOW_MAX_S = 86_400.0
PAGE_SIZE = 100
# How long after a window's end new rows usually still appear in the window: change times have whole seconds, and
# changes become visible late.
OPEN_S = 20.0
DECRYPT_MAX = 20

LIST_CHANGES = "taobao.trades.sold.increment.get"
READ_TRADE = "taobao.trade.fullinfo.get"
DECRYPT = "taobao.top.oaid.decrypt"
SEND = "taobao.logistics.offline.send"
# The one call that knows pieces of a sub-order, and that others follow.
SEND_PIECES = "alibaba.ascp.logistics.offline.send"
SENDS = frozenset({SEND, SEND_PIECES})
# `consign_type` of a shipment that may hold pieces of sub-orders, `item_type` of a good that the platform sold.
BY_PIECES, SOLD_HERE = "1", 0
LIST_CASES = "taobao.refunds.receive.get"
READ_CASE = "taobao.refund.get"
# AliGenius: with SUCCESS the platform pays the buyer back at once.
ANSWER_STOP = "taobao.rdc.aligenius.sendgoods.cancel"
# Calls that change something. A repetition may do it twice.
WRITES = SENDS | {ANSWER_STOP}
LISTINGS = frozenset({LIST_CHANGES, LIST_CASES})

LIST_FIELDS = "tid,modified,status"
STATUS_FIELDS = (
    "tid,status,modified,orders.oid,orders.oid_str,orders.status,orders.refund_status,orders.special_refund_type,"
    "orders.invoice_no,orders.logistics_company,orders.consign_time"
)
# Fields of a line that decide something. `orders` alone requests whole lines; fields that are named as well cannot be
# left out.
LINE_FIELDS = (
    *("oid", "oid_str", "status", "num", "price", "total_fee", "payment", "divide_order_fee", "part_mjz_discount"),
    *("num_iid", "sku_id", "outer_iid", "outer_sku_id", "title", "is_free_gift"),
    *("refund_status", "special_refund_type", "invoice_no", "logistics_company", "consign_time"),
    *(
        "shipping_type",
        "is_sh_ship",
        "is_force_dc",
        "is_service_order",
        "is_daixiao",
        "b2b_daixiao",
        "distribute_status",
    ),
    *("estimate_con_time", "delivery_time"),
)
SERVICE_FIELDS = ("oid", "oid_str", "service_id", "title", "num", "price", "payment", "total_fee", "refund_id")
# A store of the merchant has the order, or may have it: TOP has no fixed value that says what is left to do.
IN_A_STORE = ("omnichannel_param", "nr_offline", "nr_no_handle")
# TOP returns only the fields that are named here, and `oaid` only together with name, address, created, mobile and
# phone.
TRADE_FIELDS = ",".join(
    (
        *("tid", "tid_str", "type", "status", "created", "modified", "pay_time"),
        *("payment", "total_fee", "post_fee", "order_tax_fee"),
        *("step_trade_status", "step_paid_fee", "new_presell", "general_new_presell"),
        *("cod_status", "cod_fee", "buyer_cod_fee", "seller_cod_fee"),
        *("buyer_nick", "buyer_open_uid", "buyer_message", "buyer_memo", "seller_memo", "seller_flag"),
        *("trade_from", "trade_attr"),
        *("receiver_name", "receiver_mobile", "receiver_phone", "receiver_country"),
        *("receiver_state", "receiver_city"),
        *("receiver_district", "receiver_town", "receiver_address", "receiver_zip", "oaid"),
        *("send_time", "delivery_time", "est_con_time", "estimate_con_time"),
        *("top_hold", "forbid_consign", "team_buy_hold", "share_group_hold", "ofp_hold"),
        *("shipping_type", "no_shipping", "q_r_pay", "receipt_type", "receipt_rel_ids"),
        *("is_sh_ship", "is_force_dc", "is_force_wlb", "is_brand_sale", "is_daixiao"),
        *("o2o", "o2o_delivery", "shop_pick", "obs", "rt_omni_send_type", *IN_A_STORE),
        *("promotion_details", "service_orders", *(f"service_orders.{name}" for name in SERVICE_FIELDS)),
        *("orders", *(f"orders.{name}" for name in LINE_FIELDS)),
    )
)

STATES = {
    "TRADE_NO_CREATE_PAY": PlatformState.UNPAID,
    "WAIT_BUYER_PAY": PlatformState.UNPAID,
    "PAY_PENDING": PlatformState.UNPAID,
    "WAIT_PRE_AUTH_CONFIRM": PlatformState.UNPAID,
    "PAID_FORBID_CONSIGN": PlatformState.HOLD,
    "WAIT_SELLER_SEND_GOODS": PlatformState.TO_SHIP,
    "SELLER_CONSIGNED_PART": PlatformState.PART_SHIPPED,
    "WAIT_BUYER_CONFIRM_GOODS": PlatformState.SHIPPED,
    "TRADE_BUYER_SIGNED": PlatformState.SHIPPED,
    "TRADE_FINISHED": PlatformState.DONE,
    "TRADE_CLOSED": PlatformState.CLOSED,
    "TRADE_CLOSED_BY_TAOBAO": PlatformState.CLOSED,
}
HOLD_MARKS = ("top_hold", "forbid_consign", "team_buy_hold", "share_group_hold", "ofp_hold")

# A trade's type: whether parcels belong to it. A type that is not here is unknown.
GOODS_TYPES = frozenset(
    {"fixed", "auction", "guarantee_trade", "step", "nopaid", "cod", "b2c_cod", "super_market_cod_trade"}
    | {"super_market_trade", "independent_simple_trade", "independent_shop_trade", "shopex_trade", "external_trade"}
    | {"fenxiao", "instant_trade", "pre_auth_type", "tmall_i18n"}
)
# Codes, recharges, vouchers, bookings: sent by a message, if at all.
NO_GOODS_TYPES = frozenset({"auto_delivery", "ec", "eticket", "game_equipment", "hotel_trade", "taohua"})
# Shipping types of a line. `instant` is not listed, so it is unknown: a rider collects such a line in a shop of the
# merchant.
SHIPPING_BY = {
    **dict.fromkeys(("free", "post", "express", "ems", "25", "26", "seller"), FulfilledBy.MERCHANT),
    "virtual": FulfilledBy.NOBODY,
}
# Cash on delivery by the platform's couriers: whether a courier has collected the package, or accepted its booking.
COD_WITH_COURIER = {
    **dict.fromkeys(("NEW_CREATED", "REJECTED_BY_COMPANY", "RECIEVE_TIMEOUT", "CANCELED"), False),
    **dict.fromkeys(("TAKEN_IN_FAILED", "TAKEN_TIMEOUT"), False),
    **dict.fromkeys(("WAITING_TO_BE_SENT", "ACCEPTED_BY_COMPANY", "TAKEN_IN_SUCCESS"), True),
    **dict.fromkeys(("SIGN_IN", "REJECTED_BY_OTHER_SIDE"), True),
}
# Trades that only pay a price difference of another trade.
RECEIPT_POSTAGE, RECEIPT_OTHER = "POSTAGE", "OTHER"
# Where an order that was made in a shop is handed over, and who ships an order that any channel of the merchant may
# fill.
O2O_DELIVERY = {"inshop": FulfilledBy.PICKUP, "online": FulfilledBy.MERCHANT}
OMNI_SEND_TYPES = {"pickUp": FulfilledBy.PICKUP, "tmall": FulfilledBy.MERCHANT}

# Deposit trades (type `step`): whether the final payment is still owed. Goods leave only when it is paid.
STEP_NOTHING_PAID = "FRONT_NOPAID_FINAL_NOPAID"
STEP_BALANCE_OPEN = {
    STEP_NOTHING_PAID: True,
    "FRONT_PAID_FINAL_NOPAID": True,
    "FRONT_PAID_FRONT_FORFEITED": True,
    "FRONT_PAID_FINAL_PAID": False,
}
COD_TYPES = frozenset({"cod", "b2c_cod", "super_market_cod_trade"})

REFUND_OPEN = frozenset(
    {"WAIT_SELLER_AGREE", "WAIT_BUYER_RETURN_GOODS", "WAIT_SELLER_CONFIRM_GOODS", "SELLER_REFUSE_BUYER"}
)
# The explicit values for "no refund": a line without a value may have an open refund.
REFUND_NONE = frozenset({"NO_REFUND", "CLOSED"})
REFUND_DONE = "SUCCESS"
# Refunds without a return of goods; the shipment goes on: price protection, cash back.
COMPENSATIONS = frozenset({"priceprotect", "cashback"})
# States of a refund in which goods come back: no compensation has them.
REFUND_OF_GOODS = frozenset({"WAIT_BUYER_RETURN_GOODS", "WAIT_SELLER_CONFIRM_GOODS"})
# A line in one of these states was shipped, by us or by somebody else.
LEFT_STATES = frozenset({PlatformState.PART_SHIPPED, PlatformState.SHIPPED, PlatformState.DONE})

# Neither the buyer's reason nor the description is asked for: both are texts of a person.
CASE_LIST_FIELDS = ",".join(
    (
        *("refund_id", "tid", "oid", "created", "modified", "status", "order_status", "dispute_type", "refund_phase"),
        *("refund_version", "has_good_return", "good_status", "refund_fee", "num", "sid"),
    )
)
CASE_FIELDS = f"{CASE_LIST_FIELDS},cs_status,refund_remind_timeout"
CASE_STATES = {
    "WAIT_SELLER_AGREE": (CaseStage.REQUESTED, CaseNeeds.SELLER),
    "WAIT_BUYER_RETURN_GOODS": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "WAIT_SELLER_CONFIRM_GOODS": (CaseStage.RETURNING, CaseNeeds.SELLER),
    # The buyer may change the claim or call the platform in: nothing is rejected yet.
    "SELLER_REFUSE_BUYER": (CaseStage.REQUESTED, CaseNeeds.BUYER),
    "SUCCESS": (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    "CLOSED": (CaseStage.WITHDRAWN, CaseNeeds.NOBODY),
    # Sending goods again; the first spelling is the platform's.
    "WAIT_SELLER_CONSIGN_GOOGDS": (CaseStage.RECEIVED, CaseNeeds.SELLER),
    "WAIT_BUYER_CONFIRM_REDO_SEND_GOODS": (CaseStage.RECEIVED, CaseNeeds.BUYER),
}
CASE_CLOSED = "CLOSED"
# `cs_status` of the platform's own service: asked for, or at work; done.
CS_AT_WORK, CS_DONE = frozenset({"2", "3"}), "6"
CASE_KINDS = {
    "REFUND": CaseKind.REFUND_ONLY,
    "REFUND_AND_RETURN": CaseKind.RETURN_REFUND,
    "TMALL_EXCHANGE": CaseKind.EXCHANGE,
    "TAOBAO_EXCHANGE": CaseKind.EXCHANGE,
    "REPAIR": CaseKind.REPAIR,
    "RESHIPPING": CaseKind.RESHIP,
}
# Exchanges end with goods.
ENDS_WITH_GOODS = frozenset({CaseKind.EXCHANGE, CaseKind.RESHIP, CaseKind.REPAIR})
PHASE_BEFORE_RECEIPT = "onsale"
UNSHIPPED = "WAIT_SELLER_SEND_GOODS"

# Our courier -> `company_code`. J&T is still listed under the code of the network it took over.
COURIER_CODES = {
    "sf": "SF",
    "zto": "ZTO",
    "yto": "YTO",
    "sto": "STO",
    "yunda": "YUNDA",
    "ems": "EMS",
    "post": "POSTB",
    "jt": "HTKY",
    "deppon": "DBKD",
}
# A read trade shows the company's name where a written one takes its code.
COMPANY_NAMES = {
    "顺丰速运": "SF",
    "顺丰": "SF",
    "中通快递": "ZTO",
    "圆通速递": "YTO",
    "申通快递": "STO",
    "韵达快递": "YUNDA",
    "邮政快递包裹": "POSTB",
    "极兔速递": "HTKY",
    "德邦快递": "DBKD",
}
