"""A hold code that nothing opens is a promise that nothing keeps."""

import ast

from domain.holds import MANUAL_CODES, HoldCode


def named(tree):
    """Hold codes that a module names as `HoldCode.X`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "HoldCode"
    }


def test_every_hold_code_is_opened_by_some_rule_or_step_or_by_a_person(modules, tree_of, root):
    spoken = set()
    for file in modules:
        if file != root / "domain" / "holds.py" and file.relative_to(root).parts[0] in {"domain", "actors", "infra"}:
            spoken |= named(tree_of(file))
    assert {code.name for code in HoldCode} - spoken == {code.name for code in MANUAL_CODES}
    assert spoken - {code.name for code in HoldCode} == set()
