"""Options that are given twice: a filter never takes the last value silently."""

import click
import pytest
from click.testing import CliRunner

from workers.cli.case import case_filter
from workers.cli.hold import hold_filter
from workers.cli.letter_filter import letter_filter
from workers.cli.options import GivenOnce
from workers.cli.order_filter import order_filter


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (order_filter, ("--lane", "p0", "--lane", "p1")),
        (order_filter, ("--shop", "main", "--owner", "li", "--shop", "side")),
        (hold_filter, ("--code", "manual", "--code", "manual_fraud")),
        (case_filter, ("--kind", "lost", "--kind", "not_moving")),
        (letter_filter, ("--code", "timed_out", "--code", "http_500")),
    ],
)
def test_a_second_value_is_refused(options, given):
    @click.command()
    @options
    def look(wanted):
        click.echo(repr(wanted))

    result = CliRunner().invoke(look, given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "may be given only once" in result.stderr
    assert CliRunner().invoke(look, given[-2:]).exit_code == 0


def test_an_option_that_was_not_given_is_none_and_one_that_was_is_its_value():
    @click.command()
    @click.option("--count", cls=GivenOnce, type=int)
    def look(count):
        click.echo(repr(count))

    assert CliRunner().invoke(look, []).stdout == "None\n"
    assert CliRunner().invoke(look, ["--count", "7"]).stdout == "7\n"


def test_several_states_are_one_of_these():
    @click.command()
    @order_filter
    def look(wanted):
        click.echo(wanted.asked())

    result = CliRunner().invoke(look, ["--state", "on_hold", "--state", "approved", "--state", "on_hold"])
    assert result.stdout == "{'state': 'on_hold, approved'}\n"
