"""Which URLs of a provider are used."""

from __future__ import annotations

from urllib.parse import urlsplit

from appliance.api.values import is_this_host

LONGEST = 2048


def is_safe(url: object, *, loopback: bool) -> bool:
    """Is it https with a host, and no user, password or fragment? With `loopback` also http at a loopback address, where nobody
    listens in between."""
    if not isinstance(url, str) or len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        told = urlsplit(url)
        host = told.hostname
        well = bool(host) and told.port != 0 and told.username is None and told.password is None and not told.fragment
    except ValueError:
        return False
    return well and (told.scheme == "https" or (loopback and told.scheme == "http" and is_this_host(host or "")))
