"""Readers of TOP's answers. Every shape is accepted: with or without the method's envelope, lists wrapped or not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from adapters.china_time import read_cst
from adapters.payload import Fields, read_answer
from adapters.payload import read_page as read_page_tree
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.lines import line_id_of, refund_of, waybills_of
from adapters.platforms.taobao.paging import Page
from adapters.platforms.taobao.places import province_and_city
from adapters.platforms.taobao.trade import state_of, trade_id
from adapters.ports import ListedChange, PlatformShipment, PlatformStatus
from adapters.rejection import Rejected, rejection
from domain.errors import Conflict, FulfilmentError, Malformed, Refused
from domain.order import Address

ROWS_MAX = 10**9


def read_page(body: bytes, window_end: datetime, *, use_has_next: bool) -> Page[ListedChange]:
    """A row whose change time cannot be read counts as changed at the window's end; it must not block the page.

    Raises Malformed for a page that does not say what it was asked for: whether another page follows
    (`use_has_next`), or how many rows there are. If a missing field counted as "no", orders would be missed.
    """
    answer = opened(read_page_tree(body), describe.LIST_CHANGES)
    rows: list[ListedChange] = []
    rejected: list[Rejected] = []
    for position, (path, row) in enumerate(answer.entries("trades", "trade")):
        try:
            rows.append(_listed(Fields(row, path, Malformed), window_end))
        except Exception as error:  # noqa: BLE001 - whatever one row raises is that row's fault alone
            rejected.append(rejection(position, error, row, "tid"))
    total = answer.whole("total_results", 0, ROWS_MAX) if answer.has("total_results") else 0
    if not (use_has_next or answer.has("total_results")):
        answer.missing("total_results")
    return Page(tuple(rows), total, use_has_next and answer.decided("has_next"), tuple(rejected))


def _listed(row: Fields, window_end: datetime) -> ListedChange:
    return ListedChange(trade_id(row), _changed_at(row) or window_end, describe.STATES.get(row.said("status")))


def read_status(body: bytes) -> PlatformStatus:
    """State, refunds and shipments of one trade, from an answer to a read of it. Raises Malformed, or Poison
    ``status_unknown``.
    """
    trade = opened(read_answer(body), describe.READ_TRADE).child("trade")
    subs = trade.listed("orders", "order")
    if not subs:
        trade.missing("orders")
    shipped: dict[tuple[str, str], list[str]] = {}
    for sub in subs:
        company = sub.text_or("logistics_company", "")
        for waybill in waybills_of(sub):
            shipped.setdefault((describe.COMPANY_NAMES.get(company, company), waybill), []).append(line_id_of(sub))
    refunds = [(line_id_of(sub), refund_of(sub)) for sub in subs]
    refund_lines = tuple(oid for oid, refund in refunds if refund.is_open)
    return PlatformStatus(
        state=state_of(trade),
        refund_open=bool(refund_lines),
        shipments=tuple(PlatformShipment(code, number, tuple(lines)) for (code, number), lines in shipped.items()),
        changed_at=_changed_at(trade),
        refund_lines=refund_lines,
        unknown_lines=tuple(oid for oid, refund in refunds if refund.is_unknown),
        line_ids=tuple(oid for oid, _ in refunds),
    )


def decrypt_query(tokens: Mapping[str, str], scene: str) -> str:
    """The `query_list` argument of a decryption: JSON of platform order id and token, for one scene."""
    rows = [{"tid": tid, "oaid": oaid, "scene": scene} for tid, oaid in tokens.items()]
    return msgspec.json.encode(rows).decode()


def read_decrypted(body: bytes, tokens: Mapping[str, str]) -> dict[str, Address | FulfilmentError]:
    """One result for each order asked for: an address, or why there is none."""
    answer = opened(read_answer(body), describe.DECRYPT)
    if not answer.has("receiver_list"):
        answer.missing("receiver_list")
    found: dict[str, Address | FulfilmentError] = {
        tid: Malformed("receiver_not_answered", "the answer leaves this order out") for tid in tokens
    }
    for path, entry in answer.entries("receiver_list", "receiver"):
        try:
            row = Fields(entry, path, Malformed)
            tid = row.text_or("tid", "") or row.text_or("order_id", "")
        except Malformed:
            # The order id of this receiver cannot be read: the order counts as left out of the answer.
            continue
        if tid in tokens:
            found[tid] = _receiver_or_fault(row, tokens[tid])
    return found


def read_shipped(body: bytes) -> None:
    """Returns if the shipment was accepted. Raises Refused ``shipment_rejected`` or Malformed."""
    answer = opened(read_answer(body), describe.SEND)
    shipping = answer.child("shipping") if answer.has("shipping") else answer
    if not shipping.decided("is_success"):
        raise Refused("shipment_rejected", "the platform answered without success")


def read_pieces_shipped(body: bytes) -> None:
    """As `read_shipped`, of a shipment by pieces."""
    answer = opened(read_answer(body), describe.SEND_PIECES)
    result = answer.child("result") if answer.has("result") else answer
    if not result.decided("success"):
        raise Refused("shipment_rejected", "the platform answered without success")


def opened(tree: Mapping[str, Any], method: str) -> Fields:
    """The answer of a method, with or without its envelope."""
    name = method.removeprefix("taobao.").replace(".", "_") + "_response"
    return Fields(tree.get(name, tree), name, Malformed)


def _changed_at(row: Fields) -> datetime | None:
    try:
        return row.moment("modified", read_cst)
    except Malformed:
        return None


def _receiver_or_fault(row: Fields, token: str) -> Address | FulfilmentError:
    """An error of one receiver concerns only that order."""
    try:
        return _receiver(row, token)
    except Malformed as error:
        return error


def _receiver(row: Fields, token: str) -> Address | FulfilmentError:
    if not row.decided("matched"):
        return Conflict("receiver_token_stale", "the order has a newer token: read it again")
    name = row.text_or("name", "")
    phone = row.text_or("mobile", "") or row.text_or("phone", "")
    detail = row.text_or("address_detail", "")
    if not (name and phone and detail):
        return Refused("receiver_not_revealed", "name, phone or address came back empty")
    province, city = province_and_city(row.text_or("country", ""), row.text_or("state", ""), row.text_or("city", ""))
    return Address(
        name=name,
        phone=phone,
        province=province,
        city=city,
        district=row.text_or("district", ""),
        town=row.text_or("town", ""),
        detail=detail,
        merge_token=token,
        # If the platform does not say whose number it is, the number may belong to the platform.
        has_virtual_phone=not row.denies("privacy_protection"),
    )
