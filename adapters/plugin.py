"""What an adapter file offers to the rest of the program: a name, a function to connect, and its signers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from adapters import ports
from adapters.http_client import HttpClient
from adapters.vectors import Sign
from domain.errors import Misconfigured
from domain.order import LaneFacts, Order
from infra.config import settings
from infra.config.secret import Secret
from infra.process.clock import Clock


@dataclass(frozen=True, slots=True)
class PlatformKind:
    """A sales platform.

    `read_order(body, shop)` is pure and raises Poison; `read_facts(body)` never raises: an unreadable payload has the
    default lane facts until a person handles it.
    """

    name: str
    connect: Callable[[settings.Shop, HttpClient, Clock], ports.Platform]
    read_order: Callable[[bytes, str], Order]
    read_facts: Callable[[bytes], LaneFacts]
    signers: Mapping[str, Sign] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CourierKind:
    name: str
    connect: Callable[[settings.CourierContract, HttpClient, Clock], ports.Courier]
    signers: Mapping[str, Sign] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelKind:
    name: str
    connect: Callable[[settings.Channel, HttpClient, Clock], ports.Notifier]
    signers: Mapping[str, Sign] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WarehouseKind:
    name: str
    connect: Callable[[settings.Location, HttpClient, Clock], ports.Warehouse]
    signers: Mapping[str, Sign] = field(default_factory=dict)


Kind = PlatformKind | CourierKind | ChannelKind | WarehouseKind
Account = settings.Shop | settings.CourierContract | settings.Channel | settings.Location


def credential(account: Account, name: str) -> Secret:
    """A secret of an account. Raises Misconfigured ``credential_missing``."""
    secret = account.credentials.get(name)
    if not secret:
        raise Misconfigured(
            "credential_missing",
            f"{account.account} lacks the credential {name}",
            {"account": account.account, "credential": name},
        )
    return secret
