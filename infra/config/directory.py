"""The configured accounts, to look up: by account, by shop, by location, by courier. Built once from the settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from domain.errors import Misconfigured
from infra.config.settings import Channel, CourierContract, Location, Settings, Shop

Account = Shop | CourierContract | Location | Channel

K = TypeVar("K", Shop, CourierContract, Location, Channel)


@dataclass(frozen=True, slots=True)
class Directory:
    """All accounts of the settings. Each look-up costs the same, however many accounts there are.

    `shops`, `couriers`, `channels`: by account. `locations`: by name. `by_account`: every account of any kind. Each
    mapping is in the order of the settings; of two entries with one name, which `orderlane doctor` tells of, the last
    counts.
    """

    shops: Mapping[str, Shop]
    couriers: Mapping[str, CourierContract]
    locations: Mapping[str, Location]
    channels: Mapping[str, Channel]
    by_account: Mapping[str, Account] = field(init=False)
    sender_cities: tuple[str, ...] = field(init=False)
    _contracts_at: Mapping[str, tuple[CourierContract, ...]] = field(init=False)
    _shops_of_a_name: Mapping[str, tuple[Shop, ...]] = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.shops, self.couriers, self.locations, self.channels)
        every = {one.account: one for part in parts for one in part.values()}
        all_contracts = tuple(self.couriers.values())
        contracts = {
            name: tuple(self.couriers[account] for account in location.contracts) or all_contracts
            for name, location in self.locations.items()
        }
        named: dict[str, tuple[Shop, ...]] = {}
        for shop in self.shops.values():
            named[shop.name] = (*named.get(shop.name, ()), shop)
        cities = tuple(location.sender.city for location in self.locations.values())
        for name, value in (
            ("by_account", MappingProxyType(every)),
            ("sender_cities", cities),
            ("_contracts_at", MappingProxyType(contracts)),
            ("_shops_of_a_name", MappingProxyType(named)),
        ):
            object.__setattr__(self, name, value)

    def account(self, account: str) -> Account:
        """The settings of an account of any kind. Raises Misconfigured ``account_unknown``: settings may change while
        work is waiting.
        """
        return _known(self.by_account, account, "account_unknown", "account")

    def shop(self, account: str) -> Shop:
        """Raises Misconfigured ``account_unknown``."""
        return _known(self.shops, account, "account_unknown", "account")

    def shop_of(self, platform: str, name: str) -> Shop:
        """A shop by its platform and its name there. Raises Misconfigured ``account_unknown``."""
        return self.shop(f"{platform}/{name}")

    def shops_named(self, name: str) -> tuple[Shop, ...]:
        """The shops with this account or this name (several platforms may use one name); none if unknown."""
        return (self.shops[name],) if name in self.shops else self._shops_of_a_name.get(name, ())

    def location(self, name: str) -> Location:
        """The settings of a location, by its name. Raises Misconfigured ``location_unknown``."""
        return _known(self.locations, name, "location_unknown", "location")

    @property
    def courier_names(self) -> tuple[str, ...]:
        """Couriers with a contract, each once, in the order of the settings."""
        return tuple(dict.fromkeys(courier.courier for courier in self.couriers.values()))

    def contracts_at(self, location: str) -> tuple[CourierContract, ...]:
        """The courier accounts that pick up at a location, the preferred one first. Raises as `location`."""
        return _known(self._contracts_at, location, "location_unknown", "location")


def directory_of(settings: Settings) -> Directory:
    """The directory of some settings; to be built once and kept beside them."""
    return Directory(
        shops=_by_account(settings.shops),
        couriers=_by_account(settings.couriers),
        locations=MappingProxyType({location.name: location for location in settings.locations}),
        channels=_by_account(settings.channels),
    )


def _by_account(accounts: Iterable[K]) -> Mapping[str, K]:
    return MappingProxyType({one.account: one for one in accounts})


T = TypeVar("T")


def _known(known: Mapping[str, T], name: str, code: str, fact: str) -> T:
    found = known.get(name)
    if found is None:
        raise Misconfigured(code, f"{name} is not configured", {fact: name})
    return found
