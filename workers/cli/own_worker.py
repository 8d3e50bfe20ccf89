"""A worker inside a command, for commands that carry out steps themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from infra.config.settings import Settings
from infra.servers import open_stores
from workers.cli.stores import refuse_behind, with_stores
from workers.wiring import Runtime, wired_worker


@contextmanager
def worker_in_command(settings: Settings) -> Iterator[Runtime]:
    """Works whether or not other workers run. Raises as `database_at_hand` does."""
    with open_stores(settings) as stores:
        refuse_behind(stores)
        with wired_worker(with_stores(settings, stores)) as runtime:
            yield runtime
