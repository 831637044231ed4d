"""Which host a request is meant for, and which page it comes from. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

_OWN: Final = {"same-origin", "none"}
"""Values of Sec-Fetch-Site (W3C, Fetch Metadata) of a page of ours, and of somebody who typed the address."""


def host_of(header: str) -> str:
    """The host in a `Host` header, in lower case, without its port and without brackets. "" if it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def meant_for(header: str, server: str, names: Collection[str]) -> bool:
    """Is a request with this `Host`, which came in at our address `server`, meant for this host?

    A page of a stranger can let its own name point to 127.0.0.1 and then read what answers there, as the browser believes that it
    talks with the page's own host (DNS rebinding). So a loopback address answers to loopback's names, and to `names`. At other
    addresses `names` hold if there are any; there TLS has said already who this is. An address itself never misleads.
    """
    host = host_of(header)
    if host in names:
        return True
    found, at = _address(host), _address(server)
    if at is not None and at.is_loopback:
        return host == "localhost" or (found is not None and found.is_loopback)
    return not names or found is not None


def is_own_page(headers: Mapping[str, str], scheme: str, allowed: Collection[str]) -> bool:
    """Does a request that wants to change something come from a program, from a page of ours, or from one of `allowed` origins?

    Browsers send `Origin` (RFC 6454) with it, and Sec-Fetch-Site; programs send neither.
    """
    origin = headers.get("origin")
    if origin in allowed:
        return True
    if origin is not None:
        same = origin.lower() == f"{scheme}://{headers.get('host', '').lower()}"
        return same and headers.get("sec-fetch-site", "none") in _OWN
    return headers.get("sec-fetch-site", "none") in _OWN


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
