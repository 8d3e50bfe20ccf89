"""Addresses that do not belong to a machine of the public Internet, as data of our own: Python's tables change with its
version.

The folder ``address_tables`` holds the blocks, one CSV row each:

- ``iana-ipv4-special-registry-1.csv`` and ``iana-ipv6-special-registry-1.csv`` are the special-purpose address
  registries of IANA as of 2025-10-09, byte for byte, from www.iana.org/assignments/iana-ipv4-special-registry and
  .../iana-ipv6-special-registry. To renew them, replace both files, and the digests in the tests.
- ``others.csv`` holds what these registries do not name: blocks of other registries, and services that a cloud offers
  inside its network, each with its source.

Every row counts. Some rows are globally reachable by the registry, but no merchant's server has such an address: they
are anycast relays, DNS sinks, transition mechanisms and identifiers.
"""

import csv
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

FOLDER = Path(__file__).with_name("address_tables")
FILES = ("iana-ipv4-special-registry-1.csv", "iana-ipv6-special-registry-1.csv", "others.csv")

# The only block of IPv6 from which global unicast addresses are given out, by the IANA IPv6 address space registry.
IPV6_UNICAST = IPv6Network("2000::/3")

# Forms whose last 32 bits are an IPv4 address that is called in the end. The registry calls the first one not globally
# reachable, which is so on the wire: the kernel calls the IPv4 address instead.
IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")
# RFC 5214: an interface id of this form, with the universal bit set or not, leads to the IPv4 address after it.
ISATAP_IDS = frozenset({bytes.fromhex("00005efe"), bytes.fromhex("02005efe")})

_FOOTNOTE = re.compile(r" \[\d+\]")


def _read(file: str) -> Iterator[IPv4Network | IPv6Network]:
    """Raises KeyError or ValueError where the file is no table of blocks."""
    with (FOLDER / file).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            # IANA writes footnotes behind a block, and may write two blocks in one row.
            for block in _FOOTNOTE.sub("", row["Address Block"]).split(", "):
                yield ip_network(block)


_BLOCKS = tuple(block for file in FILES for block in _read(file))
IPV4 = tuple(block for block in _BLOCKS if isinstance(block, IPv4Network))
IPV6 = tuple(block for block in _BLOCKS if isinstance(block, IPv6Network))


def is_special(address: IPv4Address | IPv6Address) -> bool:
    """Whether a table holds it, or IPv6 has it outside its global unicast. Embedded IPv4 addresses are not read."""
    if isinstance(address, IPv4Address):
        return any(address in block for block in IPV4)
    return address not in IPV6_UNICAST or any(address in block for block in IPV6)
