"""What a figure means nothing without: machine, versions, settings, and private stores to measure on."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from infra.config.settings import Settings, data_dir, read_settings
from infra.servers import Connection, EmbeddedStores

_SHOWN = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
_PACKAGES = ("dramatiq", "psycopg", "redis", "aiohttp")


def describe(connection: Connection) -> dict[str, Any]:
    """Settings of the machine and the stores, for the output of a benchmark."""
    with psycopg.connect(connection.database_url.reveal(), autocommit=True) as session:
        postgres: dict[str, str] = dict(
            session.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_SHOWN)]).fetchall()
        )
    with Redis.from_url(connection.redis_url.reveal()) as client:
        redis_version = client.info("server")["redis_version"]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **{f"postgres_{name}": value for name, value in sorted(postgres.items())},
        "redis_version": redis_version,
        **{name: version(name) for name in _PACKAGES},
        "load_before": round(os.getloadavg()[0], 2),
    }


def postmaster_pid(stores: Connection) -> int:
    with psycopg.connect(stores.database_url.reveal()) as session:
        row = session.execute("SHOW data_directory").fetchone()
    assert row is not None
    return int((Path(row[0]) / "postmaster.pid").read_text().split()[0])


def redis_pid(stores: Connection) -> int:
    with Redis.from_url(stores.redis_url.reveal()) as client:
        return int(client.info("server")["process_id"])


@contextmanager
def private_stores(base: Settings | None = None) -> Iterator[Connection]:
    """Stores of this run's own with durable writes, whatever is configured; removed at the end."""
    folder = data_dir(base or read_settings()) / "benchmarks" / str(os.getpid())
    try:
        with EmbeddedStores(Settings(), folder) as stores:
            yield stores.connection
    finally:
        shutil.rmtree(folder, ignore_errors=True)
