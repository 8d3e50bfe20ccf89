"""What commands that change something have in common: who acts and why, and options for times and rates."""

import getpass
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from domain.money import Money, parse_money
from infra.engine.author import Author
from infra.process.clock import SystemClock
from ops.verbs.bulk import RATE_MAX
from workers.cli.values import is_in_range

F = TypeVar("F", bound=Callable[..., object])
_SPAN = re.compile(r"([0-9]{1,6})(m|h|d)")
_AMOUNT = re.compile(r"([0-9.]{1,20}) ?([A-Za-z]{3})?", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Moment(click.ParamType[datetime]):
    """A span back from now (``90m``, ``24h``, ``3d``), or a time of ISO 8601; without a zone it is UTC."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            span = _SPAN.fullmatch(text)
            moment = SystemClock().utcnow() - int(span[1]) * _UNITS[span[2]] if span else datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a span such as 24h nor a time such as 2026-01-31T08:00", param, ctx)
        except OverflowError:
            self.fail(f"{text!r} lies before all times", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not is_in_range(moment):
            self.fail(f"{text!r} is not in the years 2000 to 2099", param, ctx)
        return moment


class Coming(click.ParamType[datetime]):
    """A span from now on (``90m``, ``24h``, ``3d``), or a later time of ISO 8601; without a zone it is UTC."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text, now = str(value), SystemClock().utcnow()
        try:
            span = _SPAN.fullmatch(text)
            moment = now + int(span[1]) * _UNITS[span[2]] if span else datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a span such as 24h nor a time such as 2026-01-31T08:00", param, ctx)
        except OverflowError:
            self.fail(f"{text!r} lies after all times", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not is_in_range(moment):
            self.fail(f"{text!r} is not in the years 2000 to 2099", param, ctx)
        if moment <= now:
            self.fail(f"{text!r} is over already", param, ctx)
        return moment


class Amount(click.ParamType[Money]):
    """An amount of money: ``250``, ``250.50``, ``99.90USD``; without a currency it is CNY."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Money:
        match = _AMOUNT.fullmatch(str(value))
        try:
            return parse_money(match[1] if match else "", ((match and match[2]) or "CNY").upper())
        except ValueError:
            self.fail(f"{value!r} is no amount such as 250, 99.90 or 99.90USD", param, ctx)


class Rate(click.ParamType[float]):
    """So many a second: ``5`` or ``5/s``."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            rate = float(str(value).removesuffix("/s"))
        except ValueError:
            self.fail(f"{value!r} is not a rate such as 5/s", param, ctx)
        if not 0 < rate <= RATE_MAX:
            self.fail(f"a rate is above 0 and at most {RATE_MAX:g} a second", param, ctx)
        return rate


class GivenOnce(click.Option):
    """An option that is given once at most: a second value is refused, and never taken instead of the first."""

    def __init__(self, *names: Any, **given: Any) -> None:  # noqa: ANN401 - whatever an option takes
        super().__init__(*names, **(given | {"multiple": True}))

    def process_value(self, ctx: click.Context, value: Any) -> Any:  # noqa: ANN401 - of the option's type
        """The one value, or None. Fails as usage for several."""
        values = super().process_value(ctx, value)
        if len(values) > 1:
            raise click.BadParameter("may be given only once", ctx=ctx, param=self)
        return values[0] if values else None


def author_option(command: F) -> F:
    """``--reason``, as the author of the act: the system's user, who says why. A dry run needs none."""
    return click.option(
        "--reason", "author", metavar="R", callback=_author, help="The reason, kept in the audit. Required."
    )(command)


def optional_author(command: F) -> F:
    """The same for a change of data rather than a decision: the reason may be left out."""
    return click.option(
        "--reason", "author", metavar="R", callback=_author_of_data, help="The reason, kept in the audit."
    )(command)


def own_author() -> Author:
    """The system's user, for an act whose reason was given before."""
    return Author(getpass.getuser(), "")


def _author_of_data(_ctx: click.Context, _param: click.Parameter, reason: str | None) -> Author:
    return Author(getpass.getuser(), (reason or "").strip())


def _author(ctx: click.Context, _param: click.Parameter, reason: str | None) -> Author:
    if not (reason or "").strip() and not ctx.params.get("dry_run"):
        raise click.BadParameter("say why")
    return Author(getpass.getuser(), (reason or "").strip())
