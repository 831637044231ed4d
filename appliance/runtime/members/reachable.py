"""Where a node can be called, as far as its host knows: what it listens on, and the host's own addresses. What lies before the
host (a router that forwards a port) only its admin knows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from appliance.api.values import Endpoint, is_address, preference

MOST: Final = 3
"""Addresses of the host that are named: a code is typed by a person."""


def reachable_at(listening: Iterable[Endpoint], addresses: Iterable[str]) -> tuple[Endpoint, ...]:
    """Endpoints for others, most wanted first: public addresses before private ones, the better transport first.

    `listening`: bound endpoints. `addresses`: of the host, without those inside the overlay.
    """
    own = sorted(dict.fromkeys(filter(_usable, addresses)), key=_rank)
    bound = sorted(listening, key=preference)
    found = [endpoint for endpoint in bound if endpoint.host and not _is_any(endpoint.host) and _usable(endpoint.host)]
    for address in own[:MOST]:
        version = ipaddress.ip_address(address).version
        found += [_at(each, address) for each in bound if _is_any(each.host) and _takes(each.host, version)]
    return tuple(dict.fromkeys(found))


def _at(endpoint: Endpoint, address: str) -> Endpoint:
    """The same at that address of the host; a path behind it stays."""
    _, slash, path = endpoint.authority.partition("/")
    plain = endpoint._replace(host=address, authority="")
    return Endpoint.parse(f"{plain}/{path}") if slash else plain


def _usable(host: str) -> bool:
    if not is_address(host):
        return True
    address = ipaddress.ip_address(host)
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _is_any(host: str) -> bool:
    return is_address(host) and ipaddress.ip_address(host).is_unspecified


def _takes(host: str, version: int) -> bool:
    """Do packets of this IP version come to a socket on all addresses of `host`?"""
    return ipaddress.ip_address(host).version == version


def _rank(host: str) -> tuple[bool, int]:
    address = ipaddress.ip_address(host)
    return not address.is_global, address.version
