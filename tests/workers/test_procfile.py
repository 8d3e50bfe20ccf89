import shlex
from pathlib import Path

import pytest

from infra.config.settings import Settings
from infra.config.worker_settings import Workers
from workers.supervisor import roles

PROCFILE = Path(__file__).parents[2] / "Procfile"


@pytest.fixture
def lines() -> dict[str, tuple[str, ...]]:
    """Command by name, without the interpreter."""
    parsed = {}
    for line in PROCFILE.read_text().splitlines():
        name, _, command = line.partition(":")
        interpreter, *rest = shlex.split(command)
        assert interpreter == "python"
        parsed[name] = tuple(rest)
    return parsed


def test_it_starts_the_same_processes_as_run(lines) -> None:
    started = {tuple(role.command) for role in roles(Settings(workers=Workers(processes=2, p0_processes=1)))}
    assert {command for name, command in lines.items() if name != "release"} == started


def test_the_release_is_the_one_that_run_makes(lines) -> None:
    assert lines["release"] == ("-m", "workers.release")
