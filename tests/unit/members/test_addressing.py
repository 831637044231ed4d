from __future__ import annotations

from hashlib import sha256
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.members.addressing import free_addresses, ranges_of
from appliance.members.fields import Address

RANGES = (ip_network("10.8.0.0/24"), ip_network("fd00:8::/64"))


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def test_a_member_has_one_of_each_version_and_always_the_same() -> None:
    first = free_addresses(RANGES, digest(1), ())
    assert [address.version for address in first] == [4, 6]
    assert all(any(address in each for each in RANGES) for address in first)
    assert first == free_addresses(RANGES, digest(1), ())
    assert set(first).isdisjoint(free_addresses(RANGES, digest(2), ()))


def test_all_addresses_of_a_range_are_given_and_each_once() -> None:
    used: set[Address] = set()
    for number in range(254):
        found = free_addresses(RANGES, digest(number), used)
        assert len(found) == 2
        assert used.isdisjoint(found)
        used.update(found)
    assert {address for address in used if address.version == 4} == set(RANGES[0].hosts())
    assert [address.version for address in free_addresses(RANGES, digest(255), used)] == [6], "the range of IPv4 is full"


def test_a_second_range_is_taken_when_the_first_is_full() -> None:
    ranges = (ip_network("10.0.0.0/31"), ip_network("10.1.0.0/31"))
    full = {IPv4Address("10.0.0.0"), IPv4Address("10.0.0.1")}
    assert free_addresses(ranges, digest(1), full)[0] in ranges[1]


@pytest.mark.parametrize(
    ("within", "hosts"), [("10.0.0.7/32", 1), ("10.0.0.6/31", 2), ("10.0.0.4/30", 2), ("fd00::8/127", 2), ("fd00::8/125", 7)]
)
def test_the_networks_own_and_the_broadcast_address_are_nobodys(within: str, hosts: int) -> None:
    used: set[Address] = set()
    while found := free_addresses([ip_network(within)], digest(1), used):
        used.update(found)
    assert len(used) == hosts
    assert all(address in ip_network(within) for address in used)


@given(st.binary(min_size=32, max_size=32))
def test_whoever_comes_gets_an_address_within_the_range(anybody: bytes) -> None:
    v4, v6 = free_addresses(RANGES, anybody, ())
    assert v4 in set(RANGES[0].hosts())
    assert v6 != ip_address("fd00:8::")


def test_each_network_has_ranges_of_its_own() -> None:
    ranges = {ranges_of(digest(number)) for number in range(100)}
    assert len({v6 for _, v6 in ranges}) == 100
    assert len({v4 for v4, _ in ranges}) > 40
    assert all(v4.is_private and v6.is_private and (v4.prefixlen, v6.prefixlen) == (16, 48) for v4, v6 in ranges)
