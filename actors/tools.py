"""The objects that the steps work with; built once for each process by `workers.wiring`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from adapters.documents import Capabilities
from adapters.ports import Courier, Notifier, Platform, Warehouse
from domain.errors import Misconfigured
from domain.rules import RuleSet
from infra.config.directory import Directory, directory_of
from infra.config.settings import Settings
from infra.process.clock import Clock
from infra.queue.keys import Bells
from infra.tables.pool import Database

T = TypeVar("T")

# Of a location without a warehouse that we could tell anything.
NO_CAPABILITIES = Capabilities(
    takes_orders=False, can_stop=False, can_find=False, is_idempotent=False, has_feed=False, counts_stock=False
)


@dataclass(frozen=True, slots=True)
class Tools:
    """Stores, rules, time, and the connected accounts by account name. `directory`: what is configured of them."""

    settings: Settings
    db: Database
    bells: Bells
    clock: Clock
    rules: RuleSet
    platforms: Mapping[str, Platform]
    couriers: Mapping[str, Courier]
    notifiers: Mapping[str, Notifier]
    warehouses: Mapping[str, Warehouse]
    directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", directory_of(self.settings))

    # All four raise Misconfigured ``account_unknown``: settings may change while work is waiting.

    def platform(self, account: str) -> Platform:
        return _configured(self.platforms, account)

    def courier(self, account: str) -> Courier:
        return _configured(self.couriers, account)

    def notifier(self, account: str) -> Notifier:
        return _configured(self.notifiers, account)

    def warehouse(self, name: str) -> Warehouse:
        return _configured(self.warehouses, name)

    def capabilities(self, location: str) -> Capabilities:
        """What the warehouse of a location can do; nothing for one that is not configured."""
        warehouse = self.warehouses.get(location)
        return NO_CAPABILITIES if warehouse is None else warehouse.capabilities


def _configured(accounts: Mapping[str, T], account: str) -> T:
    if account not in accounts:
        raise Misconfigured("account_unknown", f"{account} is not configured", {"account": account})
    return accounts[account]
