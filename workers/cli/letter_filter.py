"""The options that choose dead letters."""

import functools
from collections.abc import Callable
from datetime import datetime

import click

from domain.dead_letters import MESSAGE
from infra.process.steps import STEPS
from infra.tables.letters import LetterFilter
from workers.cli.options import GivenOnce, Moment


class StepName(click.ParamType[str]):
    """The name of a step. The map of steps is read only when a name is given, not for the help."""

    name = "step"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take a known name. Fails as usage, with the names that are known."""
        if value != MESSAGE and value not in STEPS:
            self.fail(f"{value!r} is not one of {', '.join([*STEPS, MESSAGE])}", param, ctx)
        return value


def letter_filter(command: Callable[..., object]) -> Callable[..., object]:
    """Options that together are the command's `wanted`."""

    @functools.wraps(command)
    def filtered(
        *given: object,
        step: str | None,
        account: str | None,
        code: str | None,
        cause: str | None,
        since: datetime | None,
        **named: object,
    ) -> object:
        wanted = LetterFilter(step=step, account=account, code=code, cause=cause, since=since)
        return command(*given, wanted=wanted, **named)

    options = (
        click.option(
            "--since", cls=GivenOnce, type=Moment(), metavar="T", help="Dead letters since then: 24h, 3d, or a time."
        ),
        click.option(
            "--cause",
            cls=GivenOnce,
            metavar="F",
            help="Of this cause: its fingerprint, or the beginning of the fingerprint.",
        ),
        click.option("--code", cls=GivenOnce, metavar="C", help="With this error code."),
        click.option("--account", cls=GivenOnce, metavar="A", help="Of this account, such as sf/main."),
        click.option("--step", cls=GivenOnce, type=StepName(), metavar="S", help="Of this step."),
    )
    for option in options:
        filtered = option(filtered)
    return filtered
