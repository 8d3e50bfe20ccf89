"""A worker of a command's own, for those that carry out steps themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from infra.config.settings import Settings
from infra.servers import open_stores
from workers.cli.stores import refuse_behind
from workers.wiring import Runtime, wired_worker


@contextmanager
def worker_at_hand(settings: Settings) -> Iterator[Runtime]:
    """Beside the workers that run or do not. Raises as `database_at_hand` does."""
    with open_stores(settings) as stores:
        refuse_behind(stores)
        known = msgspec.structs.replace(settings.stores, database_url=stores.database_url, redis_url=stores.redis_url)
        with wired_worker(msgspec.structs.replace(settings, stores=known)) as runtime:
            yield runtime
