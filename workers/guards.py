"""Puts the accounts of a process behind their gates."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from actors.tools import Tools
from adapters.guarded import GuardedCourier, GuardedNotifier, GuardedPlatform, GuardedWarehouse
from adapters.watching import WatchedPlatform, WatchingCourier, WatchingNotifier, WatchingWarehouse
from infra.accounts.gates import Gates
from infra.accounts.rules import rules_of
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import Limit, Settings
from infra.process.clock import SystemClock
from infra.sweeper.paused_accounts import GateDuty
from infra.tables.pool import Database

_HOUR_S = 3600.0


def guarded(tools: Tools, gates: Gates) -> Tools:
    """The same accounts, each behind its gate."""
    locations, couriers, shops = tools.directory.locations, tools.directory.couriers, tools.directory.shops
    return replace(
        tools,
        platforms={
            name: GuardedPlatform(name, port, gates, shops[name].after_sale_account)
            for name, port in tools.platforms.items()
        },
        couriers={
            name: GuardedCourier(name, port, gates, couriers[name].tracking_account)
            for name, port in tools.couriers.items()
        },
        notifiers={name: GuardedNotifier(name, port, gates) for name, port in tools.notifiers.items()},
        warehouses={
            name: GuardedWarehouse(locations[name].account, port, gates) for name, port in tools.warehouses.items()
        },
    )


def watching(tools: Tools) -> Tools:
    """The same accounts, where nothing but reading is possible for shops that are only watched.

    Outside of the gates: what is refused here says nothing about an account's health.
    """
    watched = tools.settings.watched_shops
    if not watched:
        return tools
    return replace(
        tools,
        platforms={
            name: WatchedPlatform(name, port) if name in watched else port for name, port in tools.platforms.items()
        },
        couriers={name: WatchingCourier(port, watched) for name, port in tools.couriers.items()},
        notifiers={name: WatchingNotifier(port, watched) for name, port in tools.notifiers.items()},
        warehouses={name: WatchingWarehouse(port, watched) for name, port in tools.warehouses.items()},
    )


@contextmanager
def gatekeeper(settings: Settings, db: Database) -> Iterator[GateDuty]:
    """The sweeper's view of all gates."""
    guard = settings.guard
    with closing(connect_gates(settings.stores.redis_url.reveal())) as client:
        yield GateDuty(
            db,
            SharedGates(client),
            rules_of(guard, Limit()),
            SystemClock(),
            margin_s=guard.hold_before_ship_by_h * _HOUR_S,
            patience_s=guard.hold_after_h * _HOUR_S,
        )
