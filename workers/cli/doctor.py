"""``orderlane doctor``: is everything in order, and if not, what to do."""

import os
from pathlib import Path

import click

from infra.config.settings import SETTINGS_FILE
from infra.process.clock import SystemClock
from infra.telemetry.log import configure
from infra.telemetry.terminal_text import in_line
from ops.doctor import Check, Level, examine, worst
from workers.cli.exits import Exit
from workers.cli.output import say_json

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command(epilog="\b\nExample:  orderlane doctor\n          orderlane doctor --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check settings, rules, credentials, stores, endpoints, clocks and backlog: one line each.

    Changes nothing; private stores that do not run are started for the checks. Exits with 1 if a check fails, and
    7 if a store or an endpoint could not be reached; warnings do not count.
    """
    configure(level="error")
    file = Path(os.environ.get("ORDERLANE_SETTINGS") or SETTINGS_FILE)
    checks: list[Check] = []
    for check in examine(file, os.environ, SystemClock()):
        checks.append(check)
        if not as_json:
            _print(check)
    if as_json:
        say_json({"status": worst(checks), "checks": checks})
    ctx.exit(_exit(checks))


def _print(check: Check) -> None:
    advice = f" → {check.advice}" if check.advice else ""
    level = click.style(f"{check.level:<5}", fg=_COLOURS[check.level])
    click.echo(level + in_line(f"{check.name}: {check.message}{advice}"))


def _exit(checks: list[Check]) -> Exit:
    if any(check.is_unreachable for check in checks):
        return Exit.UNREACHABLE
    return Exit.FAILED if worst(checks) is Level.FAIL else Exit.DONE
