"""Readers of TOP's answers. Every shape is accepted: with or without the method's envelope, lists wrapped or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from adapters.china_time import read_cst
from adapters.payload import Fields, read_answer
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.lines import refund_of
from adapters.platforms.taobao.trade import state_of, trade_id
from adapters.ports import Listed, PlatformShipment, PlatformStatus
from domain.errors import Conflict, FulfilmentError, Malformed, Refused
from domain.order import Address

_ROWS_MAX = 10**9


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the change listing. `total` is zero where the call did not ask for a count.

    `rejected`: rows that could not be read, as platform order id (empty where it is unreadable too), code and field.
    """

    rows: tuple[Listed, ...]
    total: int
    has_next: bool
    rejected: tuple[tuple[str, str, str], ...] = ()


def read_page(body: bytes, window_end: datetime) -> Page:
    """A row whose change time cannot be read counts as changed at the window's end; it must not block the page."""
    answer = _opened(body, describe.LIST_CHANGES)
    rows: list[Listed] = []
    rejected: list[tuple[str, str, str]] = []
    for row in answer.listed("trades", "trade"):
        tid = ""
        try:
            tid = trade_id(row)
            rows.append(Listed(tid, _changed_at(row) or window_end, describe.STATES.get(row.text_or("status", ""))))
        except Malformed as error:
            rejected.append((tid, error.code, str(error.facts.get("field", ""))))
    total = answer.whole("total_results", 0, _ROWS_MAX) if answer.has("total_results") else 0
    if not (rows or rejected or answer.has("total_results") or answer.has("has_next")):
        answer.missing("total_results")
    return Page(tuple(rows), total, answer.flag("has_next"), tuple(rejected))


def read_status(body: bytes) -> PlatformStatus:
    """Raises Malformed, or Poison ``status_unknown``."""
    trade = _opened(body, describe.READ_TRADE).child("trade")
    subs = trade.listed("orders", "order")
    if not subs:
        trade.missing("orders")
    shipped: dict[tuple[str, str], list[str]] = {}
    for sub in subs:
        waybill = sub.text_or("invoice_no", "")
        if waybill:
            company = sub.text_or("logistics_company", "")
            shipped.setdefault((describe.COMPANY_NAMES.get(company, company), waybill), []).append(sub.text("oid"))
    refund_lines = tuple(sub.text("oid") for sub in subs if refund_of(sub)[0])
    return PlatformStatus(
        state=state_of(trade),
        refund_open=bool(refund_lines),
        shipments=tuple(PlatformShipment(code, number, tuple(lines)) for (code, number), lines in shipped.items()),
        changed_at=_changed_at(trade),
        refund_lines=refund_lines,
    )


def decrypt_query(tokens: Mapping[str, str], scene: str) -> str:
    rows = [{"tid": tid, "oaid": oaid, "scene": scene} for tid, oaid in tokens.items()]
    return msgspec.json.encode(rows).decode()


def read_decrypted(body: bytes, tokens: Mapping[str, str]) -> dict[str, Address | FulfilmentError]:
    """One result for each order asked for: an address, or why there is none."""
    answer = _opened(body, describe.DECRYPT)
    if not answer.has("receiver_list"):
        answer.missing("receiver_list")
    found: dict[str, Address | FulfilmentError] = {
        tid: Malformed("receiver_not_answered", "the answer leaves this order out") for tid in tokens
    }
    for row in answer.listed("receiver_list", "receiver"):
        tid = row.text_or("tid", "") or row.text_or("order_id", "")
        if tid in tokens:
            found[tid] = _receiver(row, tokens[tid])
    return found


def read_shipped(body: bytes) -> None:
    """Quiet when the shipment was accepted. Raises Refused ``shipment_rejected`` or Malformed."""
    answer = _opened(body, describe.SEND)
    shipping = answer.child("shipping") if answer.has("shipping") else answer
    if not shipping.has("is_success"):
        shipping.missing("is_success")
    if not shipping.flag("is_success"):
        raise Refused("shipment_rejected", "the platform answered without success")


def _opened(body: bytes, method: str) -> Fields:
    name = method.removeprefix("taobao.").replace(".", "_") + "_response"
    tree = read_answer(body)
    return Fields(tree.get(name, tree), name, Malformed)


def _changed_at(row: Fields) -> datetime | None:
    try:
        return row.moment("modified", read_cst)
    except Malformed:
        return None


def _receiver(row: Fields, token: str) -> Address | FulfilmentError:
    if row.has("matched") and not row.flag("matched"):
        return Conflict("receiver_token_stale", "the order has a newer token: read it again")
    name = row.text_or("name", "")
    phone = row.text_or("mobile", "") or row.text_or("phone", "")
    detail = row.text_or("address_detail", "")
    if not (name and phone and detail):
        return Refused("receiver_not_revealed", "name, phone or address came back empty")
    return Address(
        name=name,
        phone=phone,
        province=row.text_or("state", ""),
        city=row.text_or("city", ""),
        district=row.text_or("district", ""),
        town=row.text_or("town", ""),
        detail=detail,
        merge_token=token,
        has_virtual_phone=row.flag("privacy_protection"),
    )
