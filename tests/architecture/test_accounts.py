"""Accounts are looked up in the directory: nobody searches the settings for one of them."""

import ast

KINDS = {"shops", "couriers", "locations", "outside_locations", "channels"}
# Modules that take every account of the settings one after the other, or ask whether there is any.
TAKE_ALL = {
    "infra/config/absent_secrets.py",
    "infra/config/directory.py",
    "infra/monitoring/alarm_conditions.py",
    "ops/doctor/accounts.py",
    "ops/doctor/configuration.py",
    "ops/doctor/examination.py",
    "ops/views/status.py",
    "workers/cli/dlq_act.py",
    "workers/cli/run.py",
    "workers/demo/run.py",
    "workers/duties.py",
    "workers/release.py",
    "workers/stocking.py",
}
APART = {"drills", "benchmarks"}


def reads_settings(tree):
    """Whether a tuple of accounts is read from settings here."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in KINDS
        and (getattr(node.value, "id", "") or getattr(node.value, "attr", "")) == "settings"
        for node in ast.walk(tree)
    )


def test_accounts_are_looked_up_in_the_directory(modules, tree_of, root):
    found = {
        str(module.relative_to(root))
        for module in modules
        if module.relative_to(root).parts[0] not in APART and reads_settings(tree_of(module))
    }
    assert found == TAKE_ALL


def test_a_search_would_be_found(tree_of, tmp_path):
    search = tmp_path / "search.py"
    search.write_text("shop = next(one for one in self.tools.settings.shops if one.account == account)\n")
    assert reads_settings(tree_of(search))
