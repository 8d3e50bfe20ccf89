"""``orderlane pause``, ``resume`` and ``gates``: stop work, let it continue, and show what is stopped."""

import getpass
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

import click

from domain.gates import GateKind
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Settings, read_settings
from infra.engine.author import Author
from infra.process.clock import SystemClock
from infra.servers import open_stores
from infra.tables.pool import Database
from infra.telemetry.log import configure
from ops.faces.terminal.gates import gate_tree, print_gates
from ops.verbs import gates as ops
from ops.views import gates as gate_views
from workers.cli.exits import Exit
from workers.cli.output import console, say, say_json
from workers.cli.stores import open_database
from workers.cli.values import is_in_range

# The values, because click shows and takes the members of an enumeration by their names.
_KINDS = click.Choice([GateKind.ACCOUNT.value, ops.SHOP, GateKind.LANE.value, GateKind.STEP.value])
_EXAMPLE = "\b\nExample:  "


@dataclass(frozen=True, slots=True)
class _Stores:
    db: Database
    shared: SharedGates


@contextmanager
def _stores_at_hand(settings: Settings) -> Iterator[_Stores]:
    with (
        open_stores(settings) as stores,
        open_database(settings) as db,
        closing(connect_gates(stores.redis_url.reveal())) as client,
    ):
        yield _Stores(db, SharedGates(client))


@click.command(
    epilog=f"{_EXAMPLE}orderlane pause account sf/main --reason 'contract is being renewed'\n"
    "          orderlane pause lane bulk --reason 'peak of the live stream' --until '2026-11-23T02:00:00+08:00'"
)
@click.argument("kind", type=_KINDS)
@click.argument("name")
@click.option(
    "--reason", metavar="R", required=True, help="The reason, kept in the audit and shown by `orderlane gates`."
)
@click.option("--until", metavar="T", help="The time at which the gate opens again, with its zone.")
@click.pass_context
def pause(ctx: click.Context, kind: str, name: str, *, reason: str, until: str | None) -> None:
    """Stop the work of an account, shop, lane or step until it is resumed.

    Running work ends, no new work begins, no attempt is counted and nothing is lost. Workers notice within a second. A
    paused shop is neither read nor written to.
    """
    configure(level="error")
    settings = read_settings()
    gate, whole_name = ops.named_gate(settings, kind, name)
    end = _moment(until)
    with open_database(settings) as db:
        ops.pause(db, gate, whole_name, Author(getpass.getuser(), reason), end)
    say(f"paused {gate} {whole_name}" + (f" until {end.isoformat()}" if end else ""))
    ctx.exit(Exit.DONE)


@click.command(epilog=f"{_EXAMPLE}orderlane resume account sf/main --reason 'new password is in place'")
@click.argument("kind", type=_KINDS)
@click.argument("name")
@click.option("--reason", metavar="R", required=True, help="The reason, kept in the audit.")
@click.pass_context
def resume(ctx: click.Context, kind: str, name: str, *, reason: str) -> None:
    """Let the work continue that a person has paused, or of an account that the engine has shut.

    An account's circuit breaker is closed too. Exits with 5 if the gate is not shut.
    """
    configure(level="error")
    settings = read_settings()
    gate, whole_name = ops.named_gate(settings, kind, name)
    with _stores_at_hand(settings) as stores:
        was_paused = ops.resume(
            stores.db, stores.shared, gate, whole_name, Author(getpass.getuser(), reason), settings=settings
        )
    say(f"resumed {gate} {whole_name}" if was_paused else f"closed the breaker of {gate} {whole_name}")
    ctx.exit(Exit.DONE)


@click.command(epilog=f"{_EXAMPLE}orderlane gates\n          orderlane gates --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
@click.pass_context
def gates(ctx: click.Context, *, as_json: bool) -> None:
    """List every gate that is not open: who paused it and why, breakers, and how much work waits for each.

    Exits with 7 if a store is away.
    """
    configure(level="error")
    settings = read_settings()
    with _stores_at_hand(settings) as stores:
        found = gate_views.gates(stores.db, stores.shared, settings, SystemClock())
    if as_json:
        say_json({"gates": [gate_tree(gate) for gate in found]})
    else:
        print_gates(found, console())
    ctx.exit(Exit.DONE)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time", param_hint="--until") from None
    if moment.tzinfo is None:
        raise click.BadParameter("say the zone too, as in 2026-11-23T02:00:00+08:00", param_hint="--until")
    if not is_in_range(moment):
        raise click.BadParameter("is not in the years 2000 to 2099", param_hint="--until")
    if moment <= SystemClock().utcnow():
        raise click.BadParameter("is over already", param_hint="--until")
    return moment
