"""Pages of events and counts of stock in the words of the feed protocol. Pure functions."""

from collections import Counter
from collections.abc import Mapping

from adapters.documents import EventPackage, RefusalCode, ReturnedPieces
from adapters.foreign import code_of, is_waybill
from adapters.instants import read_iso
from adapters.payload import Fields, read_page
from adapters.ports import EventPage, StockCount, StockLevel, WarehouseEvent
from adapters.rejection import Rejected, rejection
from adapters.warehouses.feed.orders import LINES_MAX, read_lines, read_pieces, refusal_code
from domain.errors import Malformed
from domain.warehouse import Scan

# Pieces of one SKU at one location. The pool adds up to 200 locations in a column of 32 bits.
QUANTITY_MAX = 10_000_000
# Entries of a page, whatever was asked for, and SKUs of a count.
EVENTS_MAX = 10_000
SKUS_MAX = 200_000
CURSOR_MAX = 1_024
# Packages of one document, and the weight of one: more is a mistake of units.
PACKAGES_MAX = 200
GRAMS_MAX = 1_000_000

_KINDS: Mapping[str, Scan] = {kind.value: kind for kind in Scan}


def read_events(body: bytes, cursor: str) -> EventPage:
    """One page. An entry that cannot be read is named in `rejected` and stops no neighbour.

    Raises Malformed for a page without a list of events, or one that brings or promises something without moving on.
    """
    tree = read_page(body)
    page = Fields(tree, "", Malformed)
    entries = _entries(tree, page, "events", EVENTS_MAX)
    events: list[WarehouseEvent] = []
    rejected: list[Rejected] = []
    for position, entry in enumerate(entries):
        try:
            events.append(_event(Fields(entry, f"events[{position}]", Malformed)))
        except Exception as error:  # noqa: BLE001 - whatever one entry raises is that entry's fault alone
            rejected.append(rejection(position, error, entry, "reference", "waybill"))
    moved = page.text("cursor", CURSOR_MAX) if entries else page.text_or("cursor", cursor, CURSOR_MAX)
    has_more = page.flag("has_more")
    if moved == cursor and (has_more or entries):
        raise Malformed("cursor_stuck", "the feed brings or promises events but does not move on")
    return EventPage(body, tuple(events), tuple(rejected), moved, has_more)


def read_stock(body: bytes) -> StockCount:
    """Counted stock.

    A row that cannot be read leaves out its SKU: unknown stock is never promised, and its orders wait for a person.
    So does a SKU with several rows, for none of them is known to be the count. Raises Malformed for an answer
    without a list.
    """
    tree = read_page(body)
    entries = _entries(tree, Fields(tree, "", Malformed), "stock", SKUS_MAX)
    levels: list[tuple[int, StockLevel]] = []
    rejected: list[Rejected] = []
    for position, entry in enumerate(entries):
        try:
            row = Fields(entry, f"stock[{position}]", Malformed)
            levels.append((position, StockLevel(row.key("sku"), row.whole("quantity", 0, QUANTITY_MAX))))
        except Exception as error:  # noqa: BLE001 - whatever one row raises is that row's fault alone
            rejected.append(rejection(position, error, entry, "sku"))
    rows = Counter([level.sku for _, level in levels])
    rows.update([one.key for one in rejected if one.key])
    rejected += [
        Rejected(position, "sku_repeated", f"stock[{position}].sku", level.sku)
        for position, level in levels
        if rows[level.sku] > 1
    ]
    return StockCount(tuple(level for _, level in levels if rows[level.sku] == 1), tuple(rejected))


def _entries(tree: Mapping[str, object], page: Fields, name: str, limit: int) -> list[object]:
    entries = tree.get(name)
    if not isinstance(entries, list):
        page.missing(name)
    if len(entries) > limit:
        page.invalid(name)
    return entries


def _event(entry: Fields) -> WarehouseEvent:
    """One event. A type that we do not know is kind `other`: its code is the type's own name, where it looks like one.

    Whoever worked on it, and whatever else stands in the entry, is not read.
    """
    said = entry.text("type")
    kind = _KINDS.get(said, Scan.OTHER)
    event_id, reference, their_id = entry.key("event_id"), entry.key("reference"), entry.key_or("id", "")
    if kind is Scan.OTHER:
        at = entry.moment("at", read_iso)
        return WarehouseEvent(event_id, reference, "", kind.value, at, their_id, code=code_of(said))
    code = ""
    if kind in {Scan.REFUSED, Scan.SHORT}:
        code = refusal_code(entry, RefusalCode.SHORT if kind is Scan.SHORT else RefusalCode.OTHER).value
    packages = _packages(entry)
    return WarehouseEvent(
        event_id,
        reference,
        entry.key_or("waybill", packages[0].waybill if len(packages) == 1 else ""),
        kind.value,
        entry.moment("at", read_iso),
        their_id,
        packages,
        read_lines(entry),
        is_final=entry.flag("final"),
        # A key that is the document's own would make its second event look like a repeat of the first.
        is_key_trusted=event_id not in {reference, their_id},
        code=code,
        returned=_returned(entry) if kind is Scan.RETURNED else (),
    )


def _returned(entry: Fields) -> tuple[ReturnedPieces, ...]:
    """The list `returned`. `sellable` is required: pieces of which nobody says that they can be sold are not sold."""
    return tuple(
        ReturnedPieces(
            row.key("sku"),
            row.whole("sellable", 0, QUANTITY_MAX),
            row.whole("damaged", 0, QUANTITY_MAX) if row.has("damaged") else 0,
            row.key_or("line", ""),
        )
        for row in entry.listed("returned", limit=LINES_MAX)
    )


def _packages(entry: Fields) -> tuple[EventPackage, ...]:
    return tuple(_package(row) for row in entry.listed("packages", limit=PACKAGES_MAX))


def _package(row: Fields) -> EventPackage:
    waybill = row.key("waybill")
    if not is_waybill(waybill):
        row.invalid("waybill")
    return EventPackage(waybill, row.key_or("courier", ""), _grams(row), read_pieces(row, "lines", low=1))


def _grams(row: Fields) -> int:
    """0, which says unknown, where it is absent or no weight: a scale that errs takes nothing from the event."""
    try:
        return row.whole("grams", 0, GRAMS_MAX)
    except Malformed:
        return 0
