"""Runs everything: stores, release, stock, then the process tree, until told to stop."""

import os
import threading
from pathlib import Path

from infra.config import settings as configuration
from infra.config.settings import Settings, read_settings
from infra.process.clock import SystemClock
from infra.servers import Connection, EmbeddedStores
from infra.telemetry.log import get_logger
from workers.autoscaler import Autoscaler
from workers.release import release
from workers.stocking import load
from workers.supervisor import Supervisor, roles, supervised
from workers.wiring import database

TEND_EVERY_S = 1.0
_NOTHING_CONFIGURED = configuration.Stores()

log = get_logger(__name__)


def keep(settings: Settings, settings_file: Path, stopping: threading.Event) -> None:
    """Run everything until `stopping` is set, then stop it in order. Call it in the main thread.

    Raises Misconfigured ``instance_running`` when another process keeps this data folder, and
    psycopg.OperationalError when a configured database is away at the start.
    """
    with EmbeddedStores(settings) as stores:
        environment = environment_of(settings_file, stores.connection, settings.stores)
        full = read_settings(settings_file, {**os.environ, **environment})
        release(full)
        supervisor = Supervisor(roles(full), environment, stores, drain_s=full.workers.drain_s)
        with database(full, 1) as db:
            load(full, db, full.outside_locations)
            autoscaler = Autoscaler(db, supervisor, full.workers, full.scaling, SystemClock())
            with supervised(supervisor):
                log.info(
                    "running",
                    shops=len(full.shops),
                    processes=len(supervisor.roles),
                    private_stores=stores.connection.embedded,
                )
                while not stopping.wait(TEND_EVERY_S):
                    supervisor.tend()
                    autoscaler.tend()
                log.info("stopping")
    log.info("stopped")


def environment_of(
    settings_file: Path, stores: Connection, configured: configuration.Stores = _NOTHING_CONFIGURED
) -> dict[str, str]:
    """The environment variables that name the settings and stores for a child process.

    The address of a store that is configured stands where the child reads it itself, in the settings file or in the
    environment that it inherits. Its value, password and all, is not handed on: environments are easily seen.
    """
    environment = {"ORDERLANE_SETTINGS": str(settings_file)}
    if not configured.database_url:
        environment["ORDERLANE_DATABASE_URL"] = stores.database_url.reveal()
    if not configured.redis_url:
        environment["ORDERLANE_REDIS_URL"] = stores.redis_url.reveal()
    return environment
