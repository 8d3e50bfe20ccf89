"""SQL has owners: one module for each file, one family for each table, and no statement elsewhere."""

import ast
import re
from pathlib import Path

import pytest

from infra.tables.sql import FOLDER, load

# Modules outside infra/tables that run statements of their own, and why.
OWN_STATEMENTS = {
    "infra/process/failpoints.py": "a failpoint spoils the transaction of the step that it stands in, on purpose",
    "infra/servers/postgres.py": "makes the application's database, before there is any table",
    "infra/queue/priority/scripts.py": "runs pipelines of Redis",
    "infra/accounts/shared_breaker.py": "runs pipelines of Redis",
    "workers/demo/control.py": "plants harm for the control run of the demo, from a file beside it",
}
# Drills do harm on purpose, benchmarks time single statements, and both bring files of their own.
ROOMS_APART = {"drills", "benchmarks"}

# Tables that a query of another family writes, and why. The owner of a table is the family of that name in OWNERS.
COUNTS_REFUSED = "what is beyond a limit is counted by the statement that refuses it, or it could be stored uncounted"
KNOWS_FORGOTTEN = "what comes in of a forgotten order is noted by the statement that leaves it out, in one round trip"
FORGETS = "all that is forgotten of a person, or grows old, stands in one file, so that it can be read as a whole"
ONE_TRIP = "one statement writes all rows of a new thing: a round trip for each table would cost each order"
BEGUN = "an order that was kept out is begun as a whole: state, pieces and sums in one statement"
MAKES_DUE = "a change and the work that it makes due are one statement, so that neither is seen without the other"
WRITES_ELSEWHERE = {
    ("after_sale", "order_case"): "what a platform tells of a case joins the row that a person works on",
    ("after_sale", "work"): MAKES_DUE,
    ("payloads", "refused_input"): COUNTS_REFUSED,
    ("scans", "refused_input"): COUNTS_REFUSED,
    ("unreadable", "refused_input"): COUNTS_REFUSED,
    ("payloads", "tombstone"): KNOWS_FORGOTTEN,
    ("orders", "fulfillment_order"): ONE_TRIP,
    ("orders", "fulfillment_line"): ONE_TRIP,
    ("fulfillment", "hold"): "a part that comes to be later is held from its first moment, as its order is",
    ("packages", "package_line"): ONE_TRIP,
    ("packages", "fulfillment_line"): ONE_TRIP,
    ("lines", "order_line"): "pieces of a line and of its fulfillment lines move together, or their sums would differ",
    ("listings", "order_line"): "lines get the SKU that the listing map gives them",
    ("listings", "fulfillment_line"): "lines that the map leaves out leave their fulfillment orders in one statement",
    ("listings", "orders"): "an order of which no line is ours any more is nobody's, in the transaction of its lines",
    ("lines", "reservation"): "reserved pieces move with the lines that they are reserved for",
    (
        "stock",
        "fulfillment_order",
    ): "pieces that leave or come back tell their fulfillment order in one round trip",
    ("gaps", "shop"): "a gap without an order id is tried again by reading its window again",
    ("gaps", "work"): MAKES_DUE,
    ("writebacks", "work"): MAKES_DUE,
    ("shipments", "work"): MAKES_DUE,
    ("placements", "work"): MAKES_DUE,
    ("tracking", "work"): MAKES_DUE,
    ("orders", "work"): MAKES_DUE,
    ("interceptions", "work"): "what is told of a parcel brings the next look at its interception forward",
    ("interceptions", "shipment"): "an interception is about one waybill: its columns stand in the row of that",
    ("payloads", "work"): "payloads that wait to be read change lanes; the queries of work itself name no step",
    ("gates", "work"): "an account that is the cause returns attempts and takes note of it in one statement",
    ("alarm_conditions", "clock_alarm"): "marks that are over are noted by the statement that counts the others",
    ("take_over", "shop"): "how a shop is served is stored together with the instant of its take-over",
    ("take_over", "order_line"): BEGUN,
    ("take_over", "fulfillment_line"): BEGUN,
    ("take_over", "fulfillment_order"): BEGUN,
    ("take_over", "watch_decision"): BEGUN,
    (
        "take_over",
        "hold",
    ): "what a person holds of parts that end, the part that is begun is held for, in one statement",
    ("clock", "event"): "an alarm is raised once: its row and its place in the timeline are one statement",
}
FORGETTING = {"retention", "erasure"}
OWNERS = {
    "accusation": "gates",
    "alarm": "alarms",
    "audit": "audit",
    "breach": "breaches",
    "bulk": "bulk",
    "bulk_act": "bulk_acts",
    "bulk_item": "bulk_acts",
    "bulk_member": "bulk",
    "case_cursor": "after_sale",
    "clock_alarm": "clock",
    "dead_letter": "letters",
    "early_scan": "scans",
    "ended_accuser": "gates",
    "erasure": "erasure",
    "erasure_order": "erasure",
    "event": "events",
    "flight": "running_batches",
    "foreign_answer": "answers",
    "fulfillment_line": "lines",
    "fulfillment_order": "fulfillment",
    "gate": "gates",
    "hold": "holds",
    "letter_alarm": "letters",
    "letter_tally": "letters",
    "listing_sku": "listings",
    "location": "locations",
    "milestone": "signals",
    "notice": "notices",
    "order_line": "orders",
    "order_case": "cases",
    "orders": "orders",
    "package": "packages",
    "parcel_event": "tracking",
    "parcel_return": "returns",
    "parcel_return_line": "returns",
    "placement": "placements",
    "package_line": "lines",
    "pull_gap": "gaps",
    "raw_payload": "payloads",
    "receiver": "orders",
    "refused_input": "retention",
    "reservation": "stock",
    "retention_mark": "retention",
    "shipment": "shipments",
    "shop": "shops",
    "signal": "signals",
    "spent_attempt": "gates",
    "stock_location": "stock",
    "stock_pool": "stock",
    "stock_refusal": "recount",
    "stop": "stops",
    "tombstone": "retention",
    "unreadable_entry": "unreadable",
    "warehouse_page": "scans",
    "watch_decision": "watch",
    "watch_piece": "watch",
    "work": "work",
    "worker_report": "reports",
    "writeback": "writebacks",
}
WRITE = re.compile(
    r"\b(?:INSERT\s+INTO|DELETE\s+FROM|(?<!DO )(?<!FOR )(?<!FOR NO KEY )UPDATE)\s+(?:ONLY\s+)?([a-z_]+)", re.IGNORECASE
)
FAMILIES = sorted(file.stem for file in FOLDER.glob("*.sql"))


def written(statement):
    """Tables that a statement inserts into, updates or deletes from."""
    text = re.sub(r"--[^\n]*|'[^']*'", "", statement)
    return {table for table in WRITE.findall(text) if table not in {"set", "of", "skip"}}


def loads(tree):
    """Files of queries that a module loads from the common folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load" and len(node.args) == 1:
            (name,) = node.args
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value


def runs_statements(tree):
    """Whether anything is called `execute` or `executemany` here."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"execute", "executemany"}
        for node in ast.walk(tree)
    )


def is_apart(module, root):
    return module.relative_to(root).parts[0] in ROOMS_APART


def test_only_tables_run_statements(modules, tree_of, root):
    found = {
        str(module.relative_to(root))
        for module in modules
        if module.parent != root / "infra/tables" and not is_apart(module, root) and runs_statements(tree_of(module))
    }
    assert found == set(OWN_STATEMENTS)


def test_each_file_has_the_module_of_its_name(modules, tree_of, root):
    owners = {}
    for module in modules:
        for name in loads(tree_of(module)):
            owners.setdefault(name, []).append(module)
    assert {name: [root / f"infra/tables/{name}.py"] for name in FAMILIES} == owners


def test_each_table_is_written_by_one_family():
    strangers = {
        (family, table)
        for family in FAMILIES
        for statement in load(family).values()
        for table in written(statement.decode())
        if OWNERS.get(table) != family and family not in FORGETTING
    }
    assert strangers == set(WRITES_ELSEWHERE)


def test_each_owner_writes_its_table():
    written_by = {family: set().union(*(written(one.decode()) for one in load(family).values())) for family in FAMILIES}
    assert [table for table, family in OWNERS.items() if table not in written_by[family]] == []


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        (
            "WITH gone AS (DELETE FROM a WHERE x) INSERT INTO b (x) SELECT 1 ON CONFLICT (x) DO UPDATE SET x = 2",
            {"a", "b"},
        ),
        ("SELECT 1 FROM a FOR UPDATE OF a SKIP LOCKED", set()),
        ("SELECT 1 FROM a FOR UPDATE", set()),
        ("-- UPDATE a\nUPDATE b AS c SET x = 'INSERT INTO d'", {"b"}),
    ],
)
def test_what_a_statement_writes(statement, tables):
    assert written(statement) == tables


def test_a_statement_elsewhere_would_be_found(tree_of, tmp_path):
    stranger = Path(tmp_path / "stranger.py")
    stranger.write_text('from infra.tables.sql import load\nWORK = load("work")\ntx.execute(WORK["add"])\n')
    assert runs_statements(tree_of(stranger))
    assert list(loads(tree_of(stranger))) == ["work"]
