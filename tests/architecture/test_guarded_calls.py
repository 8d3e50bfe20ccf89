"""Every call of an account passes its gate: few modules open a door, and each puts its accounts behind their gates."""

import ast

# By module: what stands before its calls.
OPENS_A_DOOR = {
    "ops/guarded_calls.py": "GuardedCourier",
    "workers/wiring.py": "guarded",
}
# It looks whether credentials are complete; its door is never opened.
CONNECTS_ONLY = {"ops/doctor/accounts.py"}
ROOMS = {"actors", "ops", "workers"}


def names_called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def test_only_guarded_modules_open_a_door(modules, root):
    calls = {str(file.relative_to(root)): set(names_called(ast.parse(file.read_text("utf-8")))) for file in modules}
    makers = {name for name, called in calls.items() if "HttpClient" in called and name.split("/")[0] in ROOMS}
    assert makers == {*OPENS_A_DOOR, *CONNECTS_ONLY}
    assert all(guard in calls[name] for name, guard in OPENS_A_DOOR.items())
    assert not any("open" in calls[name] for name in CONNECTS_ONLY)
