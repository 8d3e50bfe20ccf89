"""Keeps house: stores, release, stock, then the process tree, until told to stop."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from domain.errors import FulfilmentError
from infra.clock import SystemClock
from infra.log import get_logger
from infra.settings import Location, Settings, read_settings
from infra.stores import Connection, Stores
from ops.stock_up import stock_up
from workers.autoscaler import Autoscaler
from workers.release import release
from workers.supervisor import Supervisor, roles, supervised
from workers.wiring import database

TEND_EVERY_S = 1.0
# How long after a failed load a warehouse is asked for its stock again.
STOCK_AGAIN_S = 60.0

log = get_logger(__name__)


def keep(settings: Settings, settings_file: Path, stopping: threading.Event) -> None:
    """Run everything until `stopping` is set, then stop it in order. Call it in the main thread.

    Raises Misconfigured ``instance_running`` when another process keeps this data folder, and
    psycopg.OperationalError when a configured database is away at the start.
    """
    with Stores(settings) as stores:
        environment = environment_of(settings_file, stores.connection)
        full = read_settings(settings_file, {**os.environ, **environment})
        release(full)
        unloaded = load(full, full.locations)
        supervisor = Supervisor(roles(full), environment, stores, drain_s=full.workers.drain_s)
        with supervised(supervisor), database(full, 1) as db:
            autoscaler = Autoscaler(db, supervisor, full.workers.all_pools(), full.scaling, SystemClock())
            log.info(
                "running",
                shops=len(full.shops),
                processes=len(supervisor.roles),
                private_stores=stores.connection.embedded,
            )
            _tend(full, supervisor, autoscaler, unloaded, stopping)
            log.info("stopping")
    log.info("stopped")


def environment_of(settings_file: Path, stores: Connection) -> dict[str, str]:
    """What tells a child process where its settings and stores are."""
    return {
        "ORDERLANE_SETTINGS": str(settings_file),
        "ORDERLANE_DATABASE_URL": stores.database_url.reveal(),
        "ORDERLANE_REDIS_URL": stores.redis_url.reveal(),
    }


def load(settings: Settings, locations: Sequence[Location]) -> list[Location]:
    """Load counted stock; return the locations whose warehouse could not be read."""
    if not locations:
        return []
    with database(settings, 1) as db:
        loaded = stock_up(settings, db, SystemClock(), locations)
    for name, answer in loaded.items():
        if isinstance(answer, FulfilmentError):
            log.error("stock_not_loaded", location=name, error=str(answer), again_in_s=STOCK_AGAIN_S)
        else:
            log.info("stock_loaded", location=name, skus=answer)
    return [location for location in locations if isinstance(loaded[location.name], FulfilmentError)]


def _tend(
    settings: Settings,
    supervisor: Supervisor,
    autoscaler: Autoscaler,
    unloaded: list[Location],
    stopping: threading.Event,
) -> None:
    again_at = time.monotonic() + STOCK_AGAIN_S
    while not stopping.wait(TEND_EVERY_S):
        supervisor.tend()
        autoscaler.tend()
        if unloaded and time.monotonic() > again_at:
            unloaded = load(settings, unloaded)
            again_at = time.monotonic() + STOCK_AGAIN_S
