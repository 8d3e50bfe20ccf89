"""What every process of the Procfile checks before it begins: stores that are named and answer, and the schema."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

from domain.errors import Misconfigured
from infra.config.settings import Settings
from infra.queue.broker import connect_redis
from infra.tables.migrate import pending
from infra.tables.pool import Database
from infra.telemetry.log import get_logger
from workers.heartbeat import beat
from workers.parent import is_orphaned

LOOK_EVERY_S = 1.0
# A release of a large database applies migrations for minutes.
PATIENCE_S = 600.0

log = get_logger(__name__)


def await_schema(settings: Settings, stopping: threading.Event, patience_s: float = PATIENCE_S) -> bool:
    """Wait until no migration of this version is waiting; False if `stopping` was set before.

    A database that is further on is no obstacle here. Raises Misconfigured: ``database_url_missing`` or
    ``redis_url_missing``, ``schema_behind`` when nobody has applied the migrations within `patience_s` seconds, and
    ``migration_changed``. Raises psycopg.OperationalError when the database is away, and redis.ConnectionError or
    redis.TimeoutError when Redis is.
    """
    if not settings.stores.redis_url:
        refuse_without_database(settings)
        raise Misconfigured("redis_url_missing", "set ORDERLANE_REDIS_URL, or use `orderlane run`")
    with closing(connect_redis(settings.stores.redis_url.reveal())) as client:
        client.ping()
    ends_at = time.monotonic() + patience_s

    def pause(waiting: int) -> bool:
        beat()
        if time.monotonic() >= ends_at:
            advice = "apply them with `python -m workers.release`, or start it beside this process"
            raise Misconfigured("schema_behind", f"{waiting} migrations wait since {patience_s:.0f} s: {advice}")
        return not stopping.wait(LOOK_EVERY_S) and not is_orphaned()

    return wait_until_released(settings, pause)


def wait_until_released(settings: Settings, pause: Callable[[int], bool]) -> bool:
    """Look until no migration waits. `pause` is told how many wait, and says whether to look again; False ends it."""
    refuse_without_database(settings)
    with Database(settings.stores.database_url.reveal(), 1) as db, db.direct() as session:
        try:
            while waiting := pending(session):
                log.info("release_awaited", waiting=len(waiting))
                if not pause(len(waiting)):
                    return False
        except Misconfigured as error:
            if error.code != "schema_newer":
                raise
    return True


def refuse_without_database(settings: Settings) -> None:
    """Check that the settings name a database. Raises Misconfigured ``database_url_missing``, because only `orderlane
    run` starts a store of its own.
    """
    if not settings.stores.database_url:
        raise Misconfigured("database_url_missing", "set ORDERLANE_DATABASE_URL, or use `orderlane run`")
