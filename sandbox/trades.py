"""A trade as the platform keeps it, and as it shows it (TOP's `Trade` structure, only asked fields)."""

import random
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from time import gmtime, strftime
from typing import Any

import msgspec

from sandbox.amounts import LineAmounts, TradeAmounts, amounts_of, yuan
from sandbox.model import Expected, Person, PlannedLine, PlannedOrder, Ships
from sandbox.people import buyer_message, masked, person_of, seller_memo

CST_S = 8 * 3600
NO_REFUND, REFUND_ASKED, REFUND_REFUSED = "NO_REFUND", "WAIT_SELLER_AGREE", "SELLER_REFUSE_BUYER"
REFUND_WITHDRAWN, REFUND_PAID = "CLOSED", "SUCCESS"
OPEN_REFUNDS = frozenset({REFUND_ASKED, REFUND_REFUSED, "WAIT_BUYER_RETURN_GOODS", "WAIT_SELLER_CONFIRM_GOODS"})
TO_SHIP, PART_SHIPPED, SHIPPED = "WAIT_SELLER_SEND_GOODS", "SELLER_CONSIGNED_PART", "WAIT_BUYER_CONFIRM_GOODS"
UNPAID, CLOSED, CLOSED_UNPAID = "WAIT_BUYER_PAY", "TRADE_CLOSED", "TRADE_CLOSED_BY_TAOBAO"
ENDED = frozenset({SHIPPED, CLOSED, CLOSED_UNPAID})

_STATUS = {Expected.UNPAID: UNPAID, Expected.PRESALE_OPEN: UNPAID, Expected.CLOSED: CLOSED}
_OAID_NEEDS = frozenset({"receiver_name", "receiver_address", "created", "receiver_mobile", "receiver_phone"})
_RECEIVER = frozenset(
    {"receiver_name", "receiver_mobile", "receiver_phone", "receiver_address", "receiver_zip"}
    | {"receiver_state", "receiver_city", "receiver_district", "receiver_town"}
)
_TEXTS = frozenset({"buyer_message", "seller_memo", "seller_flag", "trade_attr", "trade_from"})
_SUMS = frozenset(
    {"payment", "total_fee", "post_fee", "discount_fee", "adjust_fee", "received_payment", "step_paid_fee"}
)

_PLATFORM_STORE = "CAINIAO-1"

Json = dict[str, Any]


class Sender(StrEnum):
    """Who shipped a line."""

    API = "api"
    """The caller of the platform's interface: the engine."""
    HAND = "hand"
    PLATFORM = "platform"
    NOBODY = "nobody"
    """Nothing left: a virtual good was handed out."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """Of some lines; `at` in unix seconds. A virtual good has no company and no number."""

    company_code: str
    company_name: str
    number: str
    at: int
    by: Sender = Sender.API


class Trade:
    """One order on the platform. Times are whole unix seconds; `modified` moves with every change.

    `closed`: status of each line that was closed. `gone`: since when (unix seconds) a line is not the merchant's to
    ship any more: closed, or shipped by somebody else. `marks`: what the platform shows besides, by field. `parts`: the
    shipments of pieces of a line, with their pieces.
    """

    __slots__ = (
        *("closed", "created", "gone", "line_ids", "marks", "modified", "parts"),
        *("order", "paid", "refunds", "shipments", "status"),
    )

    def __init__(self, order: PlannedOrder, visible_at: float) -> None:
        self.order = order
        self.modified = int(visible_at)
        self.paid = self.modified - order.seed % 40
        self.created = self.paid - 20 - order.seed % 300
        self.status = _STATUS.get(order.expected, TO_SHIP)
        self.line_ids = order.line_ids()
        self.refunds: dict[int, str] = {}
        self.shipments: dict[int, Shipment] = {}
        self.closed: dict[int, str] = {}
        self.gone: dict[int, float] = {}
        self.marks: dict[str, object] = {}
        self.parts: dict[int, list[tuple[Shipment, int]]] = {}
        for oid, line in zip(self.line_ids, order.lines, strict=True):
            if line.is_closed:
                self.closed[oid] = CLOSED_UNPAID
                self.gone[oid] = visible_at
        if order.expected is Expected.REFUND:
            self.refunds[self.line_ids[-1]] = REFUND_ASKED

    @property
    def is_paid(self) -> bool:
        return self.status != CLOSED_UNPAID and self.order.expected not in {Expected.UNPAID, Expected.PRESALE_OPEN}

    @property
    def lines(self) -> Iterator[tuple[int, PlannedLine]]:
        """Each line with its id."""
        return zip(self.line_ids, self.order.lines, strict=True)

    def waiting(self) -> tuple[int, ...]:
        """The lines that were neither shipped nor closed."""
        if self.status in {CLOSED, CLOSED_UNPAID}:
            return ()
        return tuple(oid for oid in self.line_ids if oid not in self.shipments and oid not in self.closed)

    def ship(self, line_ids: tuple[int, ...], shipment: Shipment) -> None:
        """Record a shipment of these lines and move the status on."""
        self.shipments.update(dict.fromkeys(line_ids, shipment))
        if shipment.by is not Sender.API:
            self.gone = dict.fromkeys(line_ids, float(shipment.at)) | self.gone
        self._settle()

    def sent(self, oid: int) -> int:
        """Pieces of a line that were shipped in parts."""
        return sum(pieces for _, pieces in self.parts.get(oid, ()))

    def ship_pieces(self, pieces: dict[int, int], open_lines: frozenset[int], shipment: Shipment) -> None:
        """Record a shipment of pieces by line; more of the `open_lines` is to come.

        A line shows the number of its first part.
        """
        for oid, count in pieces.items():
            self.parts.setdefault(oid, []).append((shipment, count))
            if oid not in open_lines:
                self.shipments[oid] = self.parts[oid][0][0]
        self._settle()

    def close(self, line_ids: tuple[int, ...], at: float, refund: str = REFUND_PAID) -> None:
        """Close these lines; of a paid trade the money goes back."""
        status = CLOSED if self.is_paid else CLOSED_UNPAID
        self.closed.update(dict.fromkeys(line_ids, status))
        self.gone = dict.fromkeys(line_ids, at) | self.gone
        if self.is_paid:
            self.refunds.update(dict.fromkeys(line_ids, refund))
        self._settle()

    def _settle(self) -> None:
        """The status that follows from the lines."""
        live = [oid for oid in self.line_ids if oid not in self.closed]
        if not live:
            self.status = CLOSED if self.is_paid else CLOSED_UNPAID
            self.order = replace(self.order, expected=Expected.CLOSED)
        elif self.is_paid and (self.shipments or self.parts):
            self.status = SHIPPED if all(oid in self.shipments for oid in live) else PART_SHIPPED

    def oaid(self) -> str:
        """The platform's handle to the hidden receiver: equal for the same receiver in the same shop."""
        place = self.order.place
        text = f"{self.order.shop}/{self.order.buyer}/{place.province}/{place.city}/{place.district}"
        if (person := self.order.person) is not None:
            text += f"/{person.name}/{person.mobile}/{person.town}/{person.detail}"
        return "1" + urlsafe_b64encode(blake2b(text.encode(), digest_size=24).digest()).decode()


@lru_cache(maxsize=8192)
def cst(second: int) -> str:
    """A unix second as TOP writes it: Chinese standard time, no zone."""
    return strftime("%Y-%m-%d %H:%M:%S", gmtime(second + CST_S))


def document(trade: Trade, fields: frozenset[str], *, simplify: bool, include_oaid: bool = False) -> Json:
    """The asked fields of a trade; unknown ones are left out silently, as the platform does.

    `orders` asks for whole lines, `orders.oid` for single fields of them.
    """
    shown = _state(trade)
    line_fields = _nested(fields, "orders")
    if line_fields is not None or fields & _SUMS or "promotion_details" in fields:
        sums = amounts_of(trade.order)
        shown.update(_sums(trade, sums))
        if line_fields is not None:
            shown["orders"] = _wrapped("order", _lines(trade, sums, line_fields), simplify=simplify)
        shown["promotion_details"] = _wrapped("promotion_detail", _promotions(trade, sums), simplify=simplify)
    if fields & _TEXTS:
        shown.update(_texts(trade))
    if fields & _RECEIVER:
        shown.update(_receiver(trade.order, masked(person_of(trade.order))))
    answer = {name: value for name, value in shown.items() if name in fields}
    if line_fields is not None:
        answer["orders"] = shown["orders"]
    if include_oaid and fields >= _OAID_NEEDS:
        answer["oaid"] = trade.oaid()
    return answer


def plain_receiver(trade: Trade) -> Json:
    """The receiver in the clear, in the words of `taobao.top.oaid.decrypt`."""
    person, place = person_of(trade.order), trade.order.place
    return {
        "name": person.name,
        "mobile": person.mobile,
        "phone": "",
        "country": "中国",
        "state": place.province,
        "city": place.city,
        "district": place.district,
        "town": person.town,
        "address_detail": person.detail,
    }


def _nested(fields: frozenset[str], name: str) -> frozenset[str] | None:
    """Which fields of a list are asked for: None for none of them, empty for all."""
    if name in fields:
        return frozenset()
    chosen = frozenset(field.partition(".")[2] for field in fields if field.startswith(f"{name}."))
    return chosen or None


def _wrapped(name: str, rows: list[Json], *, simplify: bool) -> object:
    return rows if simplify else {name: rows}


def _state(trade: Trade) -> Json:
    order = trade.order
    shown: Json = {
        "tid": order.tid,
        "tid_str": str(order.tid),
        "status": trade.status,
        "type": "step" if order.is_presale else "fixed",
        "title": order.shop,
        "seller_nick": order.shop,
        "buyer_nick": "t**" + str(order.buyer % 10),
        "buyer_open_uid": f"AAE{order.buyer:x}",
        "num": order.lines[0].quantity,
        "shipping_type": "virtual" if all(line.ships is Ships.NOBODY for line in order.lines) else "express",
        "created": cst(trade.created),
        "modified": cst(trade.modified),
    }
    if trade.is_paid:
        shown["pay_time"] = cst(trade.paid)
    if order.is_presale:
        is_open = order.expected is Expected.PRESALE_OPEN
        shown["step_trade_status"] = "FRONT_PAID_FINAL_NOPAID" if is_open else "FRONT_PAID_FINAL_PAID"
    if trade.shipments:
        shown["consign_time"] = cst(max(shipment.at for shipment in trade.shipments.values()))
    if all(line.ships is Ships.PLATFORM for line in order.lines):
        shown["is_sh_ship"] = True
    return shown | trade.marks


def _sums(trade: Trade, sums: TradeAmounts) -> Json:
    shown: Json = {
        "payment": yuan(sums.payment),
        "total_fee": yuan(sums.goods),
        "post_fee": yuan(sums.freight),
        "discount_fee": yuan(sums.promotion),
        "adjust_fee": "0.00",
        "received_payment": "0.00",
    }
    if trade.order.is_presale:
        shown["step_paid_fee"] = yuan(sums.payment // 10 if not trade.is_paid else sums.payment)
    return shown


def _texts(trade: Trade) -> Json:
    order = trade.order
    draw = random.Random(order.seed + 1)
    attributes: dict[str, object] = {}
    if order.is_live:
        attributes["live"] = 1
    if order.member:
        attributes["vip"] = order.member.value
    if order.padding:
        attributes["padding"] = "x" * order.padding
    shown: Json = {
        "buyer_message": buyer_message(draw) if order.message is None else order.message,
        "seller_memo": seller_memo(draw),
        "seller_flag": draw.randint(0, 5),
        "trade_from": "WAP,LIVE" if order.is_live else "WAP,WAP",
    }
    if attributes:
        shown["trade_attr"] = msgspec.json.encode(attributes).decode()
    return shown | {name: value for name, value in trade.marks.items() if name in _TEXTS}


def _receiver(order: PlannedOrder, person: Person) -> Json:
    place = order.place
    return {
        "receiver_name": person.name,
        "receiver_mobile": person.mobile,
        "receiver_phone": "",
        "receiver_state": place.province,
        "receiver_city": place.city,
        "receiver_district": place.district,
        "receiver_town": person.town,
        "receiver_address": person.detail,
        "receiver_zip": place.zip_code,
    }


def _lines(trade: Trade, sums: TradeAmounts, fields: frozenset[str]) -> list[Json]:
    rows = zip(trade.line_ids, trade.order.lines, sums.lines, strict=True)
    lines = [_line(trade, *row) for row in rows]
    if len(lines) == 1:
        # Only in a trade of one line does a line's payment include the freight.
        lines[0]["payment"] = yuan(sums.payment)
    if fields:
        return [{name: value for name, value in line.items() if name in fields} for line in lines]
    return lines


def _line(trade: Trade, oid: int, line: PlannedLine, sums: LineAmounts) -> Json:
    sku = line.sku
    shown: Json = {
        "oid": oid,
        "oid_str": str(oid),
        "num_iid": sku.product_id,
        "outer_iid": sku.code,
        "outer_sku_id": sku.code,
        "sku_id": str(sku.sku_id),
        "sku_properties_name": sku.variant,
        "title": sku.title,
        "num": line.quantity,
        "price": yuan(line.price),
        "total_fee": yuan(sums.gross - sums.discount),
        "discount_fee": yuan(sums.discount),
        "adjust_fee": "0.00",
        "part_mjz_discount": yuan(sums.share),
        "divide_order_fee": yuan(sums.divided),
        "payment": yuan(sums.gross - sums.discount),
        "refund_status": trade.refunds.get(oid, NO_REFUND),
        "status": trade.status,
        "order_from": "WAP,WAP",
        "is_oversold": False,
    }
    if line.ships is Ships.PLATFORM:
        shown |= {"is_sh_ship": True, "store_code": _PLATFORM_STORE}
    if line.ships is Ships.NOBODY:
        shown["shipping_type"] = "virtual"
    shipment = trade.shipments.get(oid)
    if shipment is not None:
        shown["status"] = SHIPPED
        shown["consign_time"] = cst(shipment.at)
        if shipment.number:
            shown["invoice_no"] = shipment.number
            shown["logistics_company"] = shipment.company_name
    elif oid in trade.parts:
        first, _ = trade.parts[oid][0]
        shown |= {"status": PART_SHIPPED, "invoice_no": first.number, "logistics_company": first.company_name}
    elif trade.status == PART_SHIPPED:
        shown["status"] = TO_SHIP
    if oid in trade.closed:
        shown["status"] = trade.closed[oid]
        shown["end_time"] = cst(int(trade.gone[oid]))
    return shown


def _promotions(trade: Trade, sums: TradeAmounts) -> list[Json]:
    shown = [_promotion(trade.order.tid, "店铺满减", sums.promotion)] if sums.promotion else []
    rows = zip(trade.line_ids, sums.lines, strict=True)
    shown += [_promotion(oid, "限时折扣", line.discount) for oid, line in rows if line.discount]
    return shown


def _promotion(owner: int, name: str, discount: int) -> Json:
    return {
        "id": owner,
        "promotion_id": f"shopbonus-{owner % 10**9}",
        "promotion_name": name,
        "promotion_desc": f"{name}:省{yuan(discount)}元",
        "discount_fee": yuan(discount),
    }
