"""The hooks. All are optional; all are called with keyword arguments, so new arguments never break an old plugin.

`section` is what the profile says in the plugin's own section, as an instance of its model; None when it says nothing there.

Hooks run at set-up and hand back objects; nothing here is called per packet. See docs/plugins.md for when each is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from appliance.api.caches import CacheKind
    from appliance.api.crypto import CryptoSuite
    from appliance.api.discovery import DiscoveryKind
    from appliance.api.event_exports import ExportKind
    from appliance.api.gateways import GatewayKind
    from appliance.api.logins import LoginKind
    from appliance.api.management import ApiRoute, CliCommand, Principal, Verdict
    from appliance.api.monitoring import MonitorKind
    from appliance.api.node import Node
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.planning import HostState, Wish
    from appliance.api.profile import Profile, ProfileSection
    from appliance.api.routing import RoutingKind
    from appliance.api.servers import ServerKind
    from appliance.api.stores import StoreKind
    from appliance.api.transport import TransportKind
    from appliance.api.values import Problem

PROJECT = "appliance"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def appliance_transports() -> Iterable[TransportKind]:  # type: ignore[empty-body]
    """Transport kinds of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_crypto_suites() -> Iterable[CryptoSuite]:  # type: ignore[empty-body]
    """Record protection suites of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_routing() -> Iterable[RoutingKind]:  # type: ignore[empty-body]
    """Routing kinds of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_discovery() -> Iterable[DiscoveryKind]:  # type: ignore[empty-body]
    """Discovery kinds of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_monitors() -> Iterable[MonitorKind]:  # type: ignore[empty-body]
    """Monitoring kinds of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_peer_protocols() -> Iterable[PeerProtocolKind]:  # type: ignore[empty-body]
    """Peer protocols of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_stores() -> Iterable[StoreKind]:  # type: ignore[empty-body]
    """Stores for the API server, of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_caches() -> Iterable[CacheKind]:  # type: ignore[empty-body]
    """Caches for the API server, of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_event_exports() -> Iterable[ExportKind]:  # type: ignore[empty-body]
    """Event exports of the API server, of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_logins() -> Iterable[LoginKind]:  # type: ignore[empty-body]
    """Log-ins of the API server, of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_gateways() -> Iterable[GatewayKind]:  # type: ignore[empty-body]
    """Gateways of the API server, of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_servers() -> Iterable[ServerKind]:  # type: ignore[empty-body]
    """Servers with ports of their own beside the API server, of this plugin. Called once, before any profile is read."""


@hookspec
def appliance_profile_sections() -> Iterable[ProfileSection]:  # type: ignore[empty-body]
    """Top-level profile sections this plugin owns. Called once, before any profile is read."""


@hookspec
def appliance_api_routes() -> Iterable[ApiRoute]:  # type: ignore[empty-body]
    """Management API routes of this plugin. Called before the management server listens."""


@hookspec
def appliance_cli_commands() -> Iterable[CliCommand]:  # type: ignore[empty-body]
    """Commands added to `appliance`. Called once per command-line process, only for enabled plugins."""


@hookspec
def appliance_check_profile(profile: Profile, host: HostState | None, section: Any) -> Iterable[Problem]:  # type: ignore[empty-body]
    """Problems that the plugin sees in a valid profile. Pure.

    Called twice: when the profile was read, with None as `host`; and before a plan is made of it, with the host as it is without
    what plugins changed before.
    """


@hookspec
def appliance_observe(profile: Profile, section: Any) -> Iterable[str]:  # type: ignore[empty-body]
    """Kernel settings below "net." that `appliance_plan` wants to see or set, as sysctl(8) writes them. Pure."""


@hookspec
def appliance_plan(profile: Profile, observed: HostState, section: Any) -> Iterable[Wish]:  # type: ignore[empty-body]
    """All that the plugin wants of this host, even if it is so already. Pure: the same arguments give the same wishes.

    `observed` is the host without what plugins changed before. The core makes steps of the difference, and takes back what is no
    longer wanted.
    """


@hookspec(firstresult=True)
def appliance_load_identity(reference: str, section: Any) -> bytes | None:
    """The secret identity (PEM, as `appliance keys new` writes it) for a reference such as "vault:node-1". None if the reference
    is not this plugin's. The core itself resolves `file:` references."""


@hookspec
def appliance_authorize(principal: Principal, permission: str, target: str, section: Any) -> Verdict | None:
    """May `principal` do this? `target` is the name of the operation. If any plugin denies, the answer is no. If none allows, it
    is no for everybody but root.

    Called in a thread, several at a time. A plugin has a second to answer: a later answer counts as a deny. A verdict holds for
    two seconds, for all processes of that user.
    """


@hookspec
def appliance_lifespan(node: Node) -> AbstractAsyncContextManager[None] | None:
    """Something to run beside the node: entered in plugin order at start, left in reverse at stop, each within 10 seconds."""
