"""Replay of real order lines: a CSV file with the columns of the Olist order-line data set.

Each seller becomes a shop and each product a SKU; an order with several sellers becomes several platform
orders that share a `group`. Prices and freight are taken as given and read as if they were yuan. Receivers
are invented: the file holds only city, state and postcode prefix.
"""

import csv
import hashlib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path

from domain.errors import Misconfigured
from sandbox.model import Expected, PlannedLine, PlannedOrder, Region, Sku

# The columns that are read; others may be there.
COLUMNS = frozenset(
    {"order_id", "buyer_id", "status", "zip_prefix", "city", "state"}
    | {"product_id", "category", "seller_id", "price", "freight"}
)
_EXPECTED = {
    **dict.fromkeys(("delivered", "shipped", "invoiced", "processing", "approved"), Expected.SHIP),
    "created": Expected.UNPAID,
    **dict.fromkeys(("canceled", "unavailable"), Expected.CLOSED),
}
_TID_FIRST, _TID_SPAN = 10**18, 8 * 10**18

Row = dict[str, str]


def read(path: Path, limit: int) -> Iterator[PlannedOrder]:
    """The platform orders of the first `limit` source orders (0: all), in the file's order.

    The lines of one source order stand together in the file. Raises Misconfigured for a file that is
    missing, lacks columns, or has a row that cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            absent = COLUMNS - set(rows.fieldnames or ())
            if absent:
                raise Misconfigured("csv_columns", f"{path} lacks {', '.join(sorted(absent))}")
            for place, (_, group) in enumerate(groupby(rows, key=lambda row: row["order_id"]), start=1):
                if limit and place > limit:
                    return
                yield from _split(list(group))
    except OSError as error:
        raise Misconfigured("csv_unreadable", f"{path}: {error.strerror}") from None
    except (ValueError, InvalidOperation, csv.Error, AttributeError, TypeError, KeyError) as error:
        raise Misconfigured("csv_invalid", f"{path}, near line {rows.line_num}: {error}") from None


def _split(rows: list[Row]) -> Iterator[PlannedOrder]:
    by_seller: dict[str, list[Row]] = {}
    for row in rows:
        by_seller.setdefault(row["seller_id"], []).append(row)
    for seller, lines in by_seller.items():
        yield _order(seller, lines)


def _order(seller: str, rows: list[Row]) -> PlannedOrder:
    first = rows[0]
    if first["status"] not in _EXPECTED:
        raise ValueError(f"unknown status {first['status']!r}")
    key = f"{first['order_id']}/{seller}"
    return PlannedOrder(
        tid=_TID_FIRST + _hash(key) % _TID_SPAN,
        group=first["order_id"],
        shop=seller,
        expected=_EXPECTED[first["status"]],
        offset_s=0.0,
        lines=_lines(rows),
        freight=sum(_cents(row["freight"]) for row in rows),
        seed=_hash(f"seed/{key}"),
        buyer=_hash(first["buyer_id"]),
        place=Region("BR", first["state"], first["city"], "centro", first["zip_prefix"]),
        is_plain=True,
    )


def _lines(rows: list[Row]) -> tuple[PlannedLine, ...]:
    """A quantity is written as repeated rows: equal product and price are pieces of one line."""
    pieces: dict[tuple[str, int], int] = {}
    titles: dict[str, str] = {}
    for row in rows:
        key = row["product_id"], _cents(row["price"])
        pieces[key] = pieces.get(key, 0) + 1
        titles[row["product_id"]] = row["category"] or "sem categoria"
    return tuple(
        PlannedLine(_sku(product, titles[product]), quantity, price) for (product, price), quantity in pieces.items()
    )


def _sku(product: str, title: str) -> Sku:
    identity = _hash(product)
    return Sku(
        code=product,
        product_id=600_000_000_000 + identity % 10**11,
        sku_id=4_000_000_000_000 + identity % 10**12,
        title=title,
        variant="",
        price=0,
    )


def _cents(amount: str) -> int:
    cents = Decimal(amount).scaleb(2)
    if cents != cents.to_integral_value() or cents < 0:
        raise ValueError(f"not an amount: {amount!r}")
    return int(cents)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
