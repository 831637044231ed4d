"""Version 1 of the plugins' contract: what it demands of a plugin does not grow, and what it gives to one does not shrink.

A new member that is required would break plugins in service: make it optional (a protocol of its own, as `AdaptiveDriver`, or a
field with a default), or begin version 2 (`api.API_VERSION` and the group of the entry points).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance import api
from appliance.api import (
    crypto,
    discovery,
    hookspecs,
    kinds,
    management,
    monitoring,
    peer_protocol,
    planning,
    routing,
    services,
    storage,
    transport,
    values,
)
from appliance.testing.conformance.limits import members

HERE = Path(__file__).parent
MODULES = (
    crypto,
    discovery,
    hookspecs,
    kinds,
    management,
    monitoring,
    peer_protocol,
    planning,
    routing,
    services,
    storage,
    transport,
    values,
)
OF_PLUGINS = (
    *(crypto.Aead, crypto.CryptoSuite, discovery.Candidate, discovery.Discoverer, discovery.DiscoveryKind),
    *(management.ApiRoute, management.CliCommand, management.Option, management.Positional, monitoring.MonitorKind),
    *(peer_protocol.Answer, peer_protocol.Limits),
    *(peer_protocol.PeerProtocol, peer_protocol.PeerProtocolKind, planning.NftTable, planning.Setting, routing.Route),
    *(routing.Router, routing.RoutingKind, transport.AdaptiveDriver, transport.Adopted, transport.Driver),
    *(transport.ListenerDriver, transport.Transport, transport.TransportKind, values.Endpoint, values.Problem),
)
"""What a plugin implements or makes."""


def test_nothing_new_is_demanded_of_a_plugin() -> None:
    demanded = "".join(f"{line}\n" for thing in OF_PLUGINS for line in _lines(thing, required=True))
    assert demanded == _pinned("demands")
    assert f"appliance.v{api.API_VERSION}" == api.ENTRY_POINT_GROUP


def test_nothing_is_taken_from_a_plugin() -> None:
    given = {line for thing in _given() for line in _lines(thing, required=False)}
    assert set(_pinned("gives").splitlines()) <= given


def _pinned(what: str) -> str:
    return (HERE / f"contract-{api.API_VERSION}-{what}.txt").read_text()


def _given() -> Iterator[Any]:
    """What the core hands to plugins, and the hooks that it calls."""
    for module in MODULES:
        for name, thing in vars(module).items():
            public = getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
            if public and thing not in OF_PLUGINS:
                yield thing


def _lines(thing: Any, *, required: bool) -> list[str]:
    where = f"{thing.__module__.removeprefix('appliance.api.')}.{thing.__qualname__}"
    if inspect.isfunction(thing):
        return [f"{where}{_signature(thing)}"]
    if getattr(thing, "_is_protocol", False):
        return [f"{where}.{member}{_signature(getattr(thing, member, None))}" for member in members(thing)]
    if dataclasses.is_dataclass(thing):
        names = {field.name: _has_default(field) for field in dataclasses.fields(thing)}
    else:
        names = {field: field in thing._field_defaults for field in getattr(thing, "_fields", ())}
    return [f"{where}.{name}" for name, optional in names.items() if not (required and optional)]


def _has_default(field: Any) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _signature(member: Any) -> str:
    return f"({', '.join(inspect.signature(member).parameters)})" if inspect.isfunction(member) else ""
