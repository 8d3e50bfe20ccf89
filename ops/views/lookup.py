"""Asks couriers what they have under a reference, for previews."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import Refused
from infra.config.settings import Settings
from infra.process.clock import SystemClock
from infra.tables.pool import Database
from ops.guarded_calls import guarded_calls
from ops.views.letters import Ask


@contextmanager
def courier_lookup(settings: Settings, db: Database) -> Iterator[Ask]:
    """The look-up of every configured courier account, behind its gate; it books and changes nothing."""
    with guarded_calls(settings, db, SystemClock()) as calls:

        def ask(account: str, reference: str) -> str | None:
            courier = calls.courier(account)
            if not courier.can_find:
                raise Refused("courier_cannot_find", facts={"account": account})
            found = calls.run(courier.find(reference))
            return found.number if found is not None and found.alive else None

        yield ask
