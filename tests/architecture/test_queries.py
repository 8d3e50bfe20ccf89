"""Named queries: every call names one that exists, and every one is called."""

import ast

import pytest

from infra.tables.sql import FOLDER, load


def loads(tree):
    """Variables that hold the queries of a file: name -> file."""
    return {
        node.targets[0].id: node.value.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "id", "") == "load"
        and len(node.value.args) == 1
        and isinstance(node.value.args[0], ast.Constant)
    }


def literals(tree):
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.fixture(scope="module")
def trees(modules, tree_of):
    return {file: tree_of(file) for file in modules}


@pytest.fixture(scope="module")
def variables(trees):
    """The one name under which each file's queries are known everywhere."""
    known = {}
    for tree in trees.values():
        for variable, file in loads(tree).items():
            assert known.setdefault(variable, file) == file, f"{variable} is two files"
    assert known
    return known


def called(tree, variables):
    """(file, query, line) of every look-up; a choice between two names is two look-ups."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") in variables:
            for query in literals(node.slice):
                yield variables[node.value.id], query, node.lineno


def test_every_called_query_exists(trees, variables, place):
    unknown = [
        f"{place(module, line)} {file}.{query}"
        for module, tree in trees.items()
        for file, query, line in called(tree, variables)
        if query not in load(file)
    ]
    assert unknown == []


def looked_up(tree, variables):
    """(file, query) of every query that a module can call.

    A module that looks a query up by a name of its own, as in `ORDERS[name]`, may call each that it names anywhere.
    """
    everything, inside = literals(tree), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and (file := variables.get(getattr(node.value, "id", ""))):
            inside.add(id(node.value))
            yield from ((file, query) for query in literals(node.slice) or everything)
    for node in ast.walk(tree):
        # Given to a function that looks up: the names of the queries are given beside it.
        is_given = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inside
        if is_given and (file := variables.get(node.id)):
            yield from ((file, query) for query in everything)


def idle(trees, variables, files):
    spoken = {pair for tree in trees for pair in looked_up(tree, variables)}
    return [f"{name}.{query}" for name, queries in files.items() for query in queries if (name, query) not in spoken]


def test_every_query_is_called(trees, variables):
    files = {file.stem: load(file.stem) for file in sorted(FOLDER.glob("*.sql"))}
    assert idle(trees.values(), variables, files) == []


def test_a_query_that_is_only_a_word_elsewhere_in_the_module_is_seen():
    tree = ast.parse('X = load("x")\ntx.execute(X["used"])\nword = "idle"')
    assert idle([tree], {"X": "x"}, {"x": ("used", "idle")}) == ["x.idle"]


def test_a_query_that_a_module_may_choose_is_called():
    tree = ast.parse('X = load("x")\ntx.execute(X[name])\nname = "chosen"')
    assert idle([tree], {"X": "x"}, {"x": ("chosen",)}) == []
