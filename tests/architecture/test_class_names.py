"""Each class name of the product rooms is used once, so a name identifies its module."""

import ast
from collections import defaultdict

PRODUCT = ("domain", "infra", "adapters", "actors", "ops", "workers")
# Name: why two classes of that name are one thing to a reader.
SAME_THING: dict[str, str] = {}


def repeated(trees):
    """Class names with more than one class, and the files that they are in; `trees`: by file."""
    found = defaultdict(list)
    for file, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(file)
    return {name: files for name, files in found.items() if len(files) > 1}


def test_no_class_name_is_used_twice(root, modules, tree_of, place):
    product = [file for file in modules if file.relative_to(root).parts[0] in PRODUCT]
    assert len(product) > len(PRODUCT)
    twice = repeated({place(file): tree_of(file) for file in product})
    assert {name: files for name, files in twice.items() if name not in SAME_THING} == {}
    assert SAME_THING.keys() <= twice.keys(), "an exception that is not needed any more"


def test_a_class_of_a_known_name_is_found():
    one, other = ast.parse("class Order: ..."), ast.parse("def make():\n    class Order: ...")
    assert repeated({"a.py": one, "b.py": other}) == {"Order": ["a.py", "b.py"]}
    assert repeated({"a.py": one}) == {}
