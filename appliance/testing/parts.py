"""The parts of a plugin, each with the suite that it has to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from appliance.plugin_host.plugins import PluginHost
from appliance.testing.conformance.cache import CacheConformance
from appliance.testing.conformance.crypto import CryptoConformance
from appliance.testing.conformance.discovery import DiscoveryConformance
from appliance.testing.conformance.event_export import EventExportConformance
from appliance.testing.conformance.login import LoginConformance
from appliance.testing.conformance.management import CommandConformance, RouteConformance
from appliance.testing.conformance.monitoring import MonitoringConformance
from appliance.testing.conformance.peer_protocol import PeerProtocolConformance
from appliance.testing.conformance.planning import PlanConformance
from appliance.testing.conformance.routing import RoutingConformance
from appliance.testing.conformance.sections import SectionConformance
from appliance.testing.conformance.server import ServerConformance
from appliance.testing.conformance.store import StoreConformance
from appliance.testing.conformance.transport import TransportConformance

Wishes = Mapping[str, Mapping[str, Any]]
"""By what a plugin registers: attributes of its suite, as the plugin's module says them in `conformance`."""


SAID = frozenset({"settings", "arguments", "words"})
"""Attributes of suites that are methods there, and data where a plugin says them."""


class Part(NamedTuple):
    """Something that a plugin registers. `source` is what it is made of: an import path, or what can be called."""

    plugin: str
    noun: str
    name: str
    source: str | Callable[..., Any] | None

    @property
    def title(self) -> str:
        """As `appliance plugins` names it."""
        return f"{self.noun} {self.name}"


class Suite(NamedTuple):
    """A class of tests, and the part that it tries."""

    part: Part
    tests: type[Any]


def suites_of(host: PluginHost, wishes: Wishes) -> dict[str, Suite]:
    """A suite for each part of the loaded plugins that one knows, by a name that pytest collects."""
    found = {}
    for base, factory, thing, part in _parts(host):
        title = f"Test_{part.noun}_{part.name}"  # no identifier, but a name of its own
        attributes = {factory: _always(thing), **_attributes(wishes.get(part.name, {}))}
        found[title] = Suite(part, type(title, (base,), attributes))
    return found


def wishes_of(host: PluginHost) -> Wishes:
    """What the loaded plugins wish for."""
    wishes: dict[str, Mapping[str, Any]] = {}
    for namespace in host.namespaces():
        wishes.update(getattr(namespace, "conformance", {}))
    return wishes


def _parts(host: PluginHost) -> Iterator[tuple[type[Any], str, Any, Part]]:
    """Suites with the method that gives them their subject, the subject, and what that is."""
    for name, transport in host.transports.items():
        yield TransportConformance, "kind", transport, _registered(host, "transport", name, transport.driver)
    for name, suite in host.suites.items():
        yield CryptoConformance, "suite", suite, _registered(host, "suite", name, suite.aead)
    for base, noun, kinds in (
        (RoutingConformance, "routing", host.routing),
        (DiscoveryConformance, "discovery", host.discovery),
        (MonitoringConformance, "monitor", host.monitors),
        (PeerProtocolConformance, "protocol", host.protocols),
        (CacheConformance, "cache", host.api_parts["cache"]),
        (EventExportConformance, "export", host.api_parts["exports"]),
        (LoginConformance, "login", host.api_parts["logins"]),
        (ServerConformance, "server", host.api_parts["servers"]),
    ):
        for name, kind in kinds.items():
            yield base, "kind", kind, _registered(host, noun, name, kind.open)
    for name, store in host.api_parts["store"].items():
        yield StoreConformance, "kind", store, _registered(host, "store", name, store.open)
    for section in host.sections:
        yield SectionConformance, "section", section, _registered(host, "section", section.name, section.model)
    for name, (plugin, route) in host.api_routes().items():
        yield RouteConformance, "route", route, Part(plugin, "operation", name, route.handler)
    for name, (plugin, command) in host.cli_commands().items():
        yield CommandConformance, "command", command, Part(plugin, "command", name, command.run)
    if host.plan.names:
        names = " ".join(host.plan.names)
        hook = next(getattr(namespace, "appliance_plan", None) for namespace in host.namespaces())
        yield PlanConformance, "hooks", host.plan, Part(names, "plan", names, hook)


def _registered(host: PluginHost, noun: str, name: str, source: str | Callable[..., Any]) -> Part:
    return Part(host.owner(noun, name) or "", noun, name, source)


def _attributes(wished: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _always(value) if name in SAID else value for name, value in wished.items()}


def _always(value: object) -> Any:
    return lambda self: value  # noqa: ARG005
