"""Only the files of the steps, and what is truly about one of them, name a step."""

import ast
import re

import pytest

from actors import find_actors
from infra.process.steps import STEPS

# Rooms that ask the map instead of naming a step.
NAMELESS = (
    "infra/engine",
    "infra/sweeper",
    "infra/retention",
    "infra/process",
    "infra/config",
    "infra/monitoring",
    "infra/accounts",
    "infra/queue",
    "domain/steps.py",
    "domain/groups.py",
    "domain/retry.py",
    "domain/dead_letters.py",
    "workers/wiring.py",
    "workers/app.py",
)
# Words of those rooms that are spelt like a step and mean something else.
NOT_A_STEP = {
    ("infra/process/failpoints.py", "stop"),  # what a failpoint does: it freezes the process
    ("infra/config/settings.py", "label"),  # when a shop's platform hears: as soon as the label is booked
    ("infra/config/absent_secrets.py", "warehouse"),  # the kind of a location's account, as in warehouse/NAME
}


def constants(tree):
    """String constants that are no docstrings, with their lines."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def names_a_step(text):
    """A step's name by itself, or as the first word of a failpoint or a log event."""
    return text.partition(".")[0] in STEPS


def step_names(tree):
    return [(line, text) for line, text in constants(tree) if names_a_step(text)]


def test_the_engine_names_no_step(root, modules, tree_of, place):
    nameless = [file for file in modules if str(file.relative_to(root)).startswith(NAMELESS)]
    assert nameless
    found = [
        f"{place(file, line)} {text}"
        for file in nameless
        for line, text in step_names(tree_of(file))
        if (place(file), text) not in NOT_A_STEP
    ]
    assert found == []


def test_a_name_in_the_engine_would_be_seen():
    planted = ast.parse("if step == 'label':\n    failpoint('route.work', 1)\nelse:\n    pass\n")
    assert step_names(planted) == [(1, "label"), (2, "route.work")]


def test_every_step_that_is_made_due_or_rung_for_is_on_the_map(modules, tree_of, place):
    """Names are text: a misspelt one would wait for ever."""
    unknown = []
    seen = 0
    for file in modules:
        if "benchmarks" in file.parts:
            continue
        for node in ast.walk(tree_of(file)):
            if not (
                isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"NewWork", "BellKey"} and node.args
            ):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant):
                seen += 1
                unknown += [] if first.value in STEPS else [f"{place(file, node.lineno)} {first.value}"]
    assert seen
    assert unknown == []


@pytest.mark.parametrize("actor", find_actors(), ids=lambda actor: actor.step.name)
def test_the_file_of_a_step_shows_its_dramatiq_actor(root, tree_of, actor):
    file = root / f"{actor.module.replace('.', '/')}.py"
    tree = tree_of(file)
    [declared] = [node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "STEP"]
    [shown] = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(getattr(getattr(one, "func", None), "id", "") == "actor" for one in node.decorator_list)
    ]
    assert shown.name == actor.name == file.stem
    assert declared.lineno < shown.lineno


def test_steps_do_not_know_each_other(tree_of, root):
    """The rule that import-linter checks for the listed steps holds for steps that are not listed too."""
    files = {actor.module for actor in find_actors()}
    for module in files:
        tree = tree_of(root / f"{module.replace('.', '/')}.py")
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {
            f"actors.{name.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "actors"
            for name in node.names
        }
        assert imported & (files - {module}) == set(), module


def test_sql_of_the_engine_names_no_step(root):
    """Work, batches and the journal know no step; files named here are about one, or about what one of them writes."""
    engine = [
        root / "infra/tables/sql" / f"{name}.sql" for name in ("work", "fulfillment", "letters", "bulk", "signals")
    ]
    quoted = re.compile(r"'(" + "|".join(STEPS) + r")'")
    found = [f"{file.name} {match}" for file in engine for match in quoted.findall(file.read_text(encoding="utf-8"))]
    assert found == []
