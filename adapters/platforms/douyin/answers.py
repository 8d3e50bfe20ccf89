"""Readers of Douyin's answers about orders and shipments. The data of an answer is its member `data`."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from adapters.instants import read_epoch_s
from adapters.payload import Fields, read_answer
from adapters.payload import read_page as read_page_tree
from adapters.platforms.douyin.lines import by_line, line_id_of, lines_in, order_id_of, parcels_in, refund_of, state_in
from adapters.platforms.douyin.order import is_order_id, order_id
from adapters.platforms.douyin.paging import DouyinPage
from adapters.ports import ListedChange, PlatformShipment, PlatformStatus
from adapters.rejection import rejection
from domain.errors import FulfilmentError, Malformed
from domain.order import PlatformState

R = TypeVar("R")

ROWS_MAX = 10**9


def read_page(body: bytes, window_end: datetime) -> DouyinPage[ListedChange]:
    """A row that cannot be read stops no other. One without a readable time counts as changed at the window's end.

    Raises Malformed for a page that does not say how many rows there are.
    """
    return page_of(body, "shop_order_list", lambda path, row: _listed(path, row, window_end))


def page_of(body: bytes, name: str, read: Callable[[str, object], tuple[R, datetime | None]]) -> DouyinPage[R]:
    """A page of a listing, whose rows stand under `name`. `read` raises nothing."""
    data = Fields(read_page_tree(body), "answer", Malformed).child("data")
    rows = [read(path, row) for path, row in data.entries(name)]
    total = data.whole("total", 0, ROWS_MAX)
    if not rows and not data.has(name) and total:
        data.missing(name)
    return DouyinPage(tuple(row for row, _ in rows), tuple(time for _, time in rows), total)


def read_status(body: bytes) -> PlatformStatus:
    """State, refunds and shipments of one order. Raises Malformed, or Poison ``status_unknown``."""
    order = order_in(body)
    state, rows = state_in(order), lines_in(order)
    refunds = [(line_id_of(row), refund_of(row, state_in(row, state))) for row in rows]
    open_lines = tuple(line_id for line_id, refund in refunds if refund.is_open)
    return PlatformStatus(
        state=state,
        refund_open=bool(open_lines),
        shipments=tuple(
            PlatformShipment(company, number, lines) for (company, number), lines in by_line(parcels_in(order)).items()
        ),
        changed_at=_moment(order, "update_time"),
        refund_lines=open_lines,
        unknown_lines=tuple(line_id for line_id, refund in refunds if refund.is_unknown),
        line_ids=tuple(line_id for line_id, _ in refunds),
    )


def order_in(body: bytes) -> Fields:
    """The order in an answer to a read of one. Raises Malformed."""
    return Fields(read_answer(body), "answer", Malformed).child("data").child("shop_order_detail")


def asked_order(body: bytes, asked: str) -> Fields:
    """The same, of the order `asked`. Raises Malformed ``answer_not_ours``."""
    order = order_in(body)
    if order_id(order) != asked:
        raise Malformed("answer_not_ours", "another order than the one asked for")
    return order


def read_shipped(body: bytes, waybill: str) -> None:
    """Returns if the parcel was accepted. Raises Malformed where the answer names other parcels only.

    An answer without parcels is a success: a repetition, and a shipment of a whole order, answer so.
    """
    tree = Fields(read_answer(body), "answer", Malformed)
    if not tree.has("data"):
        return
    numbers = {one.key_or("logistics_code", "") for one in tree.child("data").listed("pack_list")} - {""}
    if numbers and waybill not in numbers:
        raise Malformed("answer_not_ours", "the answer names other parcels")


def read_done(body: bytes) -> None:
    """Returns for an answer with success. Raises Malformed."""
    Fields(read_answer(body), "answer", Malformed).key("code")


def _listed(path: str, row: object, window_end: datetime) -> tuple[ListedChange, datetime | None]:
    changed_at: datetime | None = None
    try:
        fields = Fields(row, path, Malformed)
        changed_at = _moment(fields, "update_time")
        state = _state(fields)
        return ListedChange(order_id(fields), changed_at or window_end, state), changed_at
    except Exception as error:  # noqa: BLE001 - whatever one row raises is that row's fault alone
        fault = rejection(0, error, row, "order_id")
        named = order_id_of(fault.key)
        if is_order_id(named):
            return ListedChange(named, changed_at or window_end), changed_at
        return ListedChange("", changed_at or window_end, fault=f"row_{fault.code}"), changed_at


def _state(row: Fields) -> PlatformState | None:
    try:
        return state_in(row)
    except FulfilmentError:
        return None


def _moment(fields: Fields, name: str) -> datetime | None:
    try:
        return fields.moment(name, read_epoch_s)
    except FulfilmentError:
        return None
