"""What every module keeps to, beyond what linters see."""

import ast
import re

LINES_MAX = 450
# Names under which anything may be thrown together.
SHAPELESS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "info", "misc"}
CAMEL_PART = re.compile(r"[A-Z][a-z0-9]*")
SILENCED = re.compile(
    r"#\s*(noqa|type:\s*ignore)(?P<codes>(:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)|(\[[a-z,\s-]+\]))?(?P<why>.*)"
)
STATEMENT = re.compile(r"(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|TRUNCATE|WITH|LOCK|SET|GRANT)\s+\w")
# What commands a session or a server stands where that is opened; what reads or writes rows, in infra/tables/sql.
FOR_SESSIONS = {"SELECT 1", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"}
COMMANDS = {
    "infra/tables/migrate.py",  # its own record, before any schema is there
    "infra/process/failpoints.py",  # makes Postgres raise
    "infra/servers/postgres.py",  # creates the database
}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "time_ns", "uuid4", "uuid1"}


def test_modules_are_small(modules, test_files, place):
    lines = {place(file): len(file.read_text(encoding="utf-8").splitlines()) for file in (*modules, *test_files)}
    assert {name: count for name, count in lines.items() if count > LINES_MAX} == {}


def test_names_say_what_is_inside(root, modules, test_files, tree_of, place):
    shapeless = [
        place(file)
        for file in (*modules, *test_files)
        if SHAPELESS & {word for part in file.relative_to(root).with_suffix("").parts for word in part.split("_")}
    ]
    for file in modules:
        classes = [node for node in ast.walk(tree_of(file)) if isinstance(node, ast.ClassDef)]
        shapeless += [
            f"{place(file, node.lineno)} {node.name}"
            for node in classes
            if SHAPELESS & {word.lower() for word in CAMEL_PART.findall(node.name)}
        ]
    assert shapeless == []


def reasonless(text):
    """The lines on which a linter is silenced without a rule, or without a reason."""
    return [
        number
        for number, line in enumerate(text.splitlines(), start=1)
        for silenced in SILENCED.finditer(line)
        if not silenced["codes"] or not silenced["why"].strip(" -#")
    ]


def test_who_silences_a_linter_says_why(modules, test_files, place):
    silent = [
        place(file, line)
        for file in (*modules, *test_files)
        if file.name != "test_modules.py"
        for line in reasonless(file.read_text(encoding="utf-8"))
    ]
    assert silent == []


def test_a_missing_reason_is_seen():
    assert reasonless("a  # noqa: S603 - our own command\nb  # type: ignore[arg-type]  # checked above") == []
    assert reasonless(
        "a  # noqa: S603\nb  # noqa\nc  # type: ignore[arg-type]\nd  # type: ignore - because it is so"
    ) == [*(1, 2, 3, 4)]


def texts(tree):
    """String constants that are no docstrings, with their lines."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in docs:
            yield node.lineno, node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")


def test_statements_stand_in_sql_files(root, modules, tree_of, place):
    found = {
        place(file): line
        for file in modules
        if not file.is_relative_to(root / "benchmarks")  # they measure the database from outside
        for line, text in texts(tree_of(file))
        if STATEMENT.match(text.lstrip()) and text not in FOR_SESSIONS
    }
    assert {name: line for name, line in found.items() if name not in COMMANDS} == {}
    assert found.keys() >= COMMANDS, "an exception that is needed no more"


def test_rules_read_no_clock_and_no_dice(root, modules, tree_of, place):
    read = [
        place(file, node.lineno)
        for file in modules
        if file.is_relative_to(root / "domain")
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", None) in CLOCKS or getattr(node.func, "id", None) in CLOCKS)
    ]
    assert read == []
