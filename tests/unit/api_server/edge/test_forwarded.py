"""For whom a proxy asks."""

from __future__ import annotations

import ipaddress

import pytest

from appliance.api_server.edge.forwarded import sender_of

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("headers", "address", "scheme"),
    [
        ({}, "10.0.0.1", ""),
        ({"x-forwarded-for": "192.0.2.1"}, "192.0.2.1", ""),
        ({"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}, "192.0.2.1", "https"),
        ({"x-forwarded-for": "6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1", ""),
        ({"x-forwarded-for": "6.6.6.6, unknown"}, "10.0.0.1", ""),
        ({"x-forwarded-for": "garbage"}, "10.0.0.1", ""),
        ({"x-forwarded-for": "192.0.2.1:4711"}, "192.0.2.1", ""),
        ({"x-forwarded-for": "[2001:db8::1]:4711"}, "2001:db8::1", ""),
        ({"forwarded": 'for="[2001:db8::1]:4711";proto=https'}, "2001:db8::1", "https"),
        ({"forwarded": "for=6.6.6.6, for=192.0.2.1;proto=HTTPS;by=10.0.0.1"}, "192.0.2.1", "https"),
        ({"forwarded": "for=_hidden"}, "10.0.0.1", ""),
        ({"forwarded": 'for="'}, "10.0.0.1", ""),
        ({"forwarded": "for=192.0.2.1", "x-forwarded-for": "6.6.6.6"}, "192.0.2.1", ""),
        ({"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "gopher"}, "192.0.2.1", ""),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours(headers: dict[str, str], address: str, scheme: str) -> None:
    assert sender_of("10.0.0.1", headers, PROXIES) == (address, scheme)
