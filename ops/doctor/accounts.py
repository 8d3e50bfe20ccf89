"""Accounts at platforms, couriers, channels and warehouses: credentials complete, endpoints reachable."""

import asyncio
import os
from collections.abc import Iterator

from adapters import registry
from adapters.door import Door, place_of
from adapters.kinds import Account
from domain.errors import Misconfigured
from infra import settings as configuration
from infra.clock import Clock
from infra.settings import Settings
from ops.doctor.check import Check, fail, ok, unreachable

CONNECT_S = 2.0


def accounts_of(settings: Settings) -> tuple[Account, ...]:
    return (*settings.shops, *settings.couriers, *settings.locations, *settings.channels)


def credentials(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Whether each account's adapter exists and has what it needs; nothing is sent."""
    door = Door(settings.door, frozenset(), clock)
    faulty = 0
    for account in accounts_of(settings):
        try:
            _connect(account, door, clock)
        except Misconfigured as error:
            faulty += 1
            yield fail(account.account, str(error), "correct this account in the settings")
    if not faulty:
        yield ok("credentials", f"complete for {len(accounts_of(settings))} accounts")


def _connect(account: Account, door: Door, clock: Clock) -> None:
    match account:
        case configuration.Shop():
            registry.platform(account.platform).connect(account, door, clock)
        case configuration.Courier():
            registry.courier(account.courier).connect(account, door, clock)
        case configuration.Channel():
            registry.channel(account.kind).connect(account, door, clock)
        case configuration.Location():
            registry.warehouse().connect(account, door, clock)


def endpoints(settings: Settings) -> Iterator[Check]:
    """Whether every configured host takes a connection; each host is asked once, all at the same time."""
    users: dict[str, list[str]] = {}
    for account in accounts_of(settings):
        try:
            users.setdefault(place_of(account.endpoint), []).append(account.account)
        except ValueError:
            yield fail(account.account, "its endpoint is no http(s) address", "correct it in the settings")
    answers = asyncio.run(_knock_all(list(users)))
    for place, fault in answers.items():
        who = ", ".join(users[place])
        if fault:
            yield unreachable(place, f"{fault} (used by {who})", "check the address, the network, or their status page")
        else:
            yield ok(place, f"takes connections (used by {who})")


async def _knock_all(places: list[str]) -> dict[str, str]:
    faults = await asyncio.gather(*map(_knock, places))
    return dict(zip(places, faults, strict=True))


async def _knock(place: str) -> str:
    """Why there is no connection; empty when there is one."""
    host, _, port = place.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), CONNECT_S)
    except TimeoutError:
        return f"no connection within {CONNECT_S:.0f} s"
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
        return f"no connection: {reason}"
    writer.close()
    return ""
