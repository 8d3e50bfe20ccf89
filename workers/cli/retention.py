"""``orderlane retention``: what is kept how long, and the purge by hand."""

import click

from infra.config.retention import Retention
from infra.engine.author import Author
from ops.faces.terminal.retention import kinds_in_words, print_retention, retention_tree
from ops.verbs.retention import purge as purge_now
from ops.views import retention as ops
from workers.cli.exits import Exit
from workers.cli.options import optional_author
from workers.cli.output import console, json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings


@click.group(epilog="\b\nExample:  orderlane retention show")
def retention() -> None:
    """Show how long each kind of data is kept and how large it is; purge by hand."""


@retention.command(epilog="\b\nExample:  orderlane retention show --json")
@json_option
@click.pass_context
def show(ctx: click.Context, *, as_json: bool) -> None:
    """Show the policy of each kind, the tables by size, and whether the purge keeps up.

    Exits with 1 if the purge is behind, or an erasure is late.
    """
    settings = quiet_settings()
    with open_database(settings) as db, db.connection() as session:
        found = ops.retention_state(session, settings.retention)
    if as_json:
        say_json(retention_tree(found))
    else:
        print_retention(found, console())
    ctx.exit(Exit.FAILED if found.late_days or found.erasures_late else Exit.DONE)


@retention.command(epilog="\b\nExample:  orderlane retention purge --dry-run")
@click.option("--dry-run", is_flag=True, help="Count what is older than its policy, and change nothing.")
@optional_author
@json_option
@click.pass_context
def purge(ctx: click.Context, author: Author, *, dry_run: bool, as_json: bool) -> None:
    """Purge all data that is older than its policy.

    The sweeper does the same by itself. Safe to stop and to run twice, also beside the sweeper.
    """
    settings = quiet_settings()
    policy: Retention = settings.retention
    with open_database(settings) as db:
        rows = ops.purge_preview(db, policy) if dry_run else purge_now(db, policy, author)
    if as_json:
        say_json({"dry_run": dry_run, "rows": dict(rows)})
    else:
        say(f"{'would purge' if dry_run else 'purged'}: {kinds_in_words(rows)}")
    ctx.exit(Exit.DONE)
