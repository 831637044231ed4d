"""The file: TOML with a table for each peer. Pure."""

from __future__ import annotations

import ipaddress
import tomllib
from typing import Any

from appliance.api.discovery import BroughtPeer
from appliance.api.values import Endpoint

MOST_BYTES = 4 << 20
"""Ten thousand peers have a quarter of it."""
KEYS = {"name", "identity", "allowed", "endpoints"}


class BadRoster(ValueError):
    """What is wrong, in a sentence for the admin."""


def read(text: bytes) -> tuple[BroughtPeer, ...]:
    """The peers, in the order of the file. Raises BadRoster."""
    if len(text) > MOST_BYTES:
        raise BadRoster(f"it has more than {MOST_BYTES >> 20} MiB")
    try:
        content = tomllib.loads(text.decode())
    except ValueError as error:  # no TOML, or no UTF-8
        raise BadRoster(f"it is no TOML: {error}") from None
    peers = content.pop("peers", [])
    if content:
        raise BadRoster(f"there is no key {min(content)!r}, only [[peers]]")
    if not isinstance(peers, list):
        raise BadRoster("write [[peers]] before each peer")
    return tuple(_peer(number, peer) for number, peer in enumerate(peers, 1))


def _peer(number: int, written: Any) -> BroughtPeer:
    name = written.get("name") if isinstance(written, dict) else None
    where = f"peer {number} ({name})" if isinstance(name, str) else f"peer {number}"
    try:
        unknown = written.keys() - KEYS
        if unknown:
            raise ValueError(f"there is no key {min(unknown)!r}")
        return BroughtPeer(
            _text(written["name"]),
            _text(written["identity"]),
            tuple(map(ipaddress.ip_network, _texts(written["allowed"]))),
            tuple(map(Endpoint.parse, _texts(written.get("endpoints", [])))),
        )
    except KeyError as error:
        raise BadRoster(f"{where}: {error.args[0]} is missing") from None
    except (ValueError, AttributeError) as error:
        raise BadRoster(f"{where}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004  told like everything else that is wrong
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")  # noqa: TRY004
    return [_text(each) for each in value]
