"""Our side of the ledgers that are compared after a run. Whole tables are read: nothing for the hot path."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.cases import CaseKind
from infra.tables.pool import Connection
from infra.tables.sql import load

LEDGER = load("ledger")


class PartRow(NamedTuple):
    """A fulfillment order, by the platform's name of its order. `state` is None for an order without any."""

    shop: str
    platform_order_id: str
    is_ours: bool
    state: str | None
    holds: list[str]
    is_dead: bool
    packages: int
    written_back: int
    unnotified: int
    is_kept_out: bool
    is_closed_while_shipped: bool


class LineRow(NamedTuple):
    """The pieces of a line: sold, planned, cancelled, and shipped by somebody else.

    `shown`: the number under which the platform shows what somebody else has shipped; empty: none.
    """

    shop: str
    platform_order_id: str
    line_id: str
    sku: str
    quantity: int
    planned: int
    cancelled: int
    elsewhere: int
    is_ours: bool
    shown: str


class WaybillRow(NamedTuple):
    """A booked waybill and one line of its package; `line_id` is None for an empty package."""

    shop: str
    platform_order_id: str
    reference: str
    waybill: str
    line_id: str | None
    quantity: int | None
    is_handed_over: bool
    is_written_back: bool
    is_given_up: bool


class LedgerDocument(NamedTuple):
    """A document that was intended or placed at a warehouse."""

    shop: str
    platform_order_id: str
    reference: str
    location: str
    is_placed: bool


class ProgressRow(NamedTuple):
    """How far a run got. `read_upto`: up to when (unix seconds) every shop's changes were read.

    `on_the_way`: fulfillment orders that were approved and have not left their warehouse.
    """

    orders: int
    unread: int
    due: int
    written_back: int
    gaps: int
    read_upto: float
    on_the_way: int


def parts(tx: Connection) -> list[PartRow]:
    """Every fulfillment order."""
    return [PartRow(*row) for row in tx.execute(LEDGER["parts"])]


def lines(tx: Connection) -> list[LineRow]:
    """Every line."""
    return [LineRow(*row) for row in tx.execute(LEDGER["lines"])]


def unread(tx: Connection) -> frozenset[tuple[str, str]]:
    """(shop, platform order id) of payloads that became dead letters before they were orders."""
    return frozenset((shop, order) for shop, order in tx.execute(LEDGER["unread"]))


def waybills(tx: Connection) -> list[WaybillRow]:
    """Every booked waybill, once for each line that is in its package."""
    return [WaybillRow(*row) for row in tx.execute(LEDGER["waybills"])]


def shown_waybills(tx: Connection) -> frozenset[str]:
    """Waybills of warehouses that are in no package of ours, and that a person sees."""
    return frozenset(row[0] for row in tx.execute(LEDGER["shown_waybills"], {"unwanted": CaseKind.UNWANTED_PARCEL}))


def documents(tx: Connection) -> list[LedgerDocument]:
    """Every document that a warehouse may have heard of."""
    return [LedgerDocument(*row) for row in tx.execute(LEDGER["documents"])]


def pieces(tx: Connection) -> dict[str, int]:
    """Pieces promised, committed or shipped, by SKU."""
    return dict(tx.execute(LEDGER["pieces"]).fetchall())


def latencies_ms(connection: Connection) -> dict[str, float]:
    """99th percentile by lane, from the raw payload stored to the write-back confirmed."""
    return {lane: float(p99) for lane, p99 in connection.execute(LEDGER["latencies"])}


def progress(tx: Connection, endless: Sequence[str]) -> ProgressRow:
    """How far a run got. `endless`: steps whose work never ends, which is not counted as due."""
    row = tx.execute(LEDGER["progress"], {"endless": list(endless)}).fetchone()
    assert row is not None
    return ProgressRow(*row)


def states(tx: Connection) -> dict[str, int]:
    """Fulfillment orders by state."""
    return dict(tx.execute(LEDGER["states"]).fetchall())
