"""Everything plugins registered, by family and name. A name belongs to whoever came first; the second is refused, both named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from appliance.api.crypto import CryptoSuite
from appliance.api.discovery import DiscoveryKind
from appliance.api.monitoring import MonitorKind
from appliance.api.peer_protocol import Limits, PeerProtocolKind
from appliance.api.routing import RoutingKind
from appliance.api.transport import TransportKind

if TYPE_CHECKING:
    from appliance.api.caches import CacheKind
    from appliance.api.event_exports import ExportKind
    from appliance.api.gateways import GatewayKind
    from appliance.api.kinds import Kind
    from appliance.api.logins import LoginKind
    from appliance.api.profile import ProfileSection
    from appliance.api.profile_management import Management
    from appliance.api.profile_values import KindSettings
    from appliance.api.servers import ServerKind
    from appliance.api.stores import StoreKind

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
SCHEME = re.compile(r"[a-z][a-z0-9_]{0,30}")
"""What `Endpoint.parse` takes for a scheme."""
TAKEN = frozenset({"kind"})
"""Names of routing kinds that would be another key of the section `routing`."""
IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
MAX_KEY_BYTES = 255 * 64
"""What one HKDF-SHA512 expansion gives (RFC 5869, 2.3)."""
MAX_TAG_BYTES = 255
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
PROTOCOL = re.compile(r"[a-z][a-z0-9-]{0,30}")
"""What `wire.control` takes for a family."""
CORE_PROTOCOLS = frozenset(
    {
        "compression",
        "dht",
        "enrol",
        "heads",
        "letters",
        "liveness",
        "member",
        "paths",
        "relay",
        "rendezvous",
        "renewal",
        "roster",
        "topics",
    }
)
CORE_DISCOVERY = frozenset({"dht", "rendezvous"})
"""Discovery kinds of the core: what members of a network know together (`runtime.knowledge.seeking`)."""
MOST_OF_A_PEER = Limits(messages=1000, bytes=4 << 20, waiting=1024, requests=256)
"""The highest limits that a peer protocol may set itself."""
SECTION = "section"


ApiPartNoun = Literal["store", "cache", "export", "login", "gateway", "server"]
ApiPartKind: TypeAlias = "StoreKind | CacheKind | ExportKind | LoginKind | GatewayKind | ServerKind"


class RefusedRegistration(Exception):
    """What a plugin registered is not taken. The plugin's other registrations may be."""


class Family(NamedTuple):
    """One kind of thing that plugins register: its word, its hook, and how to look at a registration."""

    noun: str
    hook: str
    type_name: str
    check: Callable[[Any], str]
    """Returns the registration's name. Raises RefusedRegistration."""


@dataclass(slots=True)
class Registry:
    """What has been registered so far."""

    transports: dict[str, TransportKind] = field(default_factory=dict)
    suites: dict[str, CryptoSuite] = field(default_factory=dict)
    routing: dict[str, RoutingKind] = field(default_factory=dict)
    discovery: dict[str, DiscoveryKind] = field(default_factory=dict)
    monitors: dict[str, MonitorKind] = field(default_factory=dict)
    protocols: dict[str, PeerProtocolKind] = field(default_factory=dict)
    sections: dict[str, ProfileSection] = field(default_factory=dict)
    api_parts: dict[str, dict[str, ApiPartKind]] = field(default_factory=lambda: {noun: {} for noun in API_PARTS.values()})
    """By noun, and then by name."""
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    """(noun, name) to the plugin that registered it; suites are there a second time by wire id."""

    def add(self, plugin: str, family: Family, value: object) -> str:
        """Take `value` into its family. Returns its name. Raises RefusedRegistration."""
        if type(value).__name__ != family.type_name:
            raise RefusedRegistration(f"{family.hook} gave a {type(value).__name__}, wanted {family.type_name}")
        name = family.check(value)
        claims = [(family.noun, name)]
        if isinstance(value, CryptoSuite):
            claims.append(("suite number", f"{value.wire_id:#06x}"))
        if family.noun == SECTION and (other := self.section_of(plugin)) is not None:
            raise RefusedRegistration(f"section {name!r}: a plugin has one section, and this one has {other!r}")
        for noun, claimed in claims:
            owner = self.owners.get((noun, claimed))
            if owner is not None:
                raise RefusedRegistration(f"{noun} {claimed!r} of plugin {plugin} is already registered by plugin {owner}")
        self.owners.update(dict.fromkeys(claims, plugin))
        self.shelf(family.noun)[name] = value
        return name

    def provided_by(self, plugin: str) -> tuple[str, ...]:
        """What came from `plugin`, as "transport udp", in the order of registration."""
        nouns = {family.noun for family in FAMILIES}
        return tuple(f"{noun} {name}" for (noun, name), owner in self.owners.items() if owner == plugin and noun in nouns)

    def section_of(self, plugin: str) -> str | None:
        """The name of the profile section that `plugin` registered."""
        return next((name for (noun, name), owner in self.owners.items() if noun == SECTION and owner == plugin), None)

    def adopt(self, plugin: str, other: Registry) -> None:
        """Take all that `other` has of a plugin. Nothing here has one of these names yet."""
        for (noun, name), owner in other.owners.items():
            if owner == plugin:
                self.owners[noun, name] = owner
                if noun in other._shelves:
                    self._shelves[noun][name] = other._shelves[noun][name]

    def become(self, other: Registry) -> None:
        """Have what `other` has, in the very mappings that the parts of a node hold."""
        for noun, shelf in self._shelves.items():
            found = dict(other._shelves[noun])
            shelf.clear()
            shelf.update(found)
        self.owners = dict(other.owners)

    def shelf(self, noun: str) -> dict[str, Any]:
        """What is registered of a family, by name."""
        return self._shelves[noun]

    @property
    def _shelves(self) -> dict[str, dict[str, Any]]:
        return {
            "transport": self.transports,
            "suite": self.suites,
            "routing": self.routing,
            "discovery": self.discovery,
            "monitor": self.monitors,
            "protocol": self.protocols,
            SECTION: self.sections,
            **self.api_parts,
        }


def _check_transport(kind: TransportKind) -> str:
    _matches(IMPORT_PATH, kind.driver, "driver")
    if kind.authority is not None:
        _callable(kind.authority, f"authority of transport {kind.name!r}")
    return _check_shape(kind, SCHEME)


def _check_suite(suite: CryptoSuite) -> str:
    _matches(NAME, suite.name, "name")
    _matches(IMPORT_PATH, suite.aead, f"aead of suite {suite.name!r}")
    for what, number, least, most in (
        ("wire_id", suite.wire_id, 1, 0xFFFF),
        ("key_bytes", suite.key_bytes, 16, MAX_KEY_BYTES),
        ("tag_bytes", suite.tag_bytes, 0 if suite.lab_only else 16, MAX_TAG_BYTES),
        ("max_records", suite.max_records, 1, 1 << 56),
    ):
        _within(number, least, most, f"{what} of suite {suite.name!r}")
    return suite.name


def _check_kind(kind: Kind) -> str:
    return _check_shape(kind, NAME)


def _check_api_part(kind: ApiPartKind) -> str:
    for module in kind.imports:
        _matches(MODULE, module, f"an import of {kind.name!r}")
    return _check_shape(kind, NAME)


def _check_routing(kind: RoutingKind) -> str:
    if kind.name in TAKEN:
        raise RefusedRegistration(f"no routing kind can be called {kind.name!r}: that is another key of routing")
    return _check_shape(kind, NAME)


def _check_discovery(kind: DiscoveryKind) -> str:
    if kind.name in CORE_DISCOVERY:
        raise RefusedRegistration(f"no discovery kind can be called {kind.name!r}: that is the core's own")
    return _check_shape(kind, NAME)


def _check_protocol(kind: PeerProtocolKind) -> str:
    if kind.name in CORE_PROTOCOLS:
        raise RefusedRegistration(f"no peer protocol can be called {kind.name!r}: that is the core's own")
    for what, number, most in zip(kind.limits._fields, kind.limits, MOST_OF_A_PEER, strict=True):
        if not 0 < number <= most:
            raise RefusedRegistration(f"limits.{what} of {kind.name!r} is {number!r}, wanted more than 0 and at most {most}")
    return _check_shape(kind, PROTOCOL)


def _check_shape(kind: Kind, names: re.Pattern[str]) -> str:
    """What all kinds have in common (`api.kinds`)."""
    _matches(names, kind.name, "name")
    _callable(kind.open, f"open of {kind.name!r}")
    if kind.settings is not None:
        _callable(kind.settings, f"settings of {kind.name!r}")
    return kind.name


def _check_section(section: ProfileSection) -> str:
    from appliance.api.profile import Profile

    _matches(re.compile(r"[a-z][a-z0-9_]{0,30}"), section.name, "name")
    if section.name in Profile.model_fields:
        raise RefusedRegistration(f"section {section.name!r} is the core's own")
    _callable(section.model, f"model of section {section.name!r}")
    return section.name


def _matches(pattern: re.Pattern[str], value: object, what: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RefusedRegistration(f"{what} {value!r} does not look like {pattern.pattern}")


def _within(number: object, least: int, most: int, what: str) -> None:
    if not isinstance(number, int) or not least <= number <= most:
        raise RefusedRegistration(f"{what} is {number!r}, wanted {least} to {most}")


def _callable(value: object, what: str) -> None:
    if not callable(value):
        raise RefusedRegistration(f"{what} cannot be called")


FAMILIES = (
    Family("transport", "appliance_transports", "TransportKind", _check_transport),
    Family("suite", "appliance_crypto_suites", "CryptoSuite", _check_suite),
    Family("routing", "appliance_routing", "RoutingKind", _check_routing),
    Family("discovery", "appliance_discovery", "DiscoveryKind", _check_discovery),
    Family("monitor", "appliance_monitors", "MonitorKind", _check_kind),
    Family("protocol", "appliance_peer_protocols", "PeerProtocolKind", _check_protocol),
    Family("store", "appliance_stores", "StoreKind", _check_api_part),
    Family("cache", "appliance_caches", "CacheKind", _check_api_part),
    Family("export", "appliance_event_exports", "ExportKind", _check_api_part),
    Family("login", "appliance_logins", "LoginKind", _check_api_part),
    Family("gateway", "appliance_gateways", "GatewayKind", _check_api_part),
    Family("server", "appliance_servers", "ServerKind", _check_api_part),
    Family(SECTION, "appliance_profile_sections", "ProfileSection", _check_section),
)
API_PARTS: dict[str, ApiPartNoun] = {
    "store": "store",
    "cache": "cache",
    "exports": "export",
    "logins": "login",
    "gateways": "gateway",
    "servers": "server",
}
"""The family of what stands below each of these keys of `management`: opened in the API server."""
SOFT = frozenset({"discovery", "monitor", "protocol", *API_PARTS.values()})
"""Families whose failure never stops traffic."""


def parts_of(management: Management) -> dict[str, Mapping[str, KindSettings]]:
    """What the section names of plugins, with its settings: by the keys of API_PARTS."""
    return {
        "store": management.store,
        "cache": management.cache,
        "exports": management.exports,
        "logins": management.logins,
        "gateways": management.gateways,
        "servers": management.servers,
    }
