"""For whom a proxy asks: `Forwarded` (RFC 7239) and `X-Forwarded-For`, believed of trusted proxies only. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""What says that a request came by a proxy."""
_PAIR: Final = re.compile(r'\s*([A-Za-z-]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]*))\s*')
MOST_HOPS: Final = 16


class Sender(NamedTuple):
    """Who sent a request, as far as proxies can be believed."""

    address: str
    scheme: str
    """"http" or "https", between the sender and the first proxy; "" if none said so."""


def is_trusted(address: str, proxies: Collection[Network]) -> bool:
    """Is that one of ours?"""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in proxies)


def sender_of(peer: str, headers: Mapping[str, str], proxies: Collection[Network]) -> Sender:
    """Who sent what the trusted proxy `peer` passed on: the last address that is no trusted proxy's. What is written before it
    the sender may have written itself. An address that nobody can read is the proxy's own."""
    hops = _forwarded(headers["forwarded"]) if "forwarded" in headers else _for(headers)
    found = Sender(peer, "")
    for address, scheme in reversed(hops[-MOST_HOPS:]):
        if not (plain := _plain(address)):
            break
        found = Sender(plain, scheme if scheme in {"http", "https"} else found.scheme)
        if not is_trusted(plain, proxies):
            break
    return found


def _for(headers: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    listed = headers.get("x-forwarded-for", "")
    return [(each.strip(), scheme) for each in listed.split(",")] if listed else []


def _forwarded(header: str) -> Sequence[tuple[str, str]]:
    hops = []
    for element in header.split(","):
        pairs = {}
        for part in element.split(";"):
            if found := _PAIR.fullmatch(part):
                pairs[found[1].lower()] = found[2] if found[2] is not None else found[3]
        hops.append((pairs.get("for", ""), pairs.get("proto", "").lower()))
    return hops


def _plain(text: str) -> str:
    """The address, without a port and brackets; "" if it is none, as `unknown` and `_hidden` are."""
    bare = text[1 : text.find("]")] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return ""
