"""The plans of the statements that a run really sent, with the buffers each touched."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import psycopg

from benchmarks.floor.recording import Act, Statement
from infra.servers import Connection

_NAME = re.compile(rb"^/\* (\S+) \*/")


class Plan(msgspec.Struct, frozen=True):
    """`scans`: indexes it used, and tables it read whole; `buffers`: asked for by one execution."""

    scans: tuple[str, ...]
    buffers: int


def examples(acts: Iterable[Act]) -> dict[str, Statement]:
    """The last statement of each name."""
    found: dict[str, Statement] = {}
    for act in acts:
        if isinstance(act, Statement) and isinstance(act.query, bytes) and (name := _NAME.match(act.query)):
            found[name[1].decode()] = act
    return found


def explain(stores: Connection, statements: Mapping[str, Statement]) -> dict[str, Plan]:
    """Execute each once more, in a transaction that is rolled back."""
    plans: dict[str, Plan] = {}
    with psycopg.connect(stores.database_url.reveal()) as session:
        for name, statement in statements.items():
            assert isinstance(statement.query, bytes)
            try:
                query = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement.query
                row = session.execute(query, statement.params).fetchone()
            except psycopg.IntegrityError:
                # An insert without its own conflict clause cannot be repeated.
                continue
            finally:
                session.rollback()
            assert row is not None
            tree = row[0][0]["Plan"]
            plans[name] = Plan(tuple(sorted(set(_scans(tree)))), tree["Shared Hit Blocks"] + tree["Shared Read Blocks"])
    return plans


def _scans(node: Mapping[str, Any]) -> Iterable[str]:
    """Indexes by their names, tables that are read whole as such."""
    if "Index Name" in node:
        yield node["Index Name"]
    elif node["Node Type"] == "Seq Scan":
        yield f"all of {node['Relation Name']}"
    for child in node.get("Plans", ()):
        yield from _scans(child)
