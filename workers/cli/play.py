"""``orderlane play``: an instance with simulated shops that keeps running, to try commands on."""

from pathlib import Path

import click

from infra.config.instance import remember_demo
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.cli.output import say
from workers.cli.run import stop_on_signals
from workers.cli.values import WHOLE, Number
from workers.demo.face import program
from workers.demo.play import PlayStatus, play, script_of

_ORDERS_MAX = 100_000
_TRY = (
    ("order due", "orders by money at risk, and what each waits for"),
    ("order show ID", "one order's way; take an ID from the list"),
    ("dlq causes", "what the machine gave up on, one line a cause"),
    ("pause account sf/main --reason 'trying it'", "stop the courier's work; `resume` continues it"),
    ("status", "what waits and flows"),
)


@click.command(name="play", epilog="\b\nExample:  orderlane play\n          orderlane play --rate 2 --shops 5")
@click.option(
    "--rate", type=Number(0.01, 100), default=0.5, show_default=True, help="New orders a second, in small bursts."
)
@click.option("--shops", type=click.IntRange(1, 100), default=3, show_default=True, help="Simulated shops.")
@click.option(
    "--orders",
    type=click.IntRange(1, _ORDERS_MAX),
    default=5000,
    show_default=True,
    help="The most orders that are made; the instance keeps running after them.",
)
@click.option("--seed", type=WHOLE, default=7, show_default=True, help="The same seed gives the same stream.")
def play_command(*, rate: float, shops: int, orders: int, seed: int) -> None:
    """Run an instance with simulated shops until Ctrl-C, to try other commands on it in a second terminal.

    It has private stores, the sandbox and workers, and a few orders a minute: most are shipped, some are held, some
    become dead letters. In every folder without an orderlane.toml, other commands of the same user use this instance.
    Each start makes a new instance.
    """
    configure("auto", "warning")
    stopping = stop_on_signals()
    say("Starting stores, sandbox and workers; Ctrl-C ends them.")
    script = script_of(orders=orders, per_second=rate, shops=shops, seed=seed)
    play(read_settings(), script, stopping, _on_start, _on_report)
    say("The house has stopped. Its orders can be looked at until the next demo starts.")


def _on_start(settings_file: Path) -> None:
    remember_demo(settings_file)
    say(f"The house lives in {settings_file.parent}. Try in another terminal:")
    for command, meaning in _TRY:
        say(f"  {program()} {command:<43} {meaning}")


def _on_report(status: PlayStatus) -> None:
    say(
        f"{status.orders} orders, {status.written_back} written back, {status.held} held, {status.dead} dead letters",
    )
