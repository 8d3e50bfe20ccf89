"""Finds adapters by name.

A module below `platforms`, `couriers`, `channels` or `warehouses` joins by defining `KIND`.
"""

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from adapters import channels, couriers, platforms, warehouses
from adapters.http_client import authority_of
from adapters.plugin import ChannelKind, CourierKind, PlatformKind, WarehouseKind
from domain.errors import Misconfigured
from infra.config.directory import directory_of
from infra.config.settings import Location, Settings

K = TypeVar("K", PlatformKind, CourierKind, ChannelKind, WarehouseKind)


@cache
def platform_kinds() -> dict[str, PlatformKind]:
    """All platforms, by name."""
    return _found(platforms, PlatformKind)


@cache
def courier_kinds() -> dict[str, CourierKind]:
    """All couriers, by name."""
    return _found(couriers, CourierKind)


@cache
def channel_kinds() -> dict[str, ChannelKind]:
    """All notification channels, by name."""
    return _found(channels, ChannelKind)


@cache
def warehouse_kinds() -> dict[str, WarehouseKind]:
    """All warehouse protocols, by name."""
    return _found(warehouses, WarehouseKind)


def platform(name: str) -> PlatformKind:
    """The kind of a platform, by its name in the settings. Raises Misconfigured ``platform_unknown``."""
    return _named(name, platform_kinds(), "platform_unknown")


def courier(name: str) -> CourierKind:
    """The kind of a courier, by its name in the settings. Raises Misconfigured ``courier_unknown``."""
    return _named(name, courier_kinds(), "courier_unknown")


def channel(name: str) -> ChannelKind:
    """The kind of a channel, by its name in the settings. Raises Misconfigured ``channel_unknown``."""
    return _named(name, channel_kinds(), "channel_unknown")


def warehouse(name: str = "feed") -> WarehouseKind:
    """The kind of a warehouse, by the name of its protocol. Raises Misconfigured ``warehouse_unknown``."""
    return _named(name, warehouse_kinds(), "warehouse_unknown")


def hosts(settings: Settings) -> frozenset[str]:
    """``host:port`` of every configured endpoint: the HTTP client's allow-list. A location of our own has none.

    Raises Misconfigured ``endpoint_invalid`` with the account.
    """
    authorities = set()
    for account in directory_of(settings).by_account.values():
        if isinstance(account, Location) and account.is_own:
            continue
        try:
            authorities.add(authority_of(account.endpoint))
        except ValueError:
            facts = {"account": account.account}
            raise Misconfigured("endpoint_invalid", f"endpoint of {account.account}", facts) from None
    return frozenset(authorities)


def _found(room: ModuleType, kind: type[K]) -> dict[str, K]:
    modules = [import_module(f"{room.__name__}.{entry.name}") for entry in pkgutil.iter_modules(room.__path__)]
    kinds = [module.KIND for module in modules]
    wrong = [found for found in kinds if not isinstance(found, kind)]
    if wrong:
        raise TypeError(f"KIND in {room.__name__} must be a {kind.__name__}")
    return {found.name: found for found in kinds}


def _named(name: str, kinds: dict[str, K], code: str) -> K:
    if name not in kinds:
        raise Misconfigured(code, f"known are: {', '.join(sorted(kinds))}", {"name": name})
    return kinds[name]
