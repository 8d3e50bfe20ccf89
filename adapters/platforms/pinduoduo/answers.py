"""Readers of the router's answers: pages of orders, the status of one order, and results of writes."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from adapters.china_time import read_cst
from adapters.foreign import is_waybill
from adapters.payload import Fields, read_answer
from adapters.payload import read_page as read_page_tree
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.lines import goods_line_ids
from adapters.platforms.pinduoduo.order import found_order, is_order_id, order_id, state_of
from adapters.platforms.pinduoduo.paging import PddPage
from adapters.platforms.pinduoduo.refunds import refund_of
from adapters.ports import ListedChange, PlatformShipment, PlatformStatus
from adapters.rejection import rejection
from domain.errors import FulfilmentError, Malformed, Poison, Refused
from domain.order import PlatformState

R = TypeVar("R")
ROWS_MAX = 10**9
# Further parcels of an order: of a split one, of its gifts, and what was sent again.
_MORE_PARCELS = ("extra_delivery_list", "gift_delivery_list", "resend_delivery_list")


def page_of(
    body: bytes, method: str, rows_name: str, read: Callable[[str, object], R], *, use_has_next: bool
) -> PddPage[R]:
    """A page of a listing. Raises Malformed for a page that does not say what it was asked for: whether another page
    follows (`use_has_next`), or how many rows there are.
    """
    answer = opened(read_page_tree(body), method)
    rows = tuple(read(path, row) for path, row in answer.entries(rows_name))
    total = answer.whole("total_count", 0, ROWS_MAX) if answer.has("total_count") else 0
    if not (use_has_next or answer.has("total_count")):
        answer.missing("total_count")
    return PddPage(rows, total, use_has_next and answer.decided("has_next"))


def read_page(body: bytes, window_end: datetime, *, use_has_next: bool) -> PddPage[ListedChange]:
    """A row whose change time cannot be read counts as changed at the window's end; it must not block the page."""
    return page_of(
        body,
        describe.LIST_CHANGES,
        "order_sn_list",
        lambda path, row: _listed(path, row, window_end),
        use_has_next=use_has_next,
    )


def read_status(body: bytes) -> PlatformStatus:
    """State, refunds and parcels of one order, from an answer to a read of it. Raises Malformed, or Poison
    ``status_unknown``.
    """
    order = asked_order(body)
    refund, line_ids = refund_of(order), goods_line_ids(order)
    if not line_ids:
        order.missing("item_list")
    parcels = [order, *(row for name in _MORE_PARCELS for row in order.listed(name))]
    numbers = {(row.key_or("logistics_id", ""), row.key_or("tracking_number", "")): None for row in parcels}
    return PlatformStatus(
        state=state_of(order),
        refund_open=refund.is_open,
        # A number is the order's: which lines its parcel holds is not known, and a gift may be all of it.
        shipments=tuple(PlatformShipment(code, number, ()) for code, number in numbers if is_waybill(number)),
        changed_at=_changed_at(order),
        refund_lines=line_ids if refund.is_open else (),
        unknown_lines=line_ids if refund.is_unknown else (),
        line_ids=line_ids,
    )


def asked_order(body: bytes, asked: str = "") -> Fields:
    """The order object of an answer. Raises Malformed where it has none, or another one than `asked`."""
    try:
        order = Fields(found_order(read_answer(body)), "order", Malformed)
    except Poison as error:
        raise Malformed(error.code, error.message, error.facts) from None
    if asked and order_id(order) != asked:
        raise Malformed("answer_not_ours", "another order than the one asked for")
    return order


def read_sent(body: bytes, method: str) -> None:
    """Returns if a shipment was accepted. Raises Refused ``shipment_rejected`` or Malformed."""
    answer = opened(read_answer(body), method)
    name = "is_success" if answer.has("is_success") or not answer.has("success") else "success"
    if not answer.decided(name):
        raise Refused("shipment_rejected", "the platform answered without success")


def read_answered(body: bytes, case_number: str) -> None:
    """Returns if the platform took the answer about the goods of a case. Raises Malformed for any other answer."""
    answer = opened(read_answer(body), describe.ANSWER_STOP)
    if answer.child("result").child("result_data").key("refund_id") != case_number:
        raise Malformed("answer_not_ours", "another case than the one that was answered")


def opened(tree: dict[str, object], method: str) -> Fields:
    """The content of an answer, with or without its envelope."""
    name = describe.ENVELOPES[method]
    return Fields(tree.get(name, tree), name, Malformed)


def _listed(path: str, row: object, window_end: datetime) -> ListedChange:
    try:
        order = Fields(row, path, Malformed)
        number = order.key("order_sn")
        if not is_order_id(number):
            order.invalid("order_sn")
        return ListedChange(number, _changed_at(order) or window_end, _state_or_none(order))
    except Exception as error:  # noqa: BLE001 - whatever one row raises is that row's fault alone
        return ListedChange("", window_end, fault=f"row_{rejection(0, error, row, 'order_sn').code}")


def _changed_at(order: Fields) -> datetime | None:
    try:
        return order.moment("updated_at", read_cst)
    except Malformed:
        return None


def _state_or_none(order: Fields) -> PlatformState | None:
    """None where it cannot be read: the whole order tells why."""
    try:
        return state_of(order)
    except FulfilmentError:
        return None
