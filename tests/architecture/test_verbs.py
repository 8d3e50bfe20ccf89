"""Verbs and views speak in codes and facts, change things in one way only, and leave words to faces."""

import ast
import textwrap

ROOMS = ("ops/verbs", "ops/views")
# What opens a connection. Verbs change things by `change`, and everybody reads by `looking`.
OPENERS = {"transaction", "connection", "direct", "side"}
MAY_OPEN = {
    "ops/verbs/change.py": "is the way",
    "ops/views/looking.py": "is the way",
    "ops/verbs/stock.py": "a warehouse's count is no person's, or infra.tables.recount writes the audit row with it",
}


def sentences(source):
    """Literals with blanks that are neither docstrings, SQL settings, nor formats of a time."""
    tree = ast.parse(source)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    specs = {id(part) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) for part in _parts(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare | specs:
            words = node.value.split()
            if len(words) > 1 and not node.value.startswith("SET TRANSACTION"):
                yield node.lineno, node.value


def _parts(node):
    return ast.walk(node.format_spec) if node.format_spec else ()


def openings(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OPENERS:
            yield node.lineno


def modules(root):
    return [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]


def test_verbs_and_views_hold_no_sentence(root):
    found = [
        f"{path.relative_to(root)}:{line}: {text}"
        for path in modules(root)
        for line, text in sentences(path.read_text())
    ]
    assert found == []


def test_a_planted_sentence_is_found():
    source = '''
        """A docstring may say anything."""
        def why(at, n):
            """So may this one."""
            if n:
                return f"{n} pieces of work wait since {at:%Y-%m-%d %H:%M}"
            raise Refused("code", "no work waits")
    '''
    assert {text for _, text in sentences(textwrap.dedent(source))} == {" pieces of work wait since ", "no work waits"}


def test_verbs_open_no_transaction_but_by_change_and_looking(root):
    found = {str(path.relative_to(root)) for path in modules(root) if list(openings(path.read_text()))}
    assert found == set(MAY_OPEN)


def test_a_planted_transaction_is_found():
    assert list(openings("with db.transaction() as tx:\n    pass\n"))
