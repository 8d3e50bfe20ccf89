"""Every row of the registries is refused, in all forms that lead to it; what lies beside the rows is called."""

import csv
import hashlib
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import resolver
from adapters.resolver import is_inside
from adapters.special_addresses import FOLDER, IPV4, IPV6, IPV6_UNICAST, is_special

# SHA-256 of both registries as IANA served them; of 2025-10-09.
SERVED = {
    "iana-ipv4-special-registry-1.csv": "e3e39e76d00b1677335db8e9a805c7b9480ea2f4dc9e33f0b93cd3a905128d73",
    "iana-ipv6-special-registry-1.csv": "775feea0621dec8735a44fbf30f762e721e8f0a1b3ab7eb341961a88cfce2139",
}
COLUMNS = [
    *("Address Block", "Name", "RFC", "Allocation Date", "Termination Date"),
    *("Source", "Destination", "Forwardable", "Globally Reachable", "Reserved-by-Protocol"),
]


def table(file: str) -> list[list[str]]:
    return list(csv.reader((FOLDER / file).read_text(encoding="utf-8").splitlines(keepends=True)))


def blocks(rows: list[list[str]]) -> list:
    """Read apart from the code under test: whatever looks like a block in the first column."""
    return [ip_network(found) for row in rows for found in re.findall(r"[0-9a-f.:]+/[0-9]+", row[0])]


REGISTRY = [block for file in SERVED for block in blocks(table(file)[1:])]
NOT_REACHABLE = blocks([row for file in SERVED for row in table(file)[1:] if row[8] != "True"])
OTHERS = blocks(table("others.csv")[1:])
# Not globally reachable by the registry, yet judged by the IPv4 address inside, which is what the kernel calls.
MAPPED = ip_network("::ffff:0:0/96")
# Every IPv6 form that leads to an IPv4 address.
FORMS = {
    "mapped": lambda v4: IPv6Address(b"\0" * 10 + b"\xff\xff" + v4.packed),
    "compatible": lambda v4: IPv6Address(b"\0" * 12 + v4.packed),
    "nat64": lambda v4: IPv6Address(ip_address("64:ff9b::").packed[:12] + v4.packed),
    "nat64-local": lambda v4: IPv6Address(ip_address("64:ff9b:1::").packed[:12] + v4.packed),
    "6to4": lambda v4: IPv6Address(b"\x20\x02" + v4.packed + b"\0" * 9 + b"\x01"),
    "teredo-server": lambda v4: IPv6Address(b"\x20\x01\0\0" + v4.packed + b"\0" * 8),
    "teredo-client": lambda v4: IPv6Address(
        b"\x20\x01\0\0" + bytes([8] * 4) + b"\0" * 4 + bytes(255 - byte for byte in v4.packed)
    ),
    "isatap": lambda v4: IPv6Address(ip_address("2400:3200::").packed[:8] + b"\0\0\x5e\xfe" + v4.packed),
}
# Forms that are refused whatever they hold.
TUNNELS = {"compatible", "nat64-local", "6to4", "teredo-server", "teredo-client"}

# Addresses with a name of their own: metadata services, and the rows that Python's table lets pass.
NAMED = [
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.42.42",
    "169.254.0.23",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.0.8",
    "192.0.0.9",
    "192.88.99.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "198.18.0.1",
    "161.26.0.10",
    "166.9.1.1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:42::42",
    "3fff::1",
    "3fff:fff:ffff::1",
    "5f00::1",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "fec0::1",
    "::8.8.8.8",
    "::ffff:168.63.129.16",
    "64:ff9b::a00:1",
    "64:ff9b::a83f:8110",
    "2400:3200::5efe:7f00:1",
    "2400:3200::200:5efe:a00:1",
    "::ffff:0:8.8.8.8",
    "4000::1",
    "e000::1",
]
OUTSIDE = [
    "1.1.1.1",
    "8.8.8.8",
    "47.88.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "192.88.98.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "240e::1",
    "2400:3200::1",
    "2620:4f:8001::1",
    "3ffd::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2400:3200::5efe:808:808",
]


@pytest.mark.parametrize(("file", "digest"), SERVED.items())
def test_the_registries_are_as_iana_served_them(file, digest):
    assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("file", SERVED)
def test_the_registries_have_the_columns_that_are_read(file):
    head, *rows = table(file)
    assert head == COLUMNS
    assert all(len(row) == len(COLUMNS) and blocks([row]) for row in rows)
    assert {re.sub(r" \[\d\]", "", row[8]) for row in rows} == (
        {"True", "False", ""} if "ipv4" in file else {"True", "False", "N/A", ""}
    )


def test_every_row_of_ours_has_a_source():
    head, *rows = table("others.csv")
    assert head == ["Address Block", "Name", "Source"]
    for block, name, source in rows:
        assert ip_network(block)
        assert name
        assert source.startswith("https://")


def test_no_block_is_lost_while_reading():
    assert [*IPV4, *IPV6] == sorted(REGISTRY + OTHERS, key=lambda block: block.version)
    # A row with a footnote, and one with two blocks.
    assert {IPv4Network("192.0.0.0/24"), IPv4Network("192.0.0.170/32"), IPv4Network("192.0.0.171/32")} <= set(IPV4)


@pytest.mark.parametrize("block", REGISTRY + OTHERS, ids=str)
def test_a_row_is_refused_at_both_ends(block):
    assert is_inside(block[0])
    assert is_inside(block[-1])


@pytest.mark.parametrize("block", [block for block in NOT_REACHABLE if block != MAPPED], ids=str)
@given(data=st.data())
def test_nothing_in_a_row_that_is_not_globally_reachable_passes(block, data):
    size = block.num_addresses - 1
    assert is_inside(block[data.draw(st.integers(0, size))])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", [block for block in REGISTRY + OTHERS if block.version == 4], ids=str)
def test_no_form_leads_to_a_row_of_ipv4(block, form):
    assert is_inside(FORMS[form](block[0]))
    assert is_inside(FORMS[form](block[-1]))


@pytest.mark.parametrize("form", FORMS)
def test_control_a_form_of_a_public_address_is_refused_only_where_it_is_a_tunnel(form):
    assert is_inside(FORMS[form](IPv4Address("8.8.8.8"))) is (form in TUNNELS)


@pytest.mark.parametrize("address", NAMED)
def test_what_is_known_to_be_special_is_refused(address):
    assert is_inside(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_not(address):
    assert not is_inside(ip_address(address))


@given(st.ip_addresses(v=4))
def test_all_forms_of_an_ipv4_address_are_what_it_is(address):
    for form in FORMS.keys() - TUNNELS:
        assert is_inside(FORMS[form](address)) is is_inside(address)


@given(st.ip_addresses())
def test_the_tables_alone_hold_what_python_calls_special(address):
    """Whatever version of Python: our tables hold at least as much as its own, but for the judged forms."""
    if isinstance(address, IPv4Address) or address in IPV6_UNICAST:
        assert is_special(address) or address.is_global


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fd00:ec2::254", "2001:db8::1", "64:ff9b::a00:1"])
def test_without_our_tables_python_s_own_still_refuses(monkeypatch, address):
    monkeypatch.setattr(resolver, "is_special", lambda _address: False)
    assert is_inside(ip_address(address))


@pytest.mark.parametrize("address", ["168.63.129.16", "161.26.0.1", "192.31.196.1", "192.175.48.1"])
def test_control_without_our_tables_some_pass(monkeypatch, address):
    monkeypatch.setattr(resolver, "is_special", lambda _address: False)
    assert not is_inside(ip_address(address))
