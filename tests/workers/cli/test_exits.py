import errno

import click
import psycopg
import pytest
import redis
from click.testing import CliRunner

from domain.errors import Conflict, Misconfigured, Poison, Refused, Throttled, Transient, UnknownOutcome
from workers.cli.exits import Exit, exit_of
from workers.cli.group import Orderlane


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("no"), Exit.FAILED),
        (Conflict("moved"), Exit.FAILED),
        (Misconfigured("settings_invalid"), Exit.FAILED),
        (Misconfigured("settings_missing"), Exit.USAGE),
        (Misconfigured("instance_running"), Exit.REFUSED),
        (Poison("payload_unreadable"), Exit.QUARANTINED),
        (Transient("away"), Exit.UNREACHABLE),
        (Throttled("slow", after_s=1), Exit.UNREACHABLE),
        (UnknownOutcome("perhaps"), Exit.FAILED),
    ],
)
def test_an_error_says_how_a_command_ends(error, code) -> None:
    assert exit_of(error) is code


@pytest.fixture
def failing(monkeypatch, tmp_path):
    monkeypatch.setenv("ORDERLANE_DATA_DIR", str(tmp_path))

    def run(error: Exception):
        group = Orderlane()

        @group.command()
        def go() -> None:
            raise error

        return CliRunner().invoke(group, ["go"])

    return run


def test_an_error_of_ours_is_one_line(failing) -> None:
    result = failing(Misconfigured("postgres_not_started", "it said:\nfirst\nsecond"))
    assert result.stderr == "orderlane: postgres_not_started: it said: first second\n"
    assert result.exit_code == Exit.FAILED


@pytest.mark.parametrize("error", [psycopg.OperationalError("refused"), redis.ConnectionError("refused")])
def test_a_store_that_is_away_is_unreachable(failing, error) -> None:
    result = failing(error)
    assert result.exit_code == Exit.UNREACHABLE
    assert "_unreachable: refused" in result.stderr


@pytest.mark.parametrize("error", [KeyError("oops"), psycopg.errors.QueryCanceled("oops")])
def test_a_defect_shows_its_type_and_the_way_to_it_but_no_value(failing, error) -> None:
    result = failing(error)
    assert result.exit_code == Exit.FAILED
    assert result.stderr.startswith(f"orderlane: internal error: {type(error).__module__}.{type(error).__qualname__}\n")
    assert "  at test_exits.py:" in result.stderr
    assert "oops" not in result.output + result.stderr


def test_a_reader_that_goes_away_is_no_defect(failing) -> None:
    result = failing(BrokenPipeError(errno.EPIPE, "gone"))
    assert (result.exit_code, result.stderr) == (1, "")


def test_usage_is_clicks_own(failing) -> None:
    assert failing(click.UsageError("which?")).exit_code == Exit.USAGE
