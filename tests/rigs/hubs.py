"""A hub with several workers and peers that come in to it, so that each worker has some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.lab.definition import LabFile

HUB_V4, HUB_V6 = "10.71.0.1", "fd00:71::1"


def v4(spoke: int) -> str:
    """The overlay's IPv4 address of a spoke; they are numbered from 1."""
    return f"10.71.0.{spoke + 1}"


def v6(spoke: int) -> str:
    """The same for IPv6."""
    return f"fd00:71::{spoke + 1}"


def hub(spokes: int = 2, *, workers: int | str = 2, scheme: str = "udp", both: Mapping[str, Any] | None = None) -> LabFile:
    """`hub` with `spoke1` … on one wire. `both` are further keys of all profiles."""
    names = [f"spoke{number}" for number in range(1, spokes + 1)]
    described: dict[str, Any] = {
        name: {
            "addresses": [f"{v4(number)}/24", f"{v6(number)}/64"],
            "peers": {
                "hub": {"endpoints": [f"{scheme}://hub:8443"], "keepalive": "1s", "allowed": ["10.71.0.0/24", "fd00:71::/64"]}
            },
            "profile": dict(both or {}),
        }
        for number, name in enumerate(names, 1)
    }
    described["hub"] = {
        "addresses": [f"{HUB_V4}/24", f"{HUB_V6}/64"],
        "listen": [f"{scheme}://0.0.0.0:8443"],
        "forward": True,
        "peers": {name: {"keepalive": "1s"} for name in names},
        "profile": {**(both or {}), "network": {"workers": workers}},
    }
    links = [{"name": "wan", "hosts": ["hub", *names], "ipv4": "192.168.71.0/24", "ipv6": "fd71:1::/64"}]
    return LabFile.model_validate({"lab": 1, "name": "hub", "links": links, "hosts": described})
