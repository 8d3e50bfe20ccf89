"""The command groups: subcommands are imported when they are asked for, and our own errors are one line."""

import importlib
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
import psycopg

from domain.errors import FulfilmentError, Misconfigured
from infra.config.instance import SettingsSource, find_instance
from infra.config.settings import SETTINGS_FILE
from infra.telemetry.terminal_text import in_line
from workers.cli.exits import Exit, exit_of
from workers.cli.values import check_arguments

_FRAMES_SHOWN = 12


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is asked for, after click's own pattern.

    `lazy` names them: subcommand -> ``module:attribute``. Only the group's own help imports them all. `former`: names
    that scripts still use -> the present names; they work, and no list shows them.
    """

    def __init__(
        self,
        *,
        lazy: Mapping[str, str] | None = None,
        former: Mapping[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - click's own
    ) -> None:
        super().__init__(**options)
        self._lazy = dict(lazy or {})
        self._former = dict(former or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = self._former.get(cmd_name, cmd_name)
        if cmd_name in self._lazy and cmd_name not in self.commands:
            module, _, attribute = self._lazy[cmd_name].partition(":")
            self.add_command(getattr(importlib.import_module(module), attribute), cmd_name)
        return super().get_command(ctx, cmd_name)


# Commands that need no instance, make one of their own, or report a missing instance themselves.
_WITHOUT_INSTANCE = frozenset({"demo", "doctor", "drill", "flow", "init", "normalize", "play", "run", "sign"})


class Orderlane(LazyGroup):
    """Finds the instance that a command means, and shows an error of ours, or a store that is away, as one line.

    A defect shows its type and its traceback, never its message: the message may quote what the command worked on.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        check_arguments(args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        shows_help = not {"-h", "--help"}.isdisjoint(rest) or (isinstance(command, click.Group) and not rest)
        if name not in _WITHOUT_INSTANCE and not shows_help:
            _name_instance(ctx)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except FulfilmentError as error:
            fail(ctx, _in_words(error), exit_of(error))
        except psycopg.OperationalError as error:
            # With a SQLSTATE the server has answered: this is a defect of ours, not an unreachable server.
            if error.sqlstate is not None:
                defect(ctx, error)
            fail(ctx, f"database_unreachable: {error}", Exit.UNREACHABLE)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError, EOFError):
            # Click handles these: wrong usage, a closed output, a question without an answer.
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not show what it was about
            if not _is_redis_away(error):
                defect(ctx, error)
            fail(ctx, f"redis_unreachable: {error}", Exit.UNREACHABLE)


def _name_instance(ctx: click.Context) -> None:
    """Let the command read the settings of the instance it means, and say so where that is a demo.

    Raises Misconfigured ``settings_missing`` where no instance is named.
    """
    found = find_instance()
    if found.source is SettingsSource.NOTHING:
        raise Misconfigured(
            "settings_missing",
            f"no {SETTINGS_FILE} in this folder, and no demo to look at: go to the folder of your settings, name the"
            " file in ORDERLANE_SETTINGS, write one with `orderlane init`, or start `orderlane demo`",
        )
    if found.settings_file is not None:
        click.echo(in_line(f"orderlane: instance of the last demo, {found.settings_file.parent}"), err=True)
        os.environ["ORDERLANE_SETTINGS"] = str(found.settings_file)
        ctx.call_on_close(lambda: os.environ.pop("ORDERLANE_SETTINGS", None))


def _in_words(error: FulfilmentError) -> str:
    """Imported here: most commands never refuse anything, and start sooner without the words."""
    words = importlib.import_module("ops.faces.terminal.words")
    return str(words.WORDS.refusal(error))


def _is_redis_away(error: Exception) -> bool:
    """By name: a command that only looks at Postgres has not imported redis, and starts sooner for it."""
    return any(
        (kind.__module__, kind.__name__) == ("redis.exceptions", "ConnectionError") for kind in type(error).mro()
    )


def fail(ctx: click.Context, line: str, code: Exit) -> NoReturn:
    """End the command."""
    click.echo(in_line(f"orderlane: {' '.join(line.split())}"), err=True)
    ctx.exit(code)


def defect(ctx: click.Context, error: Exception) -> NoReturn:
    """End the command for a defect of ours."""
    kind = type(error)
    click.echo(in_line(f"orderlane: internal error: {kind.__module__}.{kind.__qualname__}"), err=True)
    for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES_SHOWN:]:
        click.echo(in_line(f"  at {Path(frame.filename).name}:{frame.lineno} {frame.name}"), err=True)
    ctx.exit(Exit.FAILED)
