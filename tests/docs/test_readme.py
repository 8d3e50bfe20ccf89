"""What the READMEs tell a newcomer to type works as it stands there."""

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters import registry
from infra.config.settings import read_settings
from workers.main import main

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.zh-CN.md"]


def _text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def _shell_lines(text):
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def _orderlane_commands(text):
    """Command words of every `orderlane …` in the text, options and arguments left out."""
    found = re.findall(r"(?:\.venv/bin/|`)orderlane((?: [a-z][a-z-]*)+)", text)
    return sorted({tuple(words.split()) for words in found})


@pytest.mark.parametrize("readme", READMES)
def test_every_make_target_exists(readme):
    targets = {line.split()[1] for line in _shell_lines(_text(readme)) if line.startswith("make ")}
    assert {"demo", "test", "setup"} <= targets
    for target in sorted(targets):
        plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize("readme", READMES)
def test_every_command_explains_itself(readme):
    commands = _orderlane_commands(_text(readme))
    assert ("run",) in commands
    assert ("order", "show") in commands
    for words in commands:
        shown = CliRunner().invoke(main, [*words, "--help"])
        assert shown.exit_code == 0, (words, shown.output)
        assert "Usage:" in shown.output


def test_the_settings_example_is_whole(tmp_path):
    example = re.search(r"```toml\n(.*?)```", _text("docs/how-to/add.md"), re.DOTALL)
    file = tmp_path / "orderlane.toml"
    file.write_text(example[1], encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "flagship-session").write_text("a-session")
    names = re.findall(r"env:([A-Z_]+)", example[1])
    settings = read_settings(file, dict.fromkeys(names, "a-value"))
    assert [shop.account for shop in settings.shops] == ["taobao/flagship"]
    assert len(registry.hosts(settings)) == 4


@pytest.mark.parametrize("readme", READMES)
def test_every_link_leads_somewhere(readme):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", _text(readme)):
        assert (ROOT / target).exists(), target
