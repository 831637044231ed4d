"""HTTP proxies: which one to take, what to ask it, and what its answer means. Pure."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from appliance_transport_websocket.place import Place

DEFAULT_PORT: Final = 80
LONGEST_ANSWER: Final = 16384
"""Bytes of the head of an answer. Proxies send some hundred."""


class Proxy(NamedTuple):
    """A proxy to call through. Never shown as a whole: it may hold a password."""

    host: str
    port: int
    authorization: str
    """The value of Proxy-Authorization (RFC 7617), or ""."""

    @property
    def shown(self) -> str:
        """For people."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class ProxyRefused(OSError):
    """The proxy does not connect us. Its text is for the admin."""


def proxy_for(place: Place, address: str, written: str | None, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy on the way to a place, whose name was looked up as `address`; None: none. `written` is the profile's word.

    Raises ValueError with a sentence for the admin.
    """
    if written is not None:
        return None if written == "none" else _read(written)
    told = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    exceptions = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if not told or any(_is_excepted(place, address, rule.strip()) for rule in exceptions.split(",")):
        return None
    return _read(told)


def _read(text: str) -> Proxy:
    try:
        told = urlsplit(text if "://" in text else f"http://{text}")
        host, port = told.hostname, told.port or DEFAULT_PORT
    except ValueError:
        host, port, told = None, 0, urlsplit("")
    if not host or told.scheme != "http":
        raise ValueError("the proxy of the environment cannot be read: write https_proxy=http://host:port")
    if told.username is None:
        return Proxy(host, port, "")
    pair = f"{unquote(told.username)}:{unquote(told.password or '')}"
    return Proxy(host, port, f"Basic {base64.b64encode(pair.encode()).decode()}")


def _is_excepted(place: Place, address: str, rule: str) -> bool:
    """Is a place meant by an item of no_proxy: `*`, a network or an address, a domain with all below it?"""
    if rule == "*":
        return True
    host, _, port = rule.rpartition(":") if rule.count(":") == 1 else (rule, "", "")
    if port and port != str(place.port):
        return False
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        pass
    domain, name = host.strip(".").lower(), place.name.lower()
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def request(place: Place, authorization: str) -> bytes:
    """What to send: CONNECT (RFC 9110, section 9.3.6)."""
    host = f"[{place.name}]" if ":" in place.name else place.name
    lines = [f"CONNECT {host}:{place.port} HTTP/1.1", f"Host: {host}:{place.port}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


def judge(head: bytes, shown: str, place: Place) -> None:
    """The head of its answer, with the empty line. Raises ProxyRefused if it does not connect us."""
    status, _, _ = head.partition(b"\r\n")
    version, _, rest = status.decode("latin-1").partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not (code.isdecimal() and len(code) == 3):
        raise ProxyRefused(f"{shown} does not answer as an HTTP proxy")
    if code[0] == "2":
        return
    if code in ("407", "401"):  # tinyproxy says 401 to a wrong password
        raise ProxyRefused(
            f"the proxy {shown} wants a user and a password, or other ones ({code}): transports.wss.proxy has them"
        )
    reason = "".join(letter for letter in rest[3:60] if letter.isprintable()).strip()
    raise ProxyRefused(f"the proxy {shown} does not connect to {place.name}:{place.port} ({f'{code} {reason}'.strip()})")
