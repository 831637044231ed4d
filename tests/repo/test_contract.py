"""Version 1 of the plugins' contract: what it demands of a plugin does not grow, and nothing else of it changes unseen.

A new member that is required would break plugins in service: make it optional (a protocol of its own, as `AdaptiveDriver`, or a
field with a default), or begin version 2 (`api.API_VERSION` and the group of the entry points).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from appliance import api
from appliance.api import (
    api_parts,
    caches,
    crypto,
    discovery,
    event_exports,
    gateways,
    hookspecs,
    kinds,
    logins,
    management,
    monitoring,
    peer_protocol,
    planning,
    records,
    routing,
    server_settings,
    servers,
    services,
    storage,
    stores,
    transport,
    values,
)
from appliance.testing.conformance.limits import members
from appliance.wire import envelope
from tests.repo.surface import FILE, surface

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = (
    api_parts,
    caches,
    crypto,
    discovery,
    event_exports,
    gateways,
    hookspecs,
    kinds,
    logins,
    management,
    monitoring,
    peer_protocol,
    planning,
    records,
    routing,
    server_settings,
    servers,
    services,
    storage,
    stores,
    transport,
    values,
)
OF_PLUGINS = (
    *(crypto.Aead, crypto.CryptoSuite, discovery.Candidate, discovery.Discoverer, discovery.DiscoveryKind),
    *(management.ApiRoute, management.CliCommand, management.Option, management.Positional, monitoring.MonitorKind),
    *(peer_protocol.Answer, peer_protocol.Limits),
    *(peer_protocol.PeerProtocol, peer_protocol.PeerProtocolKind, planning.NftTable, planning.Setting, routing.Route),
    *(routing.Router, routing.PeerwiseRouter, routing.RoutingKind, transport.AdaptiveDriver, transport.Adopted, transport.Driver),
    *(transport.ListenerDriver, transport.Transport, transport.TransportKind, values.Endpoint, values.Problem),
)
"""What a plugin implements or makes."""


def test_nothing_new_is_demanded_of_a_plugin() -> None:
    demanded = "".join(f"{line}\n" for thing in OF_PLUGINS for line in _lines(thing))
    assert demanded == _pinned("demands")
    assert f"appliance.v{api.API_VERSION}" == api.ENTRY_POINT_GROUP


def test_the_public_surface_is_the_one_that_is_pinned() -> None:
    """A change is seen by whoever changes it: write it anew with `python -m tests.repo.surface`, and do what docs/plugins.md says
    under "Versions of the API"."""
    assert FILE.read_text(encoding="utf-8") == surface(), "if it is meant: python -m tests.repo.surface"


def test_all_services_have_the_base_and_all_kinds_the_shape() -> None:
    for module in MODULES:
        for name, thing in vars(module).items():
            if name.endswith("Services") and thing.__module__ == module.__name__:
                assert set(members(services.Services)) <= set(members(thing)), name
            if name.endswith("Kind") and hasattr(thing, "_fields"):
                assert thing._fields[:3] == ("name", "settings", "open"), name


def _pinned(what: str) -> str:
    return (HERE / f"contract-{api.API_VERSION}-{what}.txt").read_text()


def _lines(thing: Any) -> list[str]:
    """What one thing demands: its members, or its fields without a default."""
    where = f"{thing.__module__.removeprefix('appliance.api.')}.{thing.__qualname__}"
    if inspect.isfunction(thing):
        return [f"{where}{_signature(thing)}"]
    if getattr(thing, "_is_protocol", False):
        return [f"{where}.{member}{_signature(getattr(thing, member, None))}" for member in members(thing)]
    if dataclasses.is_dataclass(thing):
        names = {field.name: _has_default(field) for field in dataclasses.fields(thing)}
    else:
        names = {field: field in thing._field_defaults for field in getattr(thing, "_fields", ())}
    return [f"{where}.{name}" for name, optional in names.items() if not optional]


def _has_default(field: Any) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _signature(member: Any) -> str:
    return f"({', '.join(inspect.signature(member).parameters)})" if inspect.isfunction(member) else ""


def test_what_a_driver_may_know_of_records_is_what_they_are() -> None:
    own = {name: value for name, value in vars(records).items() if name.isupper()}
    theirs = {
        "DATA": envelope.PacketType.DATA,
        "HANDSHAKE_INIT": envelope.PacketType.HANDSHAKE_INIT,
        "HANDSHAKE_RESPONSE": envelope.PacketType.HANDSHAKE_RESPONSE,
        "HANDSHAKES": envelope.HANDSHAKE_TYPES,
        "FRAGMENT": envelope.FLAG_FRAGMENT,
        "LAST": envelope.FLAG_LAST,
        "TYPE_AT": 2,
    }
    assert own == {name: theirs.get(name) or getattr(envelope, name) for name in own}


def test_plugins_and_their_tests_know_the_public_part_only() -> None:
    """Ours do it as a stranger's would: `appliance.api`, and in tests `appliance.testing`."""
    folders = [ROOT / "plugins", ROOT / "examples" / "plugins", ROOT / "appliance" / "plugin_host" / "template"]
    files = [file for folder in folders for suffix in ("*.py", "*.py.tmpl") for file in folder.rglob(suffix)]
    assert len(files) > 50
    for file in files:
        in_tests = "tests" in file.relative_to(ROOT).parts
        for module in re.findall(r"^\s*(?:from|import) (appliance\.\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            assert module == "appliance.api" or (in_tests and module == "appliance.testing"), f"{file}: {module}"
