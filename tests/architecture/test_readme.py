"""The picture in the README names modules and functions that exist, at least one for each step."""

import ast
import re

import pytest

from actors import find_actors
from ops.faces.terminal.flow import mermaid_of

PICTURE = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
LABEL = re.compile(r"\b((?:\w+/)+\w+\.py)\s+(\w+)")


@pytest.fixture(scope="module")
def named(root):
    """(path, name) pairs of all pictures."""
    text = (root / "README.md").read_text(encoding="utf-8")
    return {pair for picture in PICTURE.findall(text) for pair in LABEL.findall(picture)}


def test_what_the_picture_names_exists(root, named, tree_of):
    absent = []
    for path, name in sorted(named):
        file = root / path
        defined = file.is_file() and {
            node.name
            for node in tree_of(file).body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        }
        if not defined or name not in defined:
            absent.append(f"{path} {name}")
    assert absent == []


@pytest.mark.parametrize("actor", find_actors(), ids=lambda actor: actor.step.name)
def test_every_step_is_in_the_picture(actor, named):
    assert f"{actor.module.replace('.', '/')}.py" in {path for path, _ in named}


def test_the_picture_is_what_orderlane_flow_draws(root):
    [picture] = PICTURE.findall((root / "README.md").read_text(encoding="utf-8"))
    assert picture == mermaid_of(find_actors()) + "\n"
