"""An order, and its after-sale case, as Pinduoduo shows them. The trade behind them is the sandbox's own.

Pinduoduo knows refunds and shipments of whole orders only: what a trade's lines say is shown as the order's. An order
of which only some lines are paid back is shown as one in refund.

Traps of the real platform: yuan as doubles, no id of a line or a buyer, a receiver that is there only while the order
waits to be shipped, gifts beside the goods, and a listing of cases whose numbers differ from the detail's.
"""

import random
from base64 import b64encode
from hashlib import blake2b
from typing import Any

from sandbox.amounts import TradeAmounts, amounts_of, yuan
from sandbox.model import Expected, Ships
from sandbox.people import buyer_message, masked, person_of, seller_memo
from sandbox.refunds import RefundCase
from sandbox.sending import HOLD_MARKS
from sandbox.trades import (
    CLOSED,
    CLOSED_UNPAID,
    OPEN_REFUNDS,
    PART_SHIPPED,
    REFUND_ASKED,
    REFUND_PAID,
    REFUND_REFUSED,
    REFUND_WITHDRAWN,
    SHIPPED,
    TO_SHIP,
    UNPAID,
    Trade,
    cst,
)

Json = dict[str, Any]

# Status of a case by what the sandbox's trade says of the refund.
CASES = {
    REFUND_ASKED: 2,
    "WAIT_BUYER_RETURN_GOODS": 7,
    "WAIT_SELLER_CONFIRM_GOODS": 7,
    REFUND_REFUSED: 6,
    REFUND_WITHDRAWN: 11,
    REFUND_PAID: 10,
}
# The platform's own courier numbers, by the code under which the sandbox keeps a shipment.
LOGISTICS_IDS = {
    "SF": 44,
    "ZTO": 115,
    "YTO": 85,
    "STO": 1,
    "YUNDA": 121,
    "EMS": 118,
    "POSTB": 132,
    "HTKY": 384,
    "DBKD": 131,
}
_RECEIVER = (
    *("receiver_name", "receiver_phone", "receiver_address", "address"),
    *("receiver_name_mask", "receiver_phone_mask", "receiver_address_mask", "address_mask"),
)
_DECIDES_AFTER_S = 36 * 3600
_SHIPS_WITHIN_S = 48 * 3600
# One order in so many has a gift: in the main parcel, or in an order of its own.
_GIFT_HERE, _GIFT_ELSEWHERE = 11, 7


def order_sn(trade: Trade) -> str:
    """`yymmdd-` and a number that says which trade it is."""
    return f"{cst(trade.created)[2:10].replace('-', '')}-{trade.order.tid}"


def tid_of(number: str) -> int:
    """The trade of an order's number; 0 for none."""
    tail = number.partition("-")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else 0


def ciphers(trade: Trade) -> dict[str, str]:
    """The encrypted texts of the receiver: what each of them hides, by the text."""
    person = person_of(trade.order)
    plain = {"name": person.name, "phone": person.mobile, "detail": person.detail}
    return {_cipher(trade, name): value for name, value in plain.items()}


def is_held(trade: Trade) -> bool:
    """Whether the platform's risk control looks at the order."""
    return any(trade.marks.get(mark) for mark in HOLD_MARKS)


def case_of(trade: Trade) -> int | None:
    """The line whose refund is the order's case."""
    return min(trade.refunds, default=None)


def order_shown(trade: Trade, extra: list[Json]) -> Json:
    """The whole order, as both the listing and the detail show it. `extra`: its further parcels."""
    order, sums = trade.order, amounts_of(trade.order)
    counted = [line for place, (_, line) in enumerate(trade.lines) if place not in sums.closed]
    first = next(iter(trade.shipments.values()), None) or next((one[0][0] for one in trade.parts.values()), None)
    paid = trade.is_paid
    texts = random.Random(order.seed + 1)
    return {
        "order_sn": order_sn(trade),
        **_state(trade),
        "trade_type": 1 if order.is_presale else 0,
        "is_lucky_flag": 1,
        "is_pre_sale": 0,
        "pre_sale_time": "",
        "created_time": cst(trade.created),
        "pay_time": cst(trade.paid) if paid else "",
        "confirm_time": cst(trade.paid) if paid else "",
        "updated_at": cst(trade.modified),
        "last_ship_time": cst(trade.paid + _SHIPS_WITHIN_S) if paid else "",
        "shipping_time": cst(first.at) if first else "",
        "tracking_number": first.number if first else "",
        "logistics_id": LOGISTICS_IDS.get(first.company_code, 0) if first else 0,
        "goods_amount": _double(sums.goods),
        "discount_amount": _double(sums.goods + sums.freight - sums.payment),
        "seller_discount": _double(sums.goods + sums.freight - sums.payment),
        "platform_discount": 0.0,
        "capital_free_discount": 0.0,
        "postage": _double(sums.freight),
        "pay_amount": _double(sums.payment),
        "order_change_amount": 0.0,
        "service_fee_detail": [],
        "step_order_info": _step(trade, sums),
        **_receiver(trade),
        "buyer_memo": buyer_message(texts) if order.message is None else order.message,
        "remark": trade.marks.get("seller_memo", seller_memo(texts)),
        "remark_tag": trade.marks.get("seller_flag", texts.randint(0, 5)),
        "item_list": [
            {
                "goods_id": line.sku.product_id,
                "sku_id": line.sku.sku_id,
                "outer_id": line.sku.code,
                "outer_goods_id": "",
                "goods_name": line.sku.title,
                "goods_spec": line.sku.variant,
                "goods_count": line.quantity,
                "goods_price": _double(line.price),
                "goods_img": "",
            }
            for line in counted
        ],
        **_gifts(trade),
        "card_info_list": [{"card_no": "~x~", "mask_password": "~y~"}] if _only(trade, Ships.NOBODY) else [],
        "order_depot_info": {"depot_type": 2} if any(line.ships is Ships.PLATFORM for line in counted) else None,
        "order_tag_list": [{"name": "free_sf", "value": 0}],
        "self_contained": 0,
        "extra_delivery_list": extra,
        "gift_delivery_list": [],
        "resend_delivery_list": [],
    }


def case_listed(trade: Trade, case: RefundCase) -> Json:
    """A row of the listing of cases: numbers as texts, yuan, kinds from 2."""
    shown = {
        "id": case.refund_id,
        "order_sn": order_sn(trade),
        "after_sales_status": CASES.get(case.status, 2),
        "after_sales_type": 2,
        "after_sale_reason": f"不想要了,联系我 {trade.order.buyer}",
        "created_time": str(case.created),
        "updated_time": str(case.modified),
        "refund_amount": yuan(amounts_of(trade.order).payment),
        "goods_number": str(sum(line.quantity for _, line in trade.lines)),
        "tracking_number": "",
        "speed_refund_status": "1",
        "user_shipping_status": "0",
    }
    return {name: value for name, value in (shown | case.odd).items() if value is not None}


def case_detailed(trade: Trade, case: RefundCase) -> Json:
    """The detail of a case: fen, kinds from 1, and the deadline while the seller must act."""
    is_shipped = bool(trade.shipments or trade.parts)
    shown = {
        "id": case.refund_id,
        "order_sn": order_sn(trade),
        "after_sales_status": CASES.get(case.status, 2),
        "after_sales_type": 1,
        "after_sales_reason": f"不想要了,联系我 {trade.order.buyer}",
        "recreated_at": case.created * 1000,
        "updated_time": cst(case.modified),
        "expire_time": (case.created + _DECIDES_AFTER_S) * 1000 if case.status == REFUND_ASKED else None,
        "refund_amount": amounts_of(trade.order).payment,
        "goods_number": sum(line.quantity for _, line in trade.lines),
        "express_no": "",
        "shipping_status": int(is_shipped),
    }
    return {name: value for name, value in (shown | case.odd).items() if value is not None}


def _state(trade: Trade) -> Json:
    oid = case_of(trade)
    refund = trade.refunds.get(oid) if oid is not None else None
    over = trade.status == CLOSED or refund == REFUND_PAID
    whole = trade.status == CLOSED
    confirmed = {CLOSED_UNPAID: 2, UNPAID: 0}.get(trade.status, 1)
    is_open = any(one in OPEN_REFUNDS for one in trade.refunds.values())
    return {
        "confirm_status": confirmed,
        "group_status": 1 if confirmed else 0,
        "order_status": 2 if trade.status in {SHIPPED, PART_SHIPPED} else 1,
        "refund_status": 4 if whole else 3 if over else 2 if is_open else 1,
        "after_sales_status": 10 if whole else CASES.get(refund or "", 0),
        "risk_control_status": int(is_held(trade)),
    }


def _step(trade: Trade, sums: TradeAmounts) -> Json | None:
    if not trade.order.is_presale:
        return None
    is_open = trade.order.expected is Expected.PRESALE_OPEN
    deposit = sums.payment // 10
    return {
        "step_trade_status": 1 if is_open else 2,
        "advanced_paid_fee": _double(deposit),
        "step_paid_fee": _double(deposit if is_open else sums.payment),
        "step_discount_amount": 0.0,
    }


def _receiver(trade: Trade) -> Json:
    place, token = trade.order.place, trade.oaid()
    shown: Json = dict.fromkeys(_RECEIVER, "")
    if trade.status == TO_SHIP and not is_held(trade):
        name, phone, detail = ciphers(trade)
        hidden = masked(person_of(trade.order))
        shown |= {
            "receiver_name": name,
            "receiver_phone": phone,
            "receiver_address": detail,
            "address": detail,
            "receiver_name_mask": hidden.name,
            "receiver_phone_mask": hidden.mobile,
            "receiver_address_mask": hidden.detail,
            "address_mask": hidden.detail,
        }
    return {
        **shown,
        "open_address_id": token,
        "country": place.country,
        "province": place.province,
        "city": place.city,
        "town": place.district,
    }


def _gifts(trade: Trade) -> Json:
    seed = trade.order.seed
    if trade.order.is_plain or (seed % _GIFT_HERE and seed % _GIFT_ELSEWHERE):
        return {"gift_list": []}
    is_here = seed % _GIFT_HERE == 0
    gift = {
        "goods_id": 990000000001,
        "sku_id": 990000000002,
        "outer_id": "GIFT-CUP",
        "goods_name": "赠品水杯",
        "goods_count": 1,
        "goods_price": 0.0,
    }
    if not is_here:
        gift["order_sn"] = f"{order_sn(trade)}9"
    return {"gift_list": [gift], "gift_order_status": 2 if is_here else 1}


def _only(trade: Trade, ships: Ships) -> bool:
    return all(line.ships is ships for _, line in trade.lines)


def _cipher(trade: Trade, name: str) -> str:
    text = f"{trade.oaid()}/{trade.order.tid}/{name}"
    hidden = b64encode(blake2b(text.encode(), digest_size=32).digest()).decode()
    return f"$AgAAAAF3{hidden}$" if name == "phone" else f"~AgAAAAF3{hidden}~"


def _double(fen: int) -> float:
    return fen / 100
