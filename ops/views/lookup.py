"""Asks couriers what they have under a reference, for previews."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from adapters import registry
from adapters.door import Door
from domain.errors import Misconfigured, Refused
from infra.config.settings import Settings
from infra.engine.event_loop import Outside
from infra.process.clock import SystemClock
from ops.views.letters import Ask


@contextmanager
def courier_lookup(settings: Settings) -> Iterator[Ask]:
    """The look-up of every configured courier account; it books and changes nothing."""
    clock = SystemClock()
    with ExitStack() as stack:
        outside = stack.enter_context(Outside())
        door = Door(settings.door, registry.hosts(settings), clock)
        outside.run(door.open())
        stack.callback(lambda: outside.run(door.close()))
        couriers = {one.account: registry.courier(one.courier).connect(one, door, clock) for one in settings.couriers}

        def ask(account: str, reference: str) -> str | None:
            courier = couriers.get(account)
            if courier is None:
                raise Misconfigured("account_unknown", f"{account} is not configured")
            if not courier.can_find:
                raise Refused("courier_cannot_find", f"{account} has no look-up")
            found = outside.run(courier.find(reference))
            return found.number if found is not None and found.alive else None

        yield ask
