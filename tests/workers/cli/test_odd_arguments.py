"""Every command, whatever stands on its command line, ends with an exit code and at most a sentence.

The commands and their options are found by walking the tree, so a new one is covered from its first day.
"""

import itertools
import re

import click
import pytest
from click.testing import CliRunner

from domain.errors import Refused
from drills import command as drill_command
from workers.cli import demo, exits, group, play, run, status
from workers.main import main

NUMBERS = [
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1",
    "9" * 19,
    "9" * 400,
    "9" * 5000,
    "1e-400",
    "0x10",
    "\u0663",
    "１",
    "5/s/s",
    "",
]
NO_NUMBERS = ["nan", "inf", "-inf", "9" * 400, "9" * 5000, "0x10", ""]
TIMES = [
    *("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1999-12-31", "2101-01-01", "24:00:00"),
    *("999999d", "0d", "-1d", "2026-02-30", "2026-W01-1", "20261122", "\u0661d", "2026-11-22T10:00:00+23:59:59"),
]
TEXTS = [
    "",
    " ",
    "a\0b",
    "\ud800",
    "\udcff",
    "\x1b[31m",
    "a\nb",
    "\u202e",
    "/",
    "//",
    "-",
    "%",
    "'; --",
    "x" * 5000,
    "１２",
    "9" * 19,
    "9" * 400,
]
PATHS = [
    "missing",
    ".",
    "",
    "/",
    "/dev/null",
    "/proc/self/mem",
    "a\0b",
    "\udcff",
    "x" * 5000,
    "secret",
    "missing/deep",
    "secret/deep",
]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SETTINGS = """
[[shops]]
name = "s1"
platform = "taobao"
endpoint = "http://localhost:1"
credentials = { app_key = "file:key", app_secret = "file:key", session = "file:key" }

[[couriers]]
name = "main"
courier = "sf"
endpoint = "http://localhost:1"
credentials = { partner_id = "file:key", check_word = "file:key", monthly_card = "file:key" }
"""


def commands(command, path=()):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))
    else:
        yield path, command


COMMANDS = dict(commands(main))


class Reached(Refused):
    """The arguments were taken, and the long work would begin."""


@pytest.fixture(autouse=True)
def _world(monkeypatch, tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text(SETTINGS)
    (tmp_path / "key").write_text("key")
    (tmp_path / "payload.json").write_text("{}")
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "secret").chmod(0)
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())

    def reached(*_, **__):
        raise Reached("reached")

    endless = ((demo, "run_demo"), (drill_command, "play"), (play, "play"), (run, "keep"), (status, "_watch"))
    for module, work in endless:
        monkeypatch.setattr(module, work, reached)
    monkeypatch.setattr(drill_command, "configure", lambda *_, **__: None)


def usual(parameter):
    """An argument that the parameter takes."""
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    if isinstance(kind, click.Path):
        return "payload.json"
    return {"rate": "5", "moment": "24h", "integer": "1", "float": "1"}.get(kind.name.removesuffix(" range"), "x")


def odd(parameter):
    kind = parameter.type
    if isinstance(kind, click.Path):
        return PATHS
    if isinstance(kind, click.Choice):
        return TEXTS[:4]
    return {"rate": NUMBERS, "moment": TIMES, "integer": NUMBERS, "float": NUMBERS}.get(
        kind.name.removesuffix(" range"), [*TEXTS, *TIMES[:3]]
    )


def named(parameter, value):
    return [value] if isinstance(parameter, click.Argument) else [max(parameter.opts, key=len), value]


def valued(command):
    return [one for one in command.params if not getattr(one, "is_flag", False)]


def lines():
    """Every command with every parameter at each of its odd values, the required others at a usual one."""
    for path, command in COMMANDS.items():
        for parameter in valued(command):
            others = [
                named(other, usual(other))
                for other in valued(command)
                if other is not parameter and (other.required or other.name in {"author", "order"})
            ]
            for value in odd(parameter):
                yield path, [*itertools.chain(*others), *named(parameter, value)], parameter, value


LINES = list(lines())


def invoke(path, arguments):
    return CliRunner().invoke(main, [*path, *arguments])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_argument_ends_in_a_traceback(path):
    for at, arguments, _, _ in LINES:
        if at != path:
            continue
        result = invoke(path, arguments)
        told = f"{path} {arguments}: {result.exit_code} {result.output} {result.exception!r}"
        assert result.exception is None or isinstance(result.exception, SystemExit), told
        assert "internal error" not in result.stderr, told
        assert "Traceback" not in result.output, told
        assert result.exit_code in set(exits.Exit), told
        assert not CONTROL.search(result.stderr), told
        assert len(result.stderr) < 2000, told


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_what_is_no_number_or_time_is_a_usage_error(path):
    for at, arguments, parameter, value in LINES:
        kind = parameter.type.name.removesuffix(" range")
        is_none = (kind in {"integer", "float", "rate"} and value in NO_NUMBERS) or (
            kind == "moment" and value in TIMES[:7]
        )
        if at == path and is_none:
            result = invoke(path, arguments)
            assert result.exit_code == exits.Exit.USAGE, (path, arguments, result.output)


def test_the_walk_finds_the_commands_and_their_options():
    assert ("order", "show") in COMMANDS
    assert {"bulk_id", "after"} <= {parameter.name for path, _, parameter, _ in LINES if path == ("bulk", "show")}
    assert len(LINES) > 500


@pytest.mark.parametrize(
    "command", [("normalize", "--platform", "taobao"), ("erase", "again", "--reason", "x")], ids=" ".join
)
def test_a_file_that_breaks_off_is_a_usage_error(command):
    """There, a file, and readable for everybody; but reading it fails."""
    found = invoke(command, ["/proc/self/mem"])
    assert found.exit_code == exits.Exit.USAGE
    assert "the file cannot be read" in found.stderr


def test_control_without_the_check_a_text_that_cannot_be_stored_is_a_defect(monkeypatch):
    monkeypatch.setattr(group, "check_arguments", lambda _: None)
    assert "internal error: psycopg.DataError" in invoke(("dlq", "list"), ["--account", "a\0b"]).stderr
