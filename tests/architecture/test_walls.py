"""Imports run one way, and the machine that says so is awake."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import tomli_w

from actors import find_actors

# For each contract a module, and an import in it that crosses the contract.
PLANTED = {
    "imports run one way": ("domain/clock_of_a_test.py", "import workers.main"),
    "floors inside infra": ("infra/queue/planted.py", "import infra.engine.claims"),
    "floors inside ops": ("ops/views/planted.py", "import ops.verbs.holds"),
    "the priority broker knows none of our rooms": ("infra/queue/priority/planted.py", "import infra.telemetry.log"),
    "steps do not know each other": ("actors/reserve.py", "import actors.review"),
    "what steps share knows no step": ("actors/orders/planted.py", "import actors.track"),
    "adapters do not know each other": ("adapters/couriers/sf/send.py", "import adapters.platforms.taobao"),
    "rules are pure": ("domain/dice_of_a_test.py", "import random"),
    "the sandbox shares no code with the adapters it checks": ("sandbox/planted.py", "import adapters.http_client"),
}
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint(root, *arguments):
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", *arguments], cwd=root, capture_output=True, text=True, check=False
    )


def test_the_walls_stand(root):
    done = lint(root)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_the_contracts_name_every_step(root):
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = {contract["name"]: contract for contract in contracts}
    steps = {declared.module for declared in find_actors()}
    assert set(named["steps do not know each other"]["modules"]) == steps
    assert set(named["what steps share knows no step"]["layers"][0].split(" | ")) == steps


def test_walls_the_other_way_round_would_be_broken(root, tmp_path):
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract for contract in settings["contracts"] if contract["type"] == "layers")
    layers["layers"].reverse()
    upside_down = tmp_path / "pyproject.toml"
    upside_down.write_text(tomli_w.dumps({"tool": {"importlinter": settings | {"contracts": [layers]}}}))
    done = lint(root, "--config", upside_down)
    assert done.returncode == 1
    assert " 1 broken" in done.stdout


def test_every_contract_breaks_when_an_import_crosses_it(root, tmp_path):
    """On a copy, in one run: each contract names its own fault, however many others there are."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract["name"] for contract in settings["contracts"]} == set(PLANTED)
    for room in settings["root_packages"]:
        shutil.copytree(root / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").write_text(tomli_w.dumps({"tool": {"importlinter": settings}}))
    for path, line in PLANTED.values():
        file = tmp_path / path
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        file.write_text(f"{before}\n{line}\n", encoding="utf-8")
    done = lint(tmp_path)
    broken = {name for name in PLANTED if f"{name} BROKEN" in done.stdout}
    assert broken == set(PLANTED), done.stdout
