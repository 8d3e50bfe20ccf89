"""The command group: shows our own errors as one line and exits with their code."""

from typing import NoReturn

import click
import psycopg
import redis

from domain.errors import FulfilmentError
from workers.cli.exits import Exit, exit_of


class Orderlane(click.Group):
    """Shows an error of ours, or a store that is away, as one line. A defect shows its traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except FulfilmentError as error:
            fail(ctx, f"{error}", exit_of(error))
        except psycopg.OperationalError as error:
            # With a state the server has answered: that is a defect of ours, not its absence.
            if error.sqlstate is not None:
                raise
            fail(ctx, f"database_unreachable: {error}", Exit.UNREACHABLE)
        except redis.ConnectionError as error:
            fail(ctx, f"redis_unreachable: {error}", Exit.UNREACHABLE)


def fail(ctx: click.Context, line: str, code: Exit) -> NoReturn:
    """End the command."""
    click.echo(f"orderlane: {' '.join(line.split())}", err=True)
    ctx.exit(code)
