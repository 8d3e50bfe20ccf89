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


def test_every_query_is_called(trees, variables):
    spoken = {}
    for tree in trees.values():
        names = {getattr(node, "id", "") for node in ast.walk(tree)}
        for variable in names & variables.keys():
            spoken.setdefault(variables[variable], set()).update(literals(tree))
    idle = [
        f"{file.stem}.{query}"
        for file in sorted(FOLDER.glob("*.sql"))
        for query in load(file.stem)
        if query not in spoken.get(file.stem, set())
    ]
    assert idle == []
