"""Checks of arguments before a command reads them: text that can be stored and shown, numbers within limits."""

import math
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

ARGUMENT_MAX = 1000
# Postgres' bigint.
WHOLE_MAX = 2**63 - 1
# Times outside this range are typing errors, or cannot be computed by Python or Postgres.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_ALLOWED = frozenset("\n\t")
# Control characters, halves of surrogate pairs, and characters that change the direction of writing.
_REFUSED = frozenset({"Cc", "Cs"})
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

WHOLE = click.IntRange(0, WHOLE_MAX)


def check_arguments(arguments: Iterable[str]) -> None:
    """Raises click.UsageError for an argument that no command can use; it is not quoted."""
    for number, argument in enumerate(arguments, start=1):
        if len(argument) > ARGUMENT_MAX:
            raise click.UsageError(f"argument {number} is longer than {ARGUMENT_MAX} characters")
        if any(_is_refused(one) for one in argument):
            raise click.UsageError(f"argument {number} holds a control character")


def _is_refused(one: str) -> bool:
    return one in _DIRECTIONS or (one not in _ALLOWED and unicodedata.category(one) in _REFUSED)


def is_in_range(moment: datetime) -> bool:
    """Whether a time with its zone lies from 2000 to 2100."""
    try:
        return EARLIEST <= moment < LATEST
    except OverflowError:
        return False


class Number(click.FloatRange):
    """A finite number within its bounds; click's own takes ``nan`` for any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's own
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return float(number)
