"""The profile: one declarative document for a node. Frozen models, the one place where each key, its default and help stand.

Pure data: nothing here reads files or the host. `appliance.profile` turns text into these models, and what needs two keys at
once (clashes, duplicates) is checked there. The JSON Schema, docs/profile.md and the editor's help come from the fields below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.api import STANDARD_PLUGINS
from appliance.api.profile_audit import Audit
from appliance.api.profile_management import Management as Management  # noqa: PLC0414  plugins import them from here
from appliance.api.profile_mesh import Mesh as Mesh  # noqa: PLC0414  plugins import them from here
from appliance.api.profile_mesh import Names as Names  # noqa: PLC0414
from appliance.api.profile_mesh import Paths as Paths  # noqa: PLC0414
from appliance.api.profile_mesh import Relay as Relay  # noqa: PLC0414
from appliance.api.profile_policy import Policy
from appliance.api.profile_pressure import Pressure
from appliance.api.profile_section import Section as Section  # noqa: PLC0414
from appliance.api.profile_values import (
    Address,
    BitRate,
    Bytes,
    Count,
    DatagramBytes,
    Dscp,
    EndpointText,
    Identity,
    IdentityReference,
    InterfaceName,
    KindSettings,
    Name,
    OwnAddress,
    Ports,
    Prefix,
    Protocol,
    Seconds,
    Switch,
    SysctlKey,
    SysctlValue,
    Workers,
)

PROFILE_VERSION = 1


# --- sections ----------------------------------------------------------------------------------------------------------------


class Server(Section):
    """Who this node is and where it can be reached."""

    identity: IdentityReference = Field(
        default="file:/etc/appliance/identity",
        description="Where the secret identity is: file:PATH as `appliance keys new` writes it (relative to the folder of the "
        "profile), or the scheme of a plugin.",
    )
    listen: tuple[EndpointText, ...] = Field(
        default=(),
        max_length=64,
        description="Where to accept peers, as scheme://address:port; 0.0.0.0 and [::] are all addresses, and link-local ones "
        "name their interface, [fe80::1%eth0]. Empty: only dial.",
        examples=[["udp://0.0.0.0:8443", "tcp://[::]:8443"]],
    )


class RouteEntry(Section):
    """A kernel route."""

    to: Prefix = Field(description="Destination prefix; 0.0.0.0/0 or ::/0 is the default route.")
    via: Address | None = Field(default=None, description="Gateway, of the same family as `to`. Absent: directly on the device.")
    device: InterfaceName | None = Field(default=None, description="Outgoing interface. Absent: the overlay's own.")
    metric: Count | None = Field(
        default=None, ge=0, le=2**32 - 1, description="Lower is preferred. Absent: the kernel's default."
    )
    table: Count | None = Field(default=None, ge=1, le=2**32 - 1, description="Routing table number. Absent: main (254).")


class RuleEntry(Section):
    """A policy routing rule (`ip rule`)."""

    from_: Prefix | None = Field(default=None, alias="from", description="Source prefix the rule applies to. Absent: any.")
    to: Prefix | None = Field(default=None, description="Destination prefix the rule applies to. Absent: any.")
    fwmark: Count | None = Field(default=None, ge=0, le=2**32 - 1, description="Firewall mark the rule applies to. Absent: any.")
    table: Count = Field(ge=1, le=2**32 - 1, description="Routing table number to look in.")
    priority: Count = Field(ge=1, le=32765, description="Order of rules, lower first (main is 32766).")


class NetworkSection(Section):
    """The overlay's interface on this host, and what goes with it."""

    interface: InterfaceName = Field(default="llp0", description="Name of the TUN device, up to 15 characters.")
    addresses: tuple[OwnAddress, ...] = Field(
        default=(),
        max_length=64,
        description="Addresses of this node inside the overlay, each with its prefix length. With the section mesh those of its "
        "certificate come on top.",
    )
    mtu: Count = Field(
        default=1400, ge=576, le=9000, description="Largest inner packet in bytes; at least 1280 when an address is IPv6."
    )
    routes: tuple[RouteEntry, ...] = Field(default=(), max_length=4096, description="Further kernel routes.")
    rules: tuple[RuleEntry, ...] = Field(default=(), max_length=4096, description="Policy routing rules.")
    full_tunnel: Switch = Field(
        default=False,
        description="Send everything into the overlay that this host would send over its default route: to the peer that has "
        "0.0.0.0/0 or ::/0 among its allowed prefixes.",
    )
    local: Literal["tunnel", "keep"] = Field(
        default="tunnel",
        description="Where a peer's prefix and a network that this host is in, or has a route to, overlap: tunnel sends to the "
        "peer what its prefix fits as well or better, keep leaves it here.",
    )
    mark: Count = Field(
        default=4214,
        ge=256,
        le=2**32 - 1,
        description="Firewall mark of the node's own packets to its peers, by which they stay out of the overlay; the routing "
        "table for full_tunnel and local has the same number.",
    )
    forward: Switch = Field(
        default=False,
        description="Pass packets on between peers (a hub), and let the kernel forward where routes or masquerading need it.",
    )
    masquerade: tuple[Prefix, ...] = Field(
        default=(), max_length=256, description="Source prefixes whose packets leave the overlay under this host's own address."
    )
    clamp_mss: Switch = Field(default=True, description="Lower the MSS of forwarded TCP connections to what fits the overlay.")
    offload: Literal["auto", "off"] = Field(
        default="auto", description="TUN offloads: auto takes what the kernel has; off is for hunting kernel bugs, and slow."
    )
    sysctls: Mapping[SysctlKey, SysctlValue] = Field(
        default={}, max_length=256, description="Kernel settings below net. to set while the profile is applied."
    )
    datagram: DatagramBytes = Field(
        default="auto", description="UDP payload bytes of a datagram, 548 to 1472; auto is 1400, or what the path carries."
    )
    workers: Workers = Field(
        default="auto",
        description="Processes that move packets, 1 to 16; auto is one below four usable cores, else half of them, at most 4.",
    )


class Rotation(Section):
    """When traffic keys change: whichever comes first."""

    bytes: Bytes = Field(
        default="5MB",
        validate_default=True,
        ge=1024,
        le=2**40,
        description="After so many bytes in one direction the key moves on.",
    )
    after: Seconds = Field(
        default="10min",
        validate_default=True,
        ge=1,
        le=86400,
        description="After so long a new post-quantum key exchange is made.",
    )


class Crypto(Section):
    """How traffic is protected."""

    suites: tuple[Name, ...] = Field(
        default=("aes-256-gcm", "chacha20-poly1305"),
        min_length=1,
        max_length=16,
        description="Record protection suites of the enabled plugins that may be used, best first.",
    )
    pq: Literal["required", "prefer", "off"] = Field(
        default="required",
        description="Post-quantum key exchange: required refuses a peer without it, prefer accepts one, off never offers it.",
    )
    rotate: Rotation = Field(default=Rotation(), description="When traffic keys change.")
    lab: Switch = Field(default=False, description="Allow suites that protect nothing. Only for laboratories.")


class Peer(Section):
    """A node this one talks to."""

    name: Name = Field(description="What the peer is called in logs, metrics and `appliance status`.")
    identity: Identity = Field(description="The peer's public identity; nobody else is accepted under this name.")
    endpoints: tuple[EndpointText, ...] = Field(
        default=(),
        max_length=64,
        description="Where to reach the peer, best first; hosts may be DNS names, and link-local addresses name their interface, "
        "[fe80::1%eth0]. Empty: wait for the peer to come.",
        examples=[["udp://198.51.100.7:8443"]],
    )
    allowed: tuple[Prefix, ...] = Field(
        min_length=1,
        max_length=4096,
        description="Prefixes behind the peer: it may send from these only, and packets to them go to it.",
    )
    keepalive: Seconds = Field(
        default="10s",
        validate_default=True,
        ge=0.1,
        le=3600,
        description="When nothing was sent for so long, say that we are still here.",
    )
    compression: Literal["off", "zstd"] = Field(
        default="off",
        description="Compress packets, each on its own, where the peer's profile says so too. The length of what was compressed "
        "tells of its content, hence off.",
    )
    rate: BitRate | None = Field(
        default=None,
        description="Send at most so many bits a second to this peer, counted as inner packets; needs the section qos. "
        "Absent: as fast as can be.",
    )


TrafficClass = Literal["interactive", "normal", "bulk"]


class QosRuleEntry(Section):
    """Puts packets into a class: those that fit everything given here. The first rule that fits decides."""

    dscp: tuple[Dscp, ...] = Field(default=(), max_length=64, description="DSCPs, by name or number; any of them fits.")
    protocol: Protocol | None = Field(default=None, description="IP protocol, by name or number.")
    ports: tuple[Ports, ...] = Field(
        default=(), max_length=256, description="Ports or ranges such as 5060-5080, at either end of the flow; any of them fits."
    )
    from_: Prefix | None = Field(default=None, alias="from", description="Source prefix.")
    to: Prefix | None = Field(default=None, description="Destination prefix.")
    traffic: TrafficClass = Field(alias="class", description="Class of the packets that fit.")


class QosWeights(Section):
    """How what the interactive class leaves is shared while both others wait."""

    normal: Count = Field(default=4, ge=1, le=64, description="Parts for the class normal.")
    bulk: Count = Field(default=1, ge=1, le=64, description="Parts for the class bulk.")


class Qos(Section):
    """Quality of service: traffic leaves in the order of its class, and a peer's rate can be capped. Absent: as it comes."""

    rules: tuple[QosRuleEntry, ...] = Field(
        default=(),
        max_length=1024,
        description="Which packets belong to which class. Where none fits the DSCP decides: EF, VA, CS4 to CS7 and AF4x are "
        "interactive, CS1 and LE are bulk, all others normal.",
    )
    weights: QosWeights = Field(default=QosWeights(), description=QosWeights.__doc__)
    queue: Bytes = Field(
        default="4MiB",
        validate_default=True,
        ge=131072,
        le=2**30,
        description="Most bytes that wait in one class for one peer; what comes on top is dropped.",
    )
    total: Bytes = Field(
        default="32MiB",
        validate_default=True,
        ge=131072,
        le=2**34,
        description="Most bytes that wait in all; above that the longest queue is halved.",
    )


class Limits(Section):
    """Bounds that keep a flood or a mistake from taking the host."""

    sessions: Count = Field(default=1000, ge=1, le=1_000_000, description="How many sessions may exist at once.")
    idle: Seconds = Field(
        default="60s",
        validate_default=True,
        ge=1,
        le=86400,
        description="A session without an authentic packet for so long is dead.",
    )
    handshakes_per_second: Count = Field(
        default=200, ge=1, le=100_000, description="Handshakes begun by strangers that are worked on in a second."
    )
    reassembly_bytes: Bytes = Field(
        default="4MB",
        validate_default=True,
        ge=65536,
        le=2**32,
        description="Memory for handshake messages that have not arrived whole.",
    )
    pressure: Pressure = Field(default=Pressure(), description=Pressure.__doc__)


class PeersFrom(Section):
    """What a discovery kind may bring as peers that this profile does not name."""

    allowed: tuple[Prefix, ...] = Field(
        min_length=1, max_length=256, description="Each prefix of such a peer lies inside of one of these."
    )
    most: Count = Field(default=256, ge=1, le=65536, description="Most such peers at a time.")


class Routing(Section):
    """How prefixes are assigned to peers. The settings of a kind stand below its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, KindSettings] = Field(init=False)

    kind: Name = Field(
        default="static", description="Routing kind of an enabled plugin; static takes the peers' allowed prefixes."
    )

    def settings_of(self, kind: str) -> KindSettings:
        """What stands below the name of a kind."""
        return self.__pydantic_extra__.get(kind, {})


class Control(Section):
    """Who may control the running daemon."""

    group: Name | None = Field(
        default=None, description="Unix group that may use the control socket besides root and the daemon's own user."
    )


class Host(Section):
    """How the node deals with others that change this host."""

    drift: Literal["repair", "report"] = Field(
        default="repair",
        description="What happens when something the node has set up here is taken away or changed by others: repair brings it "
        "back, report only says so in status and log.",
    )


class Logging(Section):
    """What the daemon says."""

    level: Literal["trace", "debug", "info", "warn", "error"] = Field(
        default="info", description="Least level that is written; the variable APPLIANCE_LOG overrides it."
    )
    format: Literal["auto", "human", "json"] = Field(
        default="auto", description="auto is human on a terminal and json elsewhere."
    )


class Profile(Section):
    """One node of the overlay, as its admin wants it."""

    profile: Literal[1] = Field(description="Version of this format.")
    name: Name = Field(default="appliance", description="What this node is called.")
    server: Server = Field(default=Server(), description=Server.__doc__)
    network: NetworkSection = Field(default=NetworkSection(), description=NetworkSection.__doc__)
    transports: Mapping[Name, KindSettings] = Field(
        default={}, description="Settings of transports, each below its scheme; one that is absent has its defaults."
    )
    crypto: Crypto = Field(default=Crypto(), description=Crypto.__doc__)
    peers: tuple[Peer, ...] = Field(default=(), max_length=65536, description="The nodes this one talks to.")
    qos: Qos | None = Field(default=None, description=Qos.__doc__)
    paths: Paths | None = Field(default=None, description=Paths.__doc__)
    limits: Limits = Field(default=Limits(), description=Limits.__doc__)
    relay: Relay | None = Field(default=None, description=Relay.__doc__)
    discovery: Mapping[Name, KindSettings] = Field(
        default={}, description="Discovery kinds to run, each with its settings; a kind that is absent is off."
    )
    peers_from: Mapping[Name, PeersFrom] = Field(
        default={},
        max_length=64,
        description="Discovery kinds that may bring peers which this profile does not name, each with what these may have. What "
        "other kinds bring is not taken.",
    )
    routing: Routing = Field(default=Routing(), description=Routing.__doc__)
    monitoring: Mapping[Name, KindSettings] = Field(
        default={}, description="Monitoring kinds to run, each with its settings; a kind that is absent is off."
    )
    protocols: Mapping[Name, KindSettings] = Field(
        default={},
        description="Peer protocols to speak with the peers, each with its settings; one that is absent is not spoken.",
    )
    mesh: Mesh | None = Field(default=None, description=Mesh.__doc__)
    names: Names | None = Field(default=None, description=Names.__doc__)
    policy: Policy | None = Field(default=None, description=Policy.__doc__)
    management: Management | None = Field(default=None, description=Management.__doc__)
    control: Control = Field(default=Control(), description=Control.__doc__)
    audit: Audit | None = Field(default=None, description=Audit.__doc__)
    host: Host = Field(default=Host(), description=Host.__doc__)
    logging: Logging = Field(default=Logging(), description=Logging.__doc__)
    plugins: tuple[Name, ...] = Field(
        default=STANDARD_PLUGINS, max_length=256, description="Plugins to load; installed ones that are not named stay out."
    )

    def section(self, name: str) -> BaseModel | None:
        """The section of a plugin, or None when the profile has none (or its plugin was not known on loading)."""
        found = getattr(self, f"section_{name}", None)
        return found if isinstance(found, BaseModel) else None


# --- what plugins add ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProfileSection:
    """A top-level section that a plugin owns, as `appliance_profile_sections()` registers it. A plugin has one at most."""

    name: str
    """The key."""
    model: Callable[[], type[BaseModel]]
    """Returns the pydantic model of its value. (A callable, so that registering imports nothing.) If the profile does not have
    the section, its value is None."""
    version: int = 1
    """That of the model. A section may say its own version in a key `version`."""
    upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)
    """`upgrades[n]` makes a section of version n + 1 from one of version n. Takes and returns a plain mapping."""
    secret_fields: frozenset[str] = frozenset()
    """Keys below the section ("token", "smtp.password") whose values are never shown."""
