"""Which instance the commands mean, and what they say of it."""

import os
from pathlib import Path

import pytest

from infra.config.instance import remember_demo


@pytest.fixture
def demo(tmp_path) -> Path:
    """A demo's settings, with stores that nobody needs to start to see which were meant."""
    folder = tmp_path / "demo"
    folder.mkdir()
    file = folder / "orderlane.toml"
    file.write_text("[stores]\nno_such_key = 1\n")
    remember_demo(file)
    return file


def test_without_any_instance_a_command_says_what_to_do(orderlane) -> None:
    result = orderlane("order", "show", "1")
    assert result.exit_code == 2
    assert result.stderr.startswith("orderlane: settings_missing: no orderlane.toml in this folder")
    assert "orderlane init" in result.stderr


@pytest.mark.parametrize("arguments", [["order", "show", "--help"], ["order"], ["status", "-h"]])
def test_help_needs_no_instance(orderlane, arguments) -> None:
    assert "settings_missing" not in orderlane(*arguments).output


def test_a_command_reads_the_demo_s_settings_and_says_so(orderlane, demo) -> None:
    result = orderlane("order", "show", "1")
    assert result.stderr.startswith(f"orderlane: instance of the last demo, {demo.parent}\n")
    assert f"settings_invalid: {demo}" in result.stderr
    assert "ORDERLANE_SETTINGS" not in os.environ


@pytest.mark.usefixtures("demo")
def test_the_doctor_and_run_never_mean_the_demo(orderlane) -> None:
    for command in ("doctor", "run"):
        assert "no settings file at orderlane.toml" in orderlane(command).output
