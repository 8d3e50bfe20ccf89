"""A hold code that nothing opens is a promise that nothing keeps."""

import ast

from domain.holds import HoldCode


def named(tree):
    """Hold codes that a module names as `HoldCode.X`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "HoldCode"
    }


def test_every_hold_code_is_opened_by_some_rule_or_step(modules, tree_of, root):
    spoken = set()
    for file in modules:
        if file != root / "domain" / "holds.py" and file.relative_to(root).parts[0] in {"domain", "actors", "infra"}:
            spoken |= named(tree_of(file))
    assert {code.name for code in HoldCode} - spoken == set()
    assert spoken - {code.name for code in HoldCode} == set()
