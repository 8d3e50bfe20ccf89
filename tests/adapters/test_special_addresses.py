"""Each row of the tables is refused, at both of its ends; its neighbours are not, unless they are rows themselves."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.resolver import is_inside
from adapters.special_addresses import IPV4, IPV6, IPV6_UNICAST

# What the issue names, and metadata services that providers document.
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


@pytest.mark.parametrize("block", [*IPV4, *IPV6], ids=str)
def test_a_row_is_refused_at_both_ends(block):
    assert is_inside(block[0])
    assert is_inside(block[-1])


@pytest.mark.parametrize("address", NAMED)
def test_what_is_known_to_be_special_is_refused(address):
    assert is_inside(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_not(address):
    assert not is_inside(ip_address(address))


@given(st.ip_addresses(v=4))
def test_all_forms_of_an_ipv4_address_are_what_it_is(address):
    for form in (IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed), ip_address(f"64:ff9b::{address}")):
        assert is_inside(form) is is_inside(address)


@given(st.ip_addresses())
def test_nothing_that_python_calls_special_passes(address):
    """Whatever version of Python: our tables refuse at least as much as its own, but for the judged forms."""
    if isinstance(address, IPv4Address) or address in IPV6_UNICAST:
        assert is_inside(address) or address.is_global


def test_control_python_s_own_table_lets_some_of_them_pass():
    assert ip_address("168.63.129.16").is_global
