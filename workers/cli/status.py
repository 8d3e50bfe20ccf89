"""``orderlane status``: waiting work, flow, workers, and everything that needs a person."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import click
from rich.live import Live

from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.process.clock import SystemClock
from infra.servers import open_stores
from infra.tables.pool import Database
from ops.faces.terminal.status import status_tree, status_view
from ops.views.status import Status
from ops.views.status import status as look
from workers.cli.exits import Exit
from workers.cli.output import console, say_json
from workers.cli.stores import quiet_settings, refuse_behind
from workers.cli.values import Number

EVERY_S = 2.0
_EVERY_MAX_S = 86_400.0


@click.command(epilog="\b\nExample:  orderlane status --watch\n          orderlane status --json")
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--every",
    "every_s",
    type=Number(0.1, _EVERY_MAX_S),
    default=EVERY_S,
    show_default=True,
    metavar="S",
    help="Seconds between two looks of --watch.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a look.")
@click.pass_context
def status(ctx: click.Context, every_s: float, *, watch: bool, as_json: bool) -> None:
    """Show depth, oldest age and flow of each group and lane, and workers, holds, dead letters and gates.

    The sweeper measures every few seconds; this shows what it measured last. Exits with 1 without a recent measurement
    or if an invariant is breached, and 7 if the database is unreachable.
    """
    settings = quiet_settings()
    with (
        open_stores(settings) as stores,
        Database(stores.database_url.reveal(), 1) as db,
        closing(connect_gates(stores.redis_url.reveal())) as client,
    ):
        refuse_behind(stores)
        clock, shared = SystemClock(), SharedGates(client)
        with _shown(as_json=as_json, watch=watch) as show:
            now = _watch(lambda: look(db, shared, settings, clock), show, every_s if watch else None)
    ctx.exit(Exit.DONE if now.is_measured and not now.breaches else Exit.FAILED)


def _watch(see: Callable[[], Status], show: Callable[[Status], None], every_s: float | None) -> Status:
    """Look once, or every so many seconds until Ctrl-C; the last look."""
    now = see()
    show(now)
    try:
        while every_s is not None:
            time.sleep(every_s)
            now = see()
            show(now)
    except KeyboardInterrupt:
        pass
    return now


@contextmanager
def _shown(*, as_json: bool, watch: bool) -> Iterator[Callable[[Status], None]]:
    screen = console()
    if as_json:
        yield lambda now: say_json(status_tree(now))
    elif not watch:
        yield lambda now: screen.print(status_view(now))
    else:
        with Live(console=screen, auto_refresh=False) as live:
            yield lambda now: live.update(status_view(now), refresh=True)
