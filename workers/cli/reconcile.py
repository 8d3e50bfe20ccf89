"""``orderlane reconcile``: after a restored backup, adopt waybills, documents and write-backs that we do not know."""

import getpass
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import click

from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.engine.remote import RemoteRunner
from infra.process.clock import SystemClock
from infra.telemetry.log import configure
from ops.faces.terminal.answers import outcome_in_words, reconciled_in_words, reconciled_tree
from ops.verbs.reconcile import OPEN, Reconciled, ReconcileOutcome, Reconciler
from ops.verbs.writeback_retry import RetryRate
from workers.cli.exits import Exit
from workers.cli.options import Moment
from workers.cli.output import say, say_json
from workers.cli.own_worker import worker_in_command

DAYS = 7
PER_SECOND = 20.0


@click.command(
    epilog="\b\nExample:  orderlane reconcile --since 2026-11-11 --dry-run\n          orderlane reconcile --json"
)
@click.option(
    "--since",
    type=Moment(),
    metavar="T",
    help=f"Packages made at T or later: 24h, 3d, or a time.  [default: {DAYS} days ago]",
)
@click.option("--dry-run", is_flag=True, help="Ask, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
@click.pass_context
def reconcile(ctx: click.Context, since: datetime | None, *, dry_run: bool, as_json: bool) -> None:
    """Adopt waybills of couriers, documents at warehouses and write-backs of platforms that we do not know.

    Meant for the hour after a restored backup: choose --since somewhat before the time of the backup. A second living
    waybill of a package is cancelled; a second document is named, and a person stops it. Nothing is ever booked or
    placed, so the command may run at any time and twice. Exits with
    6 if something is left for a person, and 7 if nobody could be reached.
    """
    configure(level="error")
    clock = SystemClock()
    with worker_in_command(read_settings()) as runtime:
        label, writeback = runtime.runners["label"], runtime.runners["writeback"]
        assert isinstance(label, RemoteRunner)
        assert isinstance(writeback, RemoteRunner)

        def show(one: Reconciled) -> None:
            if one.outcome is not ReconcileOutcome.AGREES:
                say(reconciled_in_words(one), err=as_json)

        author = None if dry_run else Author(getpass.getuser(), "reconcile")
        reconciler = Reconciler(label, writeback, author, RetryRate(PER_SECOND, clock), show)
        done = reconciler.run(since or clock.utcnow() - timedelta(days=DAYS))
    counts = Counter(outcome_in_words(one.outcome) for one in done)
    if as_json:
        differing = [reconciled_tree(one) for one in done if one.outcome is not ReconcileOutcome.AGREES]
        say_json({"dry_run": dry_run, "counts": counts, "results": differing})
    else:
        say(", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())) or "nothing to compare")
    ctx.exit(exit_of_outcomes([one.outcome for one in done]))


def exit_of_outcomes(outcomes: Sequence[ReconcileOutcome]) -> Exit:
    """0 when nothing is left for a person."""
    left = OPEN.intersection(outcomes)
    if not left:
        return Exit.DONE
    return Exit.UNREACHABLE if set(outcomes) == {ReconcileOutcome.NOT_REACHED} else Exit.PARTLY
