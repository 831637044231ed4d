"""Which networks around a host its tunnel swallows."""

from __future__ import annotations

import pytest

from appliance.planning.local_networks import held, swallowed
from tests.netns.profiles import profile


def addresses(*given: str, link: str = "eth0", scope: str = "global") -> list[dict[str, str]]:
    return [{"link": link, "address": address, "scope": scope} for address in given]


@pytest.mark.parametrize(
    ("around", "allowed", "named"),
    [
        (addresses("192.168.1.5/24"), ["192.168.1.0/24"], "192.168.1.0/24 of peer peer-0"),
        (addresses("192.168.1.5/24"), ["192.168.1.128/25", "192.168.1.9/32"], "192.168.1.128/25 of peer peer-0, 192.168.1.9/32"),
        (addresses("192.168.1.5/24"), ["192.168.0.0/16", "192.168.2.0/24", "0.0.0.0/0"], ""),
        (addresses("fd00:1::5/64"), ["fd00:1::/80"], "fd00:1::/80 of peer peer-0"),
        (addresses("192.168.1.5/24", link="llp0"), ["192.168.1.0/25"], ""),
        (addresses("127.0.0.1/8", link="lo", scope="host"), ["127.1.0.0/16"], ""),
        (addresses("192.168.1.5/32"), ["192.168.1.5/32"], ""),
    ],
)
def test_a_prefix_that_fits_as_well_or_better_takes_it(around: list[dict[str, str]], allowed: list[str], named: str) -> None:
    found = swallowed(profile([{"allowed": allowed}]), around)
    assert [named in one.finding for one in found] == ([True] if named else [])


def test_what_stays_here_is_not_swallowed_and_written_routes_count() -> None:
    around = addresses("192.168.1.5/24")
    assert not swallowed(profile([{"allowed": ["192.168.1.0/25"]}], local="keep"), around)
    [told] = swallowed(profile(routes=[{"to": "192.168.1.0/26"}]), around)
    assert "192.168.1.0/26 of network.routes" in told.finding
    assert not swallowed(profile(routes=[{"to": "192.168.1.0/26", "table": 7}]), around)


def test_own_addresses_are_those_of_all_interfaces_but_loopback_and_link_local() -> None:
    found = addresses("192.168.1.5/24", "192.168.1.5/32", "fd00::5/64", "fe8::1/64", "1.169.254.1/24") + addresses(
        "127.0.0.1/8", "::1/128", "203.0.113.1/32", link="lo"
    )
    found += addresses("169.254.1.1/16", "fe80::1/64", "febf::1/64", scope="link")
    assert set(held(found)) == {"192.168.1.5", "fd00::5", "fe8::1", "1.169.254.1", "203.0.113.1"}
    assert len(held(found)) == 5


def test_many_prefixes_are_one_sentence() -> None:
    [told] = swallowed(profile([{"allowed": [f"192.168.1.{host}/32" for host in range(1, 101)]}]), addresses("192.168.1.200/24"))
    assert "and 92 more" in told.finding
    assert len(told.finding) < 500
