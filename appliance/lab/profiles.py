"""The profile of each host of a lab, generated as a person would write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from appliance.api.units import format_seconds
from appliance.api.values import Endpoint
from appliance.lab.definition import RELAY_SCHEME, HostEntry, LabFile, PeerEntry
from appliance.lab.loading import endpoint_address

IDENTITY_FILE = "identity"
"""Beside the profile, which names it relative to its own folder."""


def profile_of(
    lab: LabFile, name: str, identities: Mapping[str, str], called: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The profile of a host, as plain values. `identities` has the public identity of each host; `called`, by their addresses
    on a wire, the addresses of those that have another one."""
    host = lab.hosts[name]
    profile: dict[str, Any] = {
        "profile": 1,
        "name": name,
        "server": {"identity": f"file:{IDENTITY_FILE}", "listen": [str(endpoint) for endpoint in host.listen]},
        "network": {"addresses": [str(address) for address in host.addresses], "mtu": host.mtu, "forward": host.forward},
        "peers": [_peer(lab, name, peer, entry, identities, called) for peer, entry in lab.peers_of(name).items()],
    }
    return _laid_over(profile, host.profile)


def as_yaml(profile: Mapping[str, Any]) -> str:
    """Each section on a line, and each item of a list of mappings on a line. The values are JSON, which YAML 1.2 reads as
    well."""
    lines = []
    for key, value in profile.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines += [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _peer(
    lab: LabFile, name: str, peer: str, entry: PeerEntry, identities: Mapping[str, str], called: Mapping[str, str]
) -> dict[str, Any]:
    described: dict[str, Any] = {"name": peer, "identity": identities[peer]}
    if entry.endpoints:
        described["endpoints"] = [_resolved(lab, name, endpoint, identities, called) for endpoint in entry.endpoints]
    described["allowed"] = [str(prefix) for prefix in entry.allowed] if entry.allowed is not None else _own(lab.hosts[peer])
    if entry.keepalive is not None:
        described["keepalive"] = format_seconds(entry.keepalive)
    if entry.compression is not None:
        described["compression"] = entry.compression
    return described


def _resolved(lab: LabFile, name: str, endpoint: Endpoint, identities: Mapping[str, str], called: Mapping[str, str]) -> str:
    """As a profile says it: no name server knows the hosts of a lab, whatever else stands in an endpoint."""
    if endpoint.scheme == RELAY_SCHEME:
        return f"{RELAY_SCHEME}://{identities.get(endpoint.authority, endpoint.authority)}"
    address = endpoint_address(lab, name, endpoint)
    address = called.get(address, address) if address is not None else None
    if address is None or not endpoint.host or address == endpoint.host:
        return str(endpoint)
    return str(endpoint).replace(f"://{endpoint.host}", f"://[{address}]" if ":" in address else f"://{address}", 1)


def _own(host: HostEntry) -> list[str]:
    return [f"{address.ip}/{address.max_prefixlen}" for address in host.addresses]


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
