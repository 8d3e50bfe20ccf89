"""Imports run one way, and the machine that says so is awake."""

import subprocess
import sys
import tomllib
from pathlib import Path

import tomli_w

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint(root, *arguments):
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", *arguments], cwd=root, capture_output=True, text=True, check=False
    )


def test_the_walls_stand(root):
    done = lint(root)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_walls_the_other_way_round_would_be_broken(root, tmp_path):
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract for contract in settings["contracts"] if contract["type"] == "layers")
    layers["layers"].reverse()
    upside_down = tmp_path / "pyproject.toml"
    upside_down.write_text(tomli_w.dumps({"tool": {"importlinter": settings | {"contracts": [layers]}}}))
    done = lint(root, "--config", upside_down)
    assert done.returncode == 1
    assert " 1 broken" in done.stdout
