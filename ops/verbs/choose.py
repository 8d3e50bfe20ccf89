"""Chooses the subjects of a verb: named one by one, named in a file, or all that match a filter."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from domain.bulk_acts import ITEMS_MAX
from domain.errors import Refused
from infra.tables.bulk_acts import open_letters
from infra.tables.cases import CaseFilter, list_cases
from infra.tables.holds import HoldFilter, list_holds
from infra.tables.letters import LetterFilter, of_one_cause
from infra.tables.order_list import OrderFilter, choose_orders
from infra.tables.pool import Database
from infra.tables.take_over import KeptOutFilter, find_kept_out
from infra.tables.voiding import packages_named as find_packages_named
from infra.tables.writebacks import Selection
from ops.verbs.bulk_acts import NamedItem
from ops.views.looking import looking
from ops.views.order_list import resolve
from ops.views.writebacks import open_writebacks

FILE_BYTES_MAX = 4 * 1024 * 1024
_PAGE = 1_000
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
# Long numbers as spreadsheets write them: the last digits are lost.
_ROUNDED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+", re.ASCII | re.IGNORECASE)

# (line, name): the line of a file, or the place among several names.
Named = Sequence[tuple[int, str]]


def read_names(body: bytes, column: str | None) -> Named:
    """The names in a file with the lines where they stand: one a line, or those of one column of a CSV with a header.

    Raises Refused ``file_unreadable`` for what is too large, is no text in UTF-8 or no CSV, or lacks the column.
    """
    if len(body) > FILE_BYTES_MAX:
        raise Refused("file_unreadable", facts={"fault": "too_large", "mib_max": FILE_BYTES_MAX // 1024**2})
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Refused("file_unreadable", facts={"fault": "not_utf_8", "line": line}) from None
    if "\0" in text:
        raise Refused("file_unreadable", facts={"fault": "nul_character"})
    named = _column(text, column) if column is not None else list(enumerate(text.splitlines(), 1))
    return [(line, name.strip()) for line, name in named if name.strip()]


def _column(text: str, column: str) -> list[tuple[int, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if header.count(column) != 1:
            raise Refused("file_unreadable", facts={"fault": "column_missing", "column": column})
        index = header.index(column)
        return [(reader.line_num, row[index]) for row in reader if len(row) > index]
    except csv.Error as error:
        line = reader.line_num
        raise Refused("file_unreadable", facts={"fault": "no_csv", "line": line, "error": str(error)}) from None


def orders_named(db: Database, named: Named) -> list[NamedItem]:
    """The order that each name means; the others with ``order_unknown``, ``order_ambiguous`` or ``id_rounded``."""
    _bounded(named)
    found: list[NamedItem] = []
    for start in range(0, len(named), _PAGE):
        some = named[start : start + _PAGE]
        for (line, name), meant in zip(some, resolve(db, [name for _, name in some]), strict=True):
            if isinstance(meant, int):
                found.append(NamedItem(line, meant))
            else:
                found.append(NamedItem(line, None, "id_rounded" if _ROUNDED.fullmatch(name) else meant.code))
    return found


def orders_of(db: Database, wanted: OrderFilter) -> list[NamedItem]:
    """The orders of a filter, the oldest first. Raises Refused ``too_many`` and ``filter_empty``."""
    if wanted.is_empty:
        raise Refused("filter_empty", facts={"fault": "orders"})
    ids: list[int] = []
    after: int | None = None
    with looking(db) as tx:
        while True:
            page = choose_orders(tx, wanted, after=after, limit=_PAGE, oldest_first=True)
            ids += [order_id for order_id, _ in page.ids]
            after = page.after
            if after is None or len(ids) > ITEMS_MAX:
                return _all(ids)


def kept_out_of(db: Database, wanted: KeptOutFilter) -> list[NamedItem]:
    """The kept-out orders of a filter, the earliest paid first. Raises Refused ``too_many`` and ``filter_empty``."""
    if wanted == KeptOutFilter():
        raise Refused("filter_empty", facts={"fault": "orders"})
    with looking(db) as tx:
        return _all([one.id for one in find_kept_out(tx, wanted, ITEMS_MAX + 1)])


def numbered(named: Named) -> list[NamedItem]:
    """Holds, cases or letters by their numbers; what is no number with ``id_malformed``."""
    _bounded(named)
    return [
        NamedItem(line, int(name)) if _NUMBER.fullmatch(name) else NamedItem(line, None, "id_malformed")
        for line, name in named
    ]


def holds_of(db: Database, wanted: HoldFilter) -> list[NamedItem]:
    """The open holds of a filter. Raises Refused ``too_many`` and ``filter_empty``."""
    if wanted.is_empty:
        raise Refused("filter_empty", facts={"fault": "holds"})
    with looking(db) as tx:
        return _all([one.id for one in list_holds(tx, wanted, limit=ITEMS_MAX + 1)])


def cases_of(db: Database, wanted: CaseFilter) -> list[NamedItem]:
    """The open cases of a filter. Raises Refused ``too_many`` and ``filter_empty``."""
    if wanted.is_empty:
        raise Refused("filter_empty", facts={"fault": "cases"})
    with looking(db) as tx:
        return _all([one.id for one in list_cases(tx, wanted, is_open=True, limit=ITEMS_MAX + 1)])


def letters_of(db: Database, wanted: LetterFilter) -> list[NamedItem]:
    """The open letters of a filter. Raises Refused ``too_many``, ``filter_empty`` and ``cause_ambiguous``."""
    if wanted.is_empty:
        raise Refused("filter_empty")
    with looking(db) as tx:
        return _all(open_letters(tx, of_one_cause(tx, wanted), ITEMS_MAX + 1))


def packages_named(db: Database, named: Named) -> list[NamedItem]:
    """The package that each waybill or reference means; others with ``package_unknown`` or ``package_ambiguous``."""
    _bounded(named)
    with looking(db) as tx:
        found = find_packages_named(tx, sorted({name for _, name in named}))
    return [_package(line, found.get(name, [])) for line, name in named]


def package_named(db: Database, name: str) -> int:
    """The one package that a waybill or reference means. Raises Refused as `packages_named` says."""
    with looking(db) as tx:
        meant = find_packages_named(tx, [name]).get(name, [])
    if len(meant) != 1:
        raise Refused("package_ambiguous" if meant else "package_unknown", facts={"name": name})
    return meant[0]


def _package(line: int, meant: Sequence[int]) -> NamedItem:
    if len(meant) == 1:
        return NamedItem(line, meant[0])
    return NamedItem(line, None, "package_ambiguous" if meant else "package_unknown")


def write_backs_of(db: Database, orders: Iterable[NamedItem]) -> list[NamedItem]:
    """Packages of orders whose platform has not confirmed them; an order without one with ``writeback_confirmed``."""
    found: list[NamedItem] = []
    for one in orders:
        if one.subject_id is None:
            found.append(one)
            continue
        open_ones = open_writebacks(db, Selection(order_id=one.subject_id, any_open=True))
        packages = [NamedItem(0, each.package_id) for each in open_ones]
        found += packages or [NamedItem(0, None, "writeback_confirmed")]
    return [NamedItem(position, one.subject_id, one.code) for position, one in enumerate(found, 1)]


def _all(ids: Sequence[int]) -> list[NamedItem]:
    _bounded(ids)
    return [NamedItem(position, id_) for position, id_ in enumerate(ids, 1)]


def _bounded(items: Sequence[object]) -> None:
    if len(items) > ITEMS_MAX:
        raise Refused("too_many", facts={"most": ITEMS_MAX})
