"""The gates of one process, by its settings: for a worker, a duty of the sweeper and a command alike."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from infra.accounts.gates import Gates
from infra.accounts.pauses import Pauses
from infra.accounts.rules import rules_by_account
from infra.accounts.shared_breaker import NoSharedGates, SharedGates, connect_gates
from infra.config.settings import Settings
from infra.process.clock import SystemClock
from infra.queue.keys import Bells
from infra.tables.pool import Database


@contextmanager
def gates_of(settings: Settings, db: Database, bells: Bells) -> Iterator[Gates]:
    """A gate for every configured account. Without an address of Redis, this process judges by itself alone."""
    with _shared(settings) as shared:
        clock = SystemClock()
        yield Gates(
            rules_by_account(settings),
            shared,
            Pauses(db, clock, settings.guard.probe_every_s),
            bells,
            clock,
            batches_max=settings.guard.batches_max,
            share=1 / max(1, settings.workers.processes_at_most()),
        )


@contextmanager
def _shared(settings: Settings) -> Iterator[SharedGates]:
    if not settings.stores.redis_url:
        yield NoSharedGates()
        return
    with closing(connect_gates(settings.stores.redis_url.reveal())) as client:
        yield SharedGates(client)
