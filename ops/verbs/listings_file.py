"""A file of the listing map: CSV in UTF-8 with a header. Every row is looked at before anything is written."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import Facts, FulfilmentError, Refused
from domain.listings import EVERY, NOTHING, Listing
from ops.verbs.listings import Accounts, check_account, check_name

COLUMNS = ("shop", "product", "variant", "sku")
NOTHING_MARK = "-"
BYTES_MAX = 8 * 1024 * 1024
ROWS_MAX = 50_000
# Errors that are shown; further errors are only counted.
ERRORS_MAX = 100
# Long numbers as spreadsheets write them: the last digits are lost.
_ROUNDED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RowError:
    """`line`: where the row ends in the file, counted from 1; the header is line 1. `facts`: of the error `code`."""

    line: int
    code: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The entries of a file, by listing. A file with errors is not used at all; `errors` are the first of
    `errors_total`.
    """

    entries: dict[Listing, str]
    errors: tuple[RowError, ...]
    errors_total: int


def read_listings(body: bytes, accounts: Accounts) -> ReadFile:
    """Read a whole file.

    Raises Refused ``file_unreadable`` for what is no such file at all: too large, not UTF-8, no CSV, another header.
    """
    entries: dict[Listing, str] = {}
    lines: dict[Listing, int] = {}
    errors: list[RowError] = []
    total = 0
    for line, row in _rows(body):
        try:
            listing, sku = _entry(row, accounts)
            if listing in entries:
                raise Refused("listing_repeated", facts={"line": lines[listing]})
        except FulfilmentError as error:
            total += 1
            if len(errors) < ERRORS_MAX:
                errors.append(RowError(line, error.code, error.facts))
            continue
        entries[listing], lines[listing] = sku, line
    return ReadFile(entries, tuple(errors), total)


def _unreadable(fault: str, **facts: str | int) -> Refused:
    return Refused("file_unreadable", facts={"fault": fault, **facts})


def _rows(body: bytes) -> Iterator[tuple[int, list[str]]]:
    if len(body) > BYTES_MAX:
        raise _unreadable("too_large", mib_max=BYTES_MAX // 1024**2)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise _unreadable("not_utf_8", line=line) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _unreadable("nul_character", line=line)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if [name.strip().lower() for name in header] != list(COLUMNS):
            raise _unreadable("header_missing", header=",".join(COLUMNS))
        for number, row in enumerate((row for row in reader if any(field.strip() for field in row)), start=1):
            if number > ROWS_MAX:
                raise _unreadable("too_many_rows", rows_max=ROWS_MAX)
            yield reader.line_num, row
    except csv.Error as error:
        raise _unreadable("no_csv", line=reader.line_num, error=str(error)) from None


def _entry(row: list[str], accounts: Accounts) -> tuple[Listing, str]:
    if len(row) != len(COLUMNS):
        raise Refused("row_malformed", facts={"columns": len(row), "wanted": len(COLUMNS)})
    account, product, variant, sku = (field.strip() for field in row)
    platform, shop = check_account(accounts, account)
    listing = Listing(platform, shop, _id(product, "product"), _id(variant, "variant") if variant else EVERY)
    return listing, NOTHING if sku == NOTHING_MARK else check_name(sku, "SKU")


def _id(text: str, what: str) -> str:
    if _ROUNDED.fullmatch(text):
        raise Refused("id_rounded", facts={"what": what, "text": text})
    return check_name(text, what)
