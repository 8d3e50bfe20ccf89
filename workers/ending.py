"""How a process that is started by hand or by a supervisor ends when it cannot begin: one line and an exit code."""

import sys
from collections.abc import Callable
from typing import NoReturn

import psycopg
import redis

from domain.errors import FulfilmentError
from infra.telemetry.terminal_text import in_line
from workers.cli.exits import Exit, exit_of


def run_process(main: Callable[[], object]) -> None:
    """Run `main`. An error of ours, or an unreachable store, is printed as one line on stderr; a defect is raised."""
    try:
        main()
    except FulfilmentError as error:
        _end(f"{error}", exit_of(error))
    except psycopg.OperationalError as error:
        if error.sqlstate is not None:
            raise
        _end(f"database_unreachable: {error}", Exit.UNREACHABLE)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        _end(f"redis_unreachable: {error}", Exit.UNREACHABLE)


def _end(line: str, code: Exit) -> NoReturn:
    sys.stderr.write(in_line(f"orderlane: {' '.join(line.split())}") + "\n")
    sys.exit(code)
