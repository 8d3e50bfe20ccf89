"""``orderlane drill``: make parts of an instance fail on purpose, and check that nothing is lost or done twice."""

import secrets
from pathlib import Path

import click

from drills.catalogue import BY_NAME, CATALOGUE
from drills.drill import Plan
from drills.face import print_played, print_table
from drills.round import Played, account, play, summary
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.cli.exits import Exit
from workers.cli.output import say, say_json
from workers.cli.values import WHOLE
from workers.demo.face import consoles


@click.command(epilog="\b\nExample:  orderlane drill --quick\n          orderlane drill kill-sweep zombie --seed 11")
@click.argument("names", nargs=-1, metavar="[NAME ...]", type=click.Choice(list(BY_NAME)))
@click.option("--quick", is_flag=True, help="The short round: fewer orders, fewer faults, three minutes.")
@click.option("--seed", type=WHOLE, help="The same seed gives the same stream and the same faults.  [default: drawn]")
@click.option(
    "--earlier",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Tree of an earlier version, for the drill that runs both (see `make upgrade-drill`).",
)
@click.option("--list", "is_listed", is_flag=True, help="Only list the drills.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a drill; the last line is the round's.")
@click.pass_context
def drill(
    ctx: click.Context,
    *,
    names: tuple[str, ...],
    quick: bool,
    seed: int | None,
    earlier: Path | None,
    is_listed: bool,
    as_json: bool,
) -> None:
    """Kill, freeze, disconnect and empty processes and stores of a private instance, and check every order afterwards.

    Plays on private stores and a sandbox of its own. Exits with 0 if everything held, and if every
    control showed the harm that its guard keeps away.
    """
    configure("auto", "critical")
    progress_console, console = consoles()
    chosen = [BY_NAME[name] for name in names] or [
        one for one in CATALOGUE if (one.in_quick or not quick) and (earlier or is_listed or not one.needs_earlier)
    ]
    if is_listed:
        for one in chosen:
            say(f"{one.name:<20} {one.injects} ({', '.join(one.covers)})")
        return
    missing = [one.name for one in chosen if one.needs_earlier and earlier is None]
    if missing:
        raise click.UsageError(f"{missing[0]} needs the tree of an earlier version: --earlier FOLDER")
    plan = Plan(read_settings(), secrets.randbelow(1_000_000) if seed is None else seed, quick, earlier)
    progress_console.print(f"seed {plan.seed}")

    def show(one: Played) -> None:
        print_played(one, progress_console)
        if as_json:
            say_json(account(one))

    played = play(plan, chosen, show)
    outcome = summary(played, plan)
    if as_json:
        say_json(outcome)
    else:
        print_table(played, console)
    ctx.exit(Exit.FAILED if outcome["failed"] else Exit.DONE)
