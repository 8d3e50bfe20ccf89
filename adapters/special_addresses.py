"""Addresses that are no machine of the public Internet, as data of our own: Python's tables change with its version.

Sources: the IANA special-purpose address registries for IPv4 and IPv6 and the IANA IPv6 address space registry, as of
October 2024, and the documentation of the cloud providers named. Whole blocks are listed where the registry singles out
parts of them. Also listed is what the registries call globally reachable but no merchant's server has: anycast relays,
DNS sinks, transition mechanisms.
"""

from ipaddress import IPv4Network, IPv6Network

IPV4: dict[IPv4Network, str] = {
    IPv4Network(block): name
    for block, name in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private use"),
        ("100.64.0.0/10", "shared address space; metadata of Alibaba Cloud at 100.100.100.200"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local; metadata of most clouds at 169.254.169.254"),
        ("172.16.0.0/12", "private use"),
        ("192.0.0.0/24", "IETF protocol assignments; metadata of Oracle Cloud at 192.0.0.192"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relay anycast, deprecated"),
        ("192.168.0.0/16", "private use"),
        ("192.175.48.0/24", "direct delegation AS112 service"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, and limited broadcast"),
        ("168.63.129.16/32", "Azure: wire server, DNS and health probes of every virtual machine"),
        ("161.26.0.0/16", "IBM Cloud: services inside its network"),
        ("166.8.0.0/14", "IBM Cloud: services inside its network"),
    )
}

# Everything outside it is special: loopback, mapped and compatible IPv4, discard, local translation (64:ff9b:1::/48),
# segment routing (5f00::/16), unique local with the metadata of AWS, Google and Scaleway, link-local, multicast.
IPV6_UNICAST = IPv6Network("2000::/3")
IPV6: dict[IPv6Network, str] = {
    IPv6Network(block): name
    for block, name in (
        ("2001::/23", "IETF protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID, drone remote id"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4, deprecated"),
        ("2620:4f:8000::/48", "direct delegation AS112 service"),
        ("3ffe::/16", "6bone, returned"),
        ("3fff::/20", "documentation"),
    )
}

# Forms whose last 32 bits are an IPv4 address that is called in the end.
IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")
# RFC 5214: an interface id of this form, with the universal bit set or not, leads to the IPv4 address after it.
ISATAP_IDS = frozenset({bytes.fromhex("00005efe"), bytes.fromhex("02005efe")})
