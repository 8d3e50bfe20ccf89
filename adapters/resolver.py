"""Resolves configured host names, and refuses a name that resolves to an internal address.

The operator wrote an address in the settings, so an address is trusted. The owner of a DNS zone decides where a name
leads and may point it at a machine of ours, at once or later (server-side request forgery, DNS rebinding). Names are
therefore checked by the addresses that they resolve to, and the client connects to exactly the checked addresses.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

from adapters.special_addresses import IPV4_MAPPED, ISATAP_IDS, NAT64, is_special
from domain.errors import Misconfigured


class OutsideResolver(ThreadedResolver):
    """The machine's own resolver, for machines outside and for those of `inside_hosts`.

    Create it on the event loop that resolves.
    """

    def __init__(self, inside_hosts: Iterable[str]) -> None:
        super().__init__()
        self._inside_hosts = frozenset(map(_plain, inside_hosts))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host name. Raises Misconfigured ``address_inside`` if any address is internal and the name
        is not listed, OSError if there is no address.
        """
        found = await super().resolve(host, port, family)
        if _is_literal(host) or _plain(host) in self._inside_hosts:
            return found
        if any(is_inside(ip_address(one["host"])) for one in found):
            message = f"{host} resolves to a machine inside and is not listed in door.inside_hosts"
            raise Misconfigured("address_inside", message, {"host": host})
        return found


def is_inside(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is no unicast address of the public Internet, by our own tables or by Python's.

    Python's table adds what a newer Python knows and our copy of the registries does not hold yet. IPv6 forms that lead
    to an IPv4 address are what that one is.
    """
    if isinstance(address, IPv4Address):
        return is_special(address) or not address.is_global
    last = IPv4Address(address.packed[-4:])
    if address in IPV4_MAPPED or address in NAT64:
        return is_inside(last)
    is_outside = address.is_global and not is_special(address)
    return not is_outside or (address.packed[8:12] in ISATAP_IDS and is_inside(last))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _plain(name: str) -> str:
    """Names are the same in any case, and with the dot of the root."""
    return name.casefold().rstrip(".")
