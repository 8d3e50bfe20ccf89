"""Accounts at platforms, couriers, channels and warehouses: credentials complete, endpoints reachable."""

import asyncio
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress

from adapters import registry
from adapters.http_client import HttpClient, authority_of
from adapters.plugin import Account
from adapters.resolver import OutsideResolver
from domain.errors import Misconfigured
from infra.config import settings as configuration
from infra.config.settings import Settings
from infra.process.clock import Clock
from ops.doctor.check import Check, fail, ok, unreachable

CONNECT_S = 2.0
# Reserved for examples (RFC 2606); `orderlane init` writes them where only you know the address.
_EXAMPLE_HOSTS = (".example.com", ".example")


def accounts_of(settings: Settings) -> tuple[Account, ...]:
    return (*settings.shops, *settings.couriers, *settings.locations, *settings.channels)


def credentials(settings: Settings, clock: Clock, incomplete: Collection[str] = ()) -> Iterator[Check]:
    """Whether each account's adapter exists and has its credentials and options; nothing is sent.

    `incomplete`: accounts with a missing secret; they have lines of their own.
    """
    http = HttpClient(settings.door, frozenset(), clock)
    faulty = len(incomplete)
    for account in accounts_of(settings):
        if account.account in incomplete:
            continue
        try:
            _connect(account, http, clock)
        except Misconfigured as error:
            faulty += 1
            yield fail(account.account, str(error), "correct this account in the settings")
    if not faulty:
        yield ok("credentials", f"complete for {len(accounts_of(settings))} accounts")


def _connect(account: Account, http: HttpClient, clock: Clock) -> None:
    match account:
        case configuration.Shop():
            registry.platform(account.platform).connect(account, http, clock)
        case configuration.CourierContract():
            registry.courier(account.courier).connect(account, http, clock)
        case configuration.Channel():
            registry.channel(account.kind).connect(account, http, clock)
        case configuration.Location():
            registry.warehouse(account.kind).connect(account, http, clock)


def endpoints(settings: Settings) -> Iterator[Check]:
    """Whether every configured host takes a connection; each host is asked once, all at the same time."""
    users: dict[str, list[str]] = {}
    for account in accounts_of(settings):
        if isinstance(account, configuration.Location) and account.is_own:
            continue
        try:
            place = authority_of(account.endpoint)
            if place.rpartition(":")[0].endswith(_EXAMPLE_HOSTS):
                yield fail(account.account, f"its endpoint is an example: {account.endpoint}", "write your own")
            else:
                users.setdefault(place, []).append(account.account)
        except ValueError:
            yield fail(account.account, "its endpoint is no http(s) address", "correct it in the settings")
    yield from asyncio.run(_try_all(users, settings.door.inside_hosts))


async def _try_all(users: Mapping[str, list[str]], inside_hosts: Iterable[str]) -> list[Check]:
    resolver = OutsideResolver(inside_hosts)
    return await asyncio.gather(*(_try(place, ", ".join(names), resolver) for place, names in users.items()))


async def _try(place: str, who: str, resolver: OutsideResolver) -> Check:
    host, _, port = place.rpartition(":")
    try:
        await asyncio.wait_for(_connect_to(host, int(port), resolver), CONNECT_S)
    except Misconfigured as error:
        return fail(place, f"{error} (used by {who})", "list it there if it is yours, otherwise correct the endpoint")
    except TimeoutError:
        fault = f"no connection within {CONNECT_S:.0f} s"
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or type(error).__name__
        fault = f"no connection: {reason}"
    else:
        return ok(place, f"takes connections (used by {who})")
    return unreachable(place, f"{fault} (used by {who})", "check the address, the network, or their status page")


async def _connect_to(host: str, port: int, resolver: OutsideResolver) -> None:
    """Connect to the first checked address that answers, as the door would. Raises the error of the last address."""
    *others, last = [found["host"] for found in await resolver.resolve(host, port)]
    for address in others:
        with suppress(OSError):
            return await _open_socket(address, port)
    return await _open_socket(last, port)


async def _open_socket(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
