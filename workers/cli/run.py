"""``orderlane run``: everything, in one process tree."""

import os
import signal
import threading
from pathlib import Path
from types import FrameType

import click

from domain.errors import Misconfigured
from infra.config.settings import SETTINGS_FILE, read_settings
from infra.telemetry.log import configure
from infra.telemetry.uncaught import log_uncaught
from workers.run_all import keep


@click.command(
    epilog="\b\nExample:  orderlane run\n          ORDERLANE_SETTINGS=/etc/orderlane/orderlane.toml orderlane run"
)
def run() -> None:
    """Fulfil the orders of the shops in orderlane.toml until SIGTERM or Ctrl-C.

    Starts private stores where no URLs are configured, applies waiting migrations, loads the warehouses' stock,
    and keeps workers and the sweeper alive. ORDERLANE_SETTINGS names another settings file. Exits with 1 for a
    new shop without take_over_from, 2 without a settings file, 5 if orderlane runs on this data folder already,
    and 7 if a configured store is away.
    """
    file = Path(os.environ.get("ORDERLANE_SETTINGS") or SETTINGS_FILE)
    if not file.is_file():
        advice = (
            "write your shops, couriers and locations into it (README.md shows how), or name it in ORDERLANE_SETTINGS"
        )
        raise Misconfigured("settings_missing", f"no settings file at {file}: {advice}")
    settings = read_settings(file)
    if not settings.shops:
        raise Misconfigured("shops_missing", f"{file} names no shop: add one under [[shops]] (README.md shows how)")
    configure(settings.log_format, settings.log_level)
    log_uncaught()
    keep(settings, file.resolve(), stop_on_signals())


def stop_on_signals() -> threading.Event:
    """Set by SIGTERM or SIGINT, from now on: also while the stores are still starting."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping
