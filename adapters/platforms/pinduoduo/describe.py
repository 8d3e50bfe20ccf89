"""Names that Pinduoduo uses: calls, fields, states, courier codes. Source: the vendor's interface pages."""

from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.order import FulfilledBy, PlatformState

NAME = "pdd"
CURRENCY = "CNY"
# Longest listing that the platform takes, and how long before now a listing of orders must end.
LISTING_MAX_S = 1_800.0
LISTING_LAG_S = 180.0
# What is added to it, for clocks that differ. Cases may be listed up to now: for them this alone is kept.
MARGIN_S = 20.0
# Orders of three months are listed.
AGE_MAX_DAYS = 90
PAGE_SIZE = 100
DECRYPT_MAX = 100

LIST_CHANGES = "pdd.order.number.list.increment.get"
READ_ORDER = "pdd.order.information.get"
DECRYPT = "pdd.open.decrypt.batch"
REPORT_WAYBILL = "pdd.open.waybill.type.report"
SEND = "pdd.logistics.online.send"
SEND_MORE = "pdd.order.upload.extra.logistics"
LIST_CASES = "pdd.refund.list.increment.get"
READ_CASE = "pdd.refund.information.get"
# With SUCCESS the platform may pay the buyer back at once.
ANSWER_STOP = "pdd.rdc.pddgenius.sendgoods.cancel"
# Calls that change something. A repetition may do it twice.
WRITES = frozenset({SEND, SEND_MORE, ANSWER_STOP})

# The name under which an answer's content stands.
ENVELOPES = {
    LIST_CHANGES: "order_sn_increment_get_response",
    READ_ORDER: "order_info_get_response",
    DECRYPT: "open_kms_decrypt_batch_response",
    SEND: "logistics_online_send_response",
    SEND_MORE: "upload_extra_logistics_response",
    LIST_CASES: "refund_increment_get_response",
    READ_CASE: "refund_information_get_response",
    ANSWER_STOP: "rdc_pddgenius_sendgoods_cancel_response",
}
# "All" in the filters of a listing; `is_lucky_flag` 0 takes lottery orders and others.
ALL_STATES, ALL_REFUNDS, ALL_ORDERS = "5", "5", "0"
ALL_CASE_KINDS = "1"
# `redelivery_type`: the first number of the order. `extra_track_type`: one more parcel of a split order.
FIRST_NUMBER, SPLIT_PARCEL = "1", 1

# `confirm_status`: not formed, formed, cancelled. A formed order's state is its `order_status`.
NOT_FORMED, FORMED, CANCELLED = "0", "1", "2"
STATES = {"1": PlatformState.TO_SHIP, "2": PlatformState.SHIPPED, "3": PlatformState.DONE}
# `group_status`: 0 forming, 1 formed, 2 failed. An order without a group has none.
GROUP_FREE = frozenset({"", "1"})
# `refund_status`: of the order as a whole.
REFUND_NONE, REFUND_OPEN, REFUND_DONE = "1", frozenset({"2", "3"}), "4"
# `step_trade_status` of deposit orders: whether the final payment is still owed.
STEP_NOTHING_PAID = "0"
STEP_BALANCE_OPEN = {STEP_NOTHING_PAID: True, "1": True, "2": False}
# `risk_control_status` and `identification_status`: values with which an order may leave.
RISK_CLEAR = frozenset({"", "0"})
IDENTIFIED = frozenset({"", "0", "3"})
TAG_SHIP_HOLD = "ship_hold"

# `gift_order_status`: its order is not made yet; the gift ships in its own order; it ships in this one.
GIFT_WAITS, GIFT_ELSEWHERE, GIFT_HERE = "0", "1", "2"
# `relation_type` of a related order: this order only pays a difference of it, or is the gift of it.
PAYS_DIFFERENCE, GIFT_OF = "3", "4"

# Whose warehouse an order was given to: the merchant's own, or one that the merchant runs; "" and 0: to none.
OWN_DEPOTS = frozenset({"", "0", "1", "6"})
# `shipping_type`: usual, or booked for a day by the buyer.
USUAL_SHIPPING = frozenset({"", "0", "1", "3"})
# Tags of orders that somebody else may ship, or that go another way.
TAGS_OF_UNKNOWN = frozenset(
    {"bought_from_vegetable", "local_depot", "same_city_distribution", "community_group", "distributional_sale"}
    | {"quality_check_order", "professional_appraisal", "direct_mail_activity"}
)
TAGS_BY = {
    "self_contained": FulfilledBy.PICKUP,
    "ship_additional_order": FulfilledBy.NOBODY,
    **dict.fromkeys(TAGS_OF_UNKNOWN, FulfilledBy.UNKNOWN),
}

CASE_STATES = {
    "2": (CaseStage.REQUESTED, CaseNeeds.SELLER),
    "3": (CaseStage.REQUESTED, CaseNeeds.SELLER),
    "4": (CaseStage.APPROVED, CaseNeeds.PLATFORM),
    "5": (CaseStage.APPROVED, CaseNeeds.PLATFORM),
    # Refused by the seller: the buyer may change the claim or call the platform in, so nothing is rejected yet.
    "6": (CaseStage.REQUESTED, CaseNeeds.BUYER),
    "7": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "8": (CaseStage.REQUESTED, CaseNeeds.PLATFORM),
    "9": (CaseStage.REJECTED, CaseNeeds.NOBODY),
    "10": (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    "11": (CaseStage.WITHDRAWN, CaseNeeds.NOBODY),
    "12": (CaseStage.REJECTED, CaseNeeds.NOBODY),
    "13": (CaseStage.WITHDRAWN, CaseNeeds.NOBODY),
    "14": (CaseStage.REQUESTED, CaseNeeds.SELLER),
    "15": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "16": (CaseStage.EXCHANGED, CaseNeeds.NOBODY),
    "17": (CaseStage.REJECTED, CaseNeeds.NOBODY),
    "18": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "21": (CaseStage.REQUESTED, CaseNeeds.SELLER),
    "22": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "24": (CaseStage.REJECTED, CaseNeeds.NOBODY),
    "25": (CaseStage.EXCHANGED, CaseNeeds.NOBODY),
    "27": (CaseStage.APPROVED, CaseNeeds.BUYER),
    # The buyer is to refuse the parcel; the seller is to send again; the seller is to recall the parcel.
    "31": (CaseStage.APPROVED, CaseNeeds.BUYER),
    "32": (CaseStage.APPROVED, CaseNeeds.SELLER),
    "33": (CaseStage.APPROVED, CaseNeeds.SELLER),
}
NO_CASE = "0"
CASE_REFUNDED = "10"
# The listing and the detail count the kinds of cases from different numbers.
DETAILED_KINDS = {
    "1": CaseKind.REFUND_ONLY,
    "2": CaseKind.RETURN_REFUND,
    "3": CaseKind.EXCHANGE,
    "4": CaseKind.RESHIP,
    "5": CaseKind.REPAIR,
}
LISTED_KINDS = {str(int(number) + 1): kind for number, kind in DETAILED_KINDS.items()}
# `fail_reason_code` of goods that were not stopped: they have left, or are on their way out.
FAIL_SHIPPED, FAIL_PRINTED = 1002, 1003

# Our courier -> `logistics_id`.
COURIER_CODES = {
    "sf": "44",
    "zto": "115",
    "yto": "85",
    "sto": "1",
    "yunda": "121",
    "ems": "118",
    "post": "132",
    "jt": "384",
    "jd": "120",
    "deppon": "131",
    "danniao": "191",
}
