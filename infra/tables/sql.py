"""Named queries: every statement is in a file of ``infra/tables/sql`` and is called by its name.

-- name: claim_due
-- What it is for, its lock, its index.
SELECT ...;
"""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.errors import Misconfigured

FOLDER = Path(__file__).with_name("sql")
_NAME = re.compile(r"^-- name:(.*)$", re.MULTILINE)


class Queries(Mapping[str, bytes]):
    """The statements of one file by name, as bytes: what psycopg takes for a query that no caller composed."""

    def __init__(self, file: str, statements: Mapping[str, bytes]) -> None:
        self._file = file
        self._statements = dict(statements)

    def __getitem__(self, name: str) -> bytes:
        try:
            return self._statements[name]
        except KeyError:
            raise Misconfigured("query_unknown", f"{self._file} has no query {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


@functools.cache
def load(name: str, folder: Path = FOLDER) -> Queries:
    """The queries of ``<name>.sql``; each opens with its name as a comment, for pg_stat_activity and logs.

    Raises Misconfigured for a missing file, a bad or repeated name, and a block without exactly one
    statement.
    """
    file = folder / f"{name}.sql"
    if not file.is_file():
        raise Misconfigured("queries_missing", f"no query file {file.name}")
    preamble, *parts = _NAME.split(file.read_text(encoding="utf-8"))
    if _statement(preamble):
        raise Misconfigured("query_unnamed", f"{file.name}: a statement stands before the first name")
    statements: dict[str, bytes] = {}
    for title, block in zip(parts[::2], parts[1::2], strict=True):
        query = title.strip()
        if not query.isidentifier():
            raise Misconfigured("query_misnamed", f"{file.name}: {query!r} is no name for a query")
        if query in statements:
            raise Misconfigured("query_repeated", f"{file.name}: two queries are named {query}")
        statement = _statement(block)
        if not statement or any(line.rstrip().endswith(";") for line in statement.splitlines()):
            raise Misconfigured("query_not_single", f"{file.name}: {query} is not exactly one statement")
        statements[query] = f"/* {name}.{query} */ {statement}".encode()
    return Queries(file.name, statements)


def _statement(block: str) -> str:
    """The block without the description before it and the semicolon after it."""
    lines = block.strip().splitlines()
    while lines and (not lines[0].strip() or lines[0].startswith("--")):
        lines.pop(0)
    return "\n".join(lines).rstrip().removesuffix(";").rstrip()
