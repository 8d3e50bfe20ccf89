"""An order, and an after-sale case, as Douyin shows them. The trade behind them is the sandbox's own.

Traps of the real platform: the first line has the order's own number, ids of products exceed what a double can hold,
0 means no time, some orders put the freight into a line's amount, and a withdrawn case leaves its money waiting.
"""

import random
from base64 import b64encode
from hashlib import blake2b
from typing import Any

from sandbox.amounts import LineAmounts, TradeAmounts, amounts_of
from sandbox.model import Expected, Person, PlannedLine, Ships
from sandbox.people import buyer_message, person_of, seller_memo
from sandbox.refunds import RefundCase
from sandbox.sending import HOLD_MARKS
from sandbox.trades import (
    CLOSED,
    CLOSED_UNPAID,
    PART_SHIPPED,
    REFUND_ASKED,
    REFUND_PAID,
    REFUND_REFUSED,
    REFUND_WITHDRAWN,
    SHIPPED,
    TO_SHIP,
    UNPAID,
    Shipment,
    Trade,
)

Json = dict[str, Any]

_STATES = {
    UNPAID: (1, 1),
    TO_SHIP: (2, 2),
    PART_SHIPPED: (101, 101),
    SHIPPED: (3, 3),
    CLOSED: (4, 21),
    CLOSED_UNPAID: (4, 4),
}
_HELD, _PART_PAID = (105, 105), (103, 103)
# Status of a case by what the sandbox's trade says of the line's refund.
CASES = {
    REFUND_ASKED: 6,
    "WAIT_BUYER_RETURN_GOODS": 7,
    "WAIT_SELLER_CONFIRM_GOODS": 11,
    REFUND_REFUSED: 27,
    REFUND_WITHDRAWN: 28,
    REFUND_PAID: 12,
}
_RETURNS = frozenset({"WAIT_BUYER_RETURN_GOODS", "WAIT_SELLER_CONFIRM_GOODS"})
_DECIDES_AFTER_S = 48 * 3600
_SHIPS_WITHIN_S = 48 * 3600
# The platform's own courier codes, by the code under which the sandbox keeps a shipment.
COMPANY_CODES = {
    "SF": "shunfeng",
    "ZTO": "zhongtong",
    "YTO": "yuantong",
    "STO": "shentong",
    "YUNDA": "yunda",
    "EMS": "ems",
    "POSTB": "youzhengguonei",
    "HTKY": "jtexpress",
    "DBKD": "debangwuliu",
}


def number_of(trade: Trade, oid: int) -> str:
    """The number of a line: the first one has the order's own."""
    return str(trade.order.tid if oid == trade.line_ids[0] else oid)


def line_of(trade: Trade, number: str) -> int | None:
    """The line that Douyin calls so."""
    return next((oid for oid in trade.line_ids if number_of(trade, oid) == number), None)


def ciphers(trade: Trade) -> dict[str, str]:
    """The encrypted texts of the receiver: what each of them hides, by the text."""
    person = person_of(trade.order)
    plain = {"name": person.name, "tel": person.mobile, "detail": person.detail}
    return {_cipher(trade, name): value for name, value in plain.items()}


def order_shown(trade: Trade) -> Json:
    """The whole order, as both the listing and the detail show it."""
    order, sums = trade.order, amounts_of(trade.order)
    status, main_status = _state(trade)
    freight_inside = bool(order.seed % 2)
    lines = [
        _line(trade, oid, line, amounts, sums.freight if freight_inside and not place else 0)
        for place, ((oid, line), amounts) in enumerate(zip(trade.lines, sums.lines, strict=True))
    ]
    goods = sum(line["sum_amount"] for line in lines)
    texts = _texts(trade)
    return {
        "order_id": str(order.tid),
        "order_level": 2,
        "shop_id": 4463798,
        "shop_name": order.shop,
        "doudian_open_id": f"1@#{order.buyer:x}==",
        "order_type": 2 if all(line.ships is Ships.NOBODY for line in order.lines) else 0,
        "trade_type": 0,
        "biz": 2,
        "pay_type": 2,
        "order_status": status,
        "main_status": main_status,
        "order_amount": goods + sums.freight,
        "pay_amount": sums.payment,
        "post_amount": sums.freight,
        "promotion_amount": goods + sums.freight - sums.payment,
        "tax_amount": 0,
        "packing_amount": 0,
        **texts,
        **_receiver(trade),
        "create_time": trade.created,
        "pay_time": trade.paid if trade.is_paid else 0,
        "update_time": trade.modified,
        "exp_ship_time": trade.paid + _SHIPS_WITHIN_S if trade.is_paid else 0,
        "appointment_ship_time": 0,
        "ship_time": max((shipment.at for shipment in trade.shipments.values()), default=0),
        "logistics_info": _parcels(trade),
        "order_phase_list": _phases(trade, sums),
        "sku_order_list": lines,
    }


def case_listed(trade: Trade, case: RefundCase) -> Json:
    """A row of the listing of cases."""
    shown = _case(trade, case)
    info = {
        "aftersale_id": str(case.refund_id),
        "aftersale_order_type": 1,
        "aftersale_type": shown["type"],
        "aftersale_status": shown["status"],
        "related_id": number_of(trade, case.oid),
        "apply_time": case.created,
        "update_time": case.modified,
        "status_deadline": shown["deadline"],
        "aftersale_status_to_final_time": 0,
        "refund_status": shown["money"],
        "refund_amount": shown["amount"],
        "refund_post_amount": 0,
        "aftersale_num": shown["pieces"],
        "arbitrate_status": 0,
        "return_logistics_code": "",
        "remark": "",
        "auto_audit_bits": [],
    }
    return {
        "aftersale_info": _with_odd(info, case),
        "order_info": {
            "shop_order_id": str(case.tid),
            "related_order_info": [{"sku_order_id": number_of(trade, case.oid)}],
        },
        "text_part": {"reason_text": f"不想要了,联系我 {trade.order.buyer}"},
    }


def case_detailed(trade: Trade, case: RefundCase) -> Json:
    """The detail of a case: the same under other names, its ids as numbers."""
    shown = _case(trade, case)
    info = {
        "after_sale_id": case.refund_id,
        "after_sale_order_type": 1,
        "after_sale_type": shown["type"],
        "after_sale_status": shown["status"],
        "apply_time": case.created,
        "update_time": case.modified,
        "status_deadline": shown["deadline"],
        "aftersale_status_to_final_time": 0,
        "refund_status": shown["money"],
        "refund_total_amount": shown["amount"],
        "refund_post_amount": 0,
        "after_sale_apply_count": shown["pieces"],
        "reason": "不想要了",
    }
    odd = {name.replace("aftersale_", "after_sale_"): value for name, value in case.odd.items()}
    line = int(number_of(trade, case.oid))
    return {
        "process_info": {
            "after_sale_info": {name: value for name, value in (info | odd).items() if value is not None},
            "arbitrate_info": {"arbitrate_status": 0},
            "logistics_info": {"return": {"tracking_no": ""}, "order": []},
        },
        "order_info": {"shop_order_id": case.tid, "sku_order_infos": [{"sku_order_id": line}]},
    }


def is_held(trade: Trade) -> bool:
    """Whether the platform's risk control looks at the order."""
    return any(trade.marks.get(mark) for mark in HOLD_MARKS)


def pieces_sent(trade: Trade, oid: int) -> int:
    """Pieces of a line that have left."""
    if oid in trade.parts:
        return trade.sent(oid)
    return dict(trade.lines)[oid].quantity if oid in trade.shipments else 0


def _state(trade: Trade) -> tuple[int, int]:
    if trade.order.expected is Expected.PRESALE_OPEN and trade.status == UNPAID:
        return _PART_PAID
    if trade.status == TO_SHIP and is_held(trade):
        return _HELD
    return _STATES[trade.status]


def _line_state(trade: Trade, oid: int) -> tuple[int, int]:
    if oid in trade.closed:
        return _STATES[trade.closed[oid]]
    if oid in trade.shipments:
        return _STATES[SHIPPED]
    if oid in trade.parts:
        return _STATES[PART_SHIPPED]
    return _STATES[TO_SHIP] if trade.status == PART_SHIPPED else _state(trade)


def _line(trade: Trade, oid: int, line: PlannedLine, amounts: LineAmounts, freight: int) -> Json:
    sku, order = line.sku, trade.order
    status, main_status = _line_state(trade, oid)
    paid = 0 if line.is_closed else amounts.divided + freight
    return {
        "order_id": number_of(trade, oid),
        "parent_order_id": str(order.tid),
        "order_level": 3,
        "order_type": 2 if line.ships is Ships.NOBODY else 0,
        "trade_type": 2 if order.is_presale else 0,
        "goods_type": 1 if line.ships is Ships.NOBODY else 0,
        "order_status": status,
        "main_status": main_status,
        "theme_type": "1" if order.is_live else "0",
        "product_id": sku.product_id,
        "product_id_str": str(sku.product_id),
        "sku_id": sku.sku_id,
        "code": sku.code,
        "out_sku_id": "0",
        "product_name": sku.title,
        "item_num": line.quantity,
        "origin_amount": line.price,
        "sum_amount": 0 if line.is_closed else amounts.gross,
        "pay_amount": paid,
        "post_amount": freight,
        "pre_sale_type": 0,
        "receive_type": 1,
        "given_product_type": "",
        "master_sku_order_id_list": [],
        "inventory_list": [{"count": line.quantity, "warehouse_type": 2 if line.ships is Ships.PLATFORM else 0}],
        "exp_ship_time": trade.paid + _SHIPS_WITHIN_S if trade.is_paid else 0,
        "after_sale_info": _after_sale(trade, oid),
        "spec": [{"name": "规格", "value": sku.variant}],
    }


def _after_sale(trade: Trade, oid: int) -> Json:
    refund = trade.refunds.get(oid)
    if refund not in CASES:
        return {"after_sale_status": 0, "after_sale_type": 0, "refund_status": 0}
    paid = refund == REFUND_PAID
    return {
        "after_sale_status": CASES[refund],
        "after_sale_type": _case_type(trade, oid, refund),
        "refund_status": 3 if paid else 1,
    }


def _case_type(trade: Trade, oid: int, refund: str) -> int:
    if refund in _RETURNS:
        return 0
    return 1 if pieces_sent(trade, oid) else 2


def _case(trade: Trade, case: RefundCase) -> Json:
    sums = dict(zip(trade.line_ids, amounts_of(trade.order).lines, strict=True))[case.oid]
    return {
        "status": CASES.get(case.status, 6),
        "type": _case_type(trade, case.oid, case.status),
        "money": 3 if case.status == REFUND_PAID else 1,
        "deadline": case.created + _DECIDES_AFTER_S if case.status == REFUND_ASKED else 0,
        "amount": sums.divided,
        "pieces": dict(trade.lines)[case.oid].quantity,
    }


def _with_odd(info: Json, case: RefundCase) -> Json:
    return {name: value for name, value in (info | case.odd).items() if value is not None}


def _texts(trade: Trade) -> Json:
    order, marks = trade.order, trade.marks
    draw = random.Random(order.seed + 1)
    message = buyer_message(draw) if order.message is None else order.message
    memo, flag = seller_memo(draw), draw.randint(0, 5)
    return {
        "buyer_words": message,
        "seller_words": marks.get("seller_memo", memo),
        "seller_remark_stars": marks.get("seller_flag", flag),
    }


def _receiver(trade: Trade) -> Json:
    person, place = person_of(trade.order), trade.order.place
    name, tel, detail = ciphers(trade)
    parts: Json = {
        "province": {"name": place.province, "id": "1"},
        "city": {"name": place.city, "id": "2"},
        "town": {"name": place.district, "id": "3"},
        "street": {"name": person.town, "id": "4"},
    }
    return {
        "open_address_id": trade.oaid(),
        "encrypt_post_receiver": name,
        "encrypt_post_tel": tel,
        "post_addr": {**parts, "encrypt_detail": detail},
        "mask_post_receiver": person.name[:1] + "**",
        "mask_post_tel": f"{person.mobile[:1]}********{person.mobile[-2:]}",
        "mask_post_addr": {**parts, "detail": _masked_detail(person)},
    }


def _masked_detail(person: Person) -> str:
    return person.detail[:3] + "*" * max(3, len(person.detail) - 3)


def _cipher(trade: Trade, name: str) -> str:
    text = f"{trade.oaid()}/{trade.order.tid}/{name}"
    hidden = b64encode(blake2b(text.encode(), digest_size=32).digest()).decode()
    return f"$${hidden}*CgYIASA=$1$$" if name == "tel" else f"##{hidden}*CgYIASA=#1##"


def _parcels(trade: Trade) -> list[Json]:
    found: dict[str, tuple[Shipment, list[Json]]] = {}
    for oid, line in trade.lines:
        for shipment, count in trade.parts.get(oid) or _whole(trade, oid, line):
            if shipment.number:
                row = {"sku_order_id": number_of(trade, oid), "product_count": count, "sku_id": line.sku.sku_id}
                found.setdefault(shipment.number, (shipment, []))[1].append(row)
    return [
        {
            "tracking_no": number,
            "company": COMPANY_CODES.get(shipment.company_code, ""),
            "company_name": shipment.company_name,
            "ship_time": shipment.at,
            "delivery_id": f"7{shipment.at}{place}",
            "product_info": rows,
        }
        for place, (number, (shipment, rows)) in enumerate(found.items())
    ]


def _whole(trade: Trade, oid: int, line: PlannedLine) -> list[tuple[Shipment, int]]:
    return [(trade.shipments[oid], line.quantity)] if oid in trade.shipments else []


def _phases(trade: Trade, sums: TradeAmounts) -> list[Json]:
    if not trade.order.is_presale:
        return []
    deposit = sums.payment // 10
    return [
        {"current_phase": 1, "total_phase": 2, "pay_success": True, "phase_pay_amount": deposit},
        {
            "current_phase": 2,
            "total_phase": 2,
            "pay_success": trade.is_paid,
            "phase_pay_amount": sums.payment - deposit if trade.is_paid else 0,
        },
    ]
