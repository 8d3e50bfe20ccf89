"""Stock that people count at a location of our own: pieces by SKU, named one by one or in a file."""

import csv
import io
from collections.abc import Mapping

from domain.errors import Refused
from domain.recount import PIECES_MAX
from infra.engine.author import Author
from infra.tables.pool import Database
from infra.tables.recount import held_at, write_count
from ops.verbs.choose import FILE_BYTES_MAX
from ops.verbs.listings import check_name
from ops.verbs.stock import Counted
from ops.views.looking import looking

COLUMNS = ("sku", "pieces")
ROWS_MAX = 50_000
_DIGITS_MAX = 10


def set_stock(db: Database, location: str, counted: Mapping[str, int], author: Author) -> Counted:
    """Take over what was counted. SKUs that are not named keep their figure; nothing is left below what is promised."""
    with looking(db) as tx:
        before = held_at(tx, location)
    changes = write_count(db, location, before, counted, author)
    return Counted(len(counted), changes.new, changes.raised, changes.lowered, changes.refused)


def read_pieces(text: str) -> int:
    """Pieces as a person writes them. Raises Refused ``pieces_malformed``."""
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit() and len(plain) <= _DIGITS_MAX and int(plain) <= PIECES_MAX):
        raise Refused("pieces_malformed", facts={"pieces_max": PIECES_MAX})
    return int(plain)


def read_stock(body: bytes) -> dict[str, int]:
    """Pieces by SKU of a CSV file in UTF-8 with the header ``sku,pieces``.

    Raises Refused ``file_unreadable``, with the line at fault; nothing of such a file is used.
    """
    if len(body) > FILE_BYTES_MAX:
        raise _unreadable("too_large", mib_max=FILE_BYTES_MAX // 1024**2)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable("not_utf_8", line=body.count(b"\n", 0, error.start) + 1) from None
    if "\0" in text:
        raise _unreadable("nul_character")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    counted: dict[str, int] = {}
    try:
        if [name.strip().lower() for name in next(reader, [])] != list(COLUMNS):
            raise _unreadable("header_missing", header=",".join(COLUMNS))
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            sku, pieces = _entry(row, reader.line_num)
            if sku in counted:
                raise _unreadable("sku_repeated", line=reader.line_num)
            counted[sku] = pieces
            if len(counted) > ROWS_MAX:
                raise _unreadable("too_many_rows", rows_max=ROWS_MAX)
    except csv.Error as error:
        raise _unreadable("no_csv", line=reader.line_num, error=str(error)) from None
    return counted


def _entry(row: list[str], line: int) -> tuple[str, int]:
    if len(row) != len(COLUMNS):
        raise _unreadable("columns", line=line, wanted=len(COLUMNS))
    try:
        return check_name(row[0].strip(), "SKU"), read_pieces(row[1])
    except Refused as error:
        raise _unreadable("row", line=line, error=error.code) from None


def _unreadable(fault: str, **facts: str | int) -> Refused:
    return Refused("file_unreadable", facts={"fault": fault, **facts})
