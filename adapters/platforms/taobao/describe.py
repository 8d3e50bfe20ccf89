"""What TOP calls things: methods, fields, states, courier codes. Source: TOP trade and logistics pages."""

from domain.order import PlatformState

NAME = "taobao"
CURRENCY = "CNY"
WINDOW_MAX_S = 86_400.0
PAGE_SIZE = 100
# How long after a window's end rows usually still come into it: changes are told in whole seconds, and seen late.
OPEN_S = 20.0
DECRYPT_MAX = 20

LIST_CHANGES = "taobao.trades.sold.increment.get"
READ_TRADE = "taobao.trade.fullinfo.get"
DECRYPT = "taobao.top.oaid.decrypt"
SEND = "taobao.logistics.offline.send"

LIST_FIELDS = "tid,modified,status"
STATUS_FIELDS = (
    "tid,status,modified,orders.oid,orders.status,orders.refund_status,"
    "orders.invoice_no,orders.logistics_company,orders.consign_time"
)
# TOP returns nothing that is not named here, and `oaid` only beside name, address, created, mobile and phone.
TRADE_FIELDS = (
    "tid,tid_str,type,status,created,modified,pay_time,payment,total_fee,post_fee,"
    "step_trade_status,step_paid_fee,new_presell,general_new_presell,"
    "buyer_nick,buyer_open_uid,buyer_message,buyer_memo,seller_memo,seller_flag,trade_from,trade_attr,"
    "receiver_name,receiver_mobile,receiver_phone,receiver_state,receiver_city,receiver_district,"
    "receiver_town,receiver_address,receiver_zip,oaid,estimate_con_time,"
    "top_hold,forbid_consign,team_buy_hold,share_group_hold,ofp_hold,promotion_details,orders"
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

# Deposit trades (type `step`): whether the final payment is still owed. Goods leave only when it is paid.
STEP_BALANCE_OPEN = {
    "FRONT_NOPAID_FINAL_NOPAID": True,
    "FRONT_PAID_FINAL_NOPAID": True,
    "FRONT_PAID_FRONT_FORFEITED": True,
    "FRONT_PAID_FINAL_PAID": False,
}
COD_TYPES = frozenset({"cod", "b2c_cod", "super_market_cod_trade"})

REFUND_OPEN = frozenset(
    {"WAIT_SELLER_AGREE", "WAIT_BUYER_RETURN_GOODS", "WAIT_SELLER_CONFIRM_GOODS", "SELLER_REFUSE_BUYER"}
)
# Said in words: a line that says nothing of its refund may be in one.
REFUND_NONE = frozenset({"NO_REFUND", "CLOSED"})
REFUND_DONE = "SUCCESS"

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
