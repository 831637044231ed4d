"""Profiles for tests on the kernel, in the words a person would write."""

from __future__ import annotations

from typing import Any

from appliance.api.profile import Profile

IDENTITY = "llp1:" + "a" * 52


def profile(peers: list[dict[str, Any]] | None = None, names: dict[str, Any] | None = None, **network: Any) -> Profile:
    """A small valid profile; `network` keys go on top."""
    return Profile.model_validate(
        {
            "profile": 1,
            "names": names,
            "network": {"addresses": ["10.8.0.1/24", "fd00:8::1/64"], **network},
            "peers": [
                {"name": f"peer-{number}", "identity": IDENTITY, "allowed": ["10.8.0.2/32"], **peer}
                for number, peer in enumerate(peers or [])
            ],
        }
    )


def rich(**network: Any) -> Profile:
    """A profile that uses every verb of a plan; those about names where the host has a resolver of its own."""
    return profile(
        [{"allowed": ["10.8.0.2/32", "10.30.0.0/16", "fd30::/48"]}],
        {"label": "home"},
        **{
            "masquerade": ["10.8.0.0/24", "fd00:8::/64"],
            "routes": [{"to": "10.20.0.0/16", "via": "10.8.0.7", "metric": 5, "table": 1000}],
            "rules": [{"fwmark": 7, "table": 1000, "priority": 100}, {"from": "10.99.0.0/16", "table": 70000, "priority": 101}],
            "sysctls": {"net.core.somaxconn": 5000, "net.ipv4.conf.llp0.rp_filter": 2},
        }
        | network,
    )
