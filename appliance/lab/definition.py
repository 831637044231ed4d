"""What a lab file says: hosts, routers, the wires between them, probes and steps. Pure data.

lab: 1
name: pair
links:
  - {name: wan, hosts: [left, right], ipv4: 192.168.70.0/24, ipv6: "fd70:1::/64"}
hosts:
  left:
    addresses: [10.70.0.1/24, "fd00:70::1/64"]
    peers: {right: {endpoints: ["udp://right:8443"]}}
  right:
    addresses: [10.70.0.2/24, "fd00:70::2/64"]
    listen: ["udp://0.0.0.0:8443"]
    peers: {left: {}}
probes:
  - {probe: ping, between: [left, right]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from appliance.api.profile_values import BitRate, Count, EndpointText, InterfaceName, OwnAddress, Prefix, Seconds, Switch
from appliance.lab.impairment import Impairment
from appliance.lab.nat import Kind
from appliance.lab.script import EVERYBODY, ProbeEntry, StepEntry
from appliance.lab.values import Burst, HostName, Section, Share


class ImpairEntry(Section):
    """What is wrong with a wire. Whatever a machine sends into it meets this once, in each direction by itself."""

    rate: BitRate | None = Field(default=None, description="How fast each machine may send. None: as fast as it can.")
    queue: Seconds = Field(
        default="100ms", validate_default=True, ge=0, le=10, description="How long a packet may wait for its turn; longer: lost."
    )
    delay: Seconds = Field(default=0.0, ge=0, le=10, description="How long the way is.")
    jitter: Seconds = Field(default=0.0, ge=0, le=10, description="By how much it may be longer or shorter. Order is kept.")
    loss: Share = Field(default=0.0, description="Share of the packets that is lost.")
    burst: Burst = Field(
        default=1, description="How much is lost at a time: so many packets in a row, or all within so long. The share stays."
    )
    reorder: Share = Field(default=0.0, description="Share of the packets that skip the delay, and so overtake others.")
    seed: Count = Field(default=0, description="Another one makes other losses.")

    def impairment(self) -> Impairment:
        """The same for the process that does it."""
        packets, seconds = (self.burst, 0.0) if isinstance(self.burst, int) else (1, self.burst)
        return Impairment(
            rate=self.rate,
            queue=self.queue,
            delay=self.delay,
            jitter=self.jitter,
            loss=self.loss,
            burst_packets=packets,
            burst_seconds=seconds,
            reorder=self.reorder,
            seed=self.seed,
        )


def _one_or_more(value: object) -> object:
    """A lone kind is written without brackets."""
    return (value,) if isinstance(value, str) else value


RELAY_SCHEME: Final = "relay"
"""Endpoints of this transport name a peer that is a relay by its identity."""


class LinkEntry(Section):
    """A wire of the underlay: a cable between two hosts, a switch between more. The n-th host gets the n-th address."""

    name: InterfaceName = Field(description="What the interface is called on each of its hosts.")
    hosts: tuple[HostName, ...] = Field(min_length=2, max_length=64, description="Who is connected, hosts and routers.")
    ipv4: Prefix | None = Field(default=None, description="Addresses of the wire. None: no IPv4 on it.")
    ipv6: Prefix | None = Field(default=None, description="Addresses of the wire. None: no IPv6 on it.")
    mtu: Count = Field(default=1500, ge=1280, le=9000, description="Largest packet of the wire in bytes.")
    impair: ImpairEntry | None = Field(default=None, description="What is wrong with it. None: nothing.")


class PeerEntry(Section):
    """How a host knows another one. Identities are filled in for it."""

    endpoints: tuple[EndpointText, ...] = Field(
        default=(),
        description="Where to dial, best first. A host's name stands for its IPv4 address on the wire they share, NAME.ipv6 for "
        "the other one, and behind relay:// for its identity.",
    )
    allowed: tuple[Prefix, ...] | None = Field(default=None, description="As in a profile. None: the peer's own addresses.")
    keepalive: Seconds | None = Field(default=None, ge=0.1, description="As in a profile.")
    compression: Literal["off", "zstd"] | None = Field(default=None, description="As in a profile.")


class RouterEntry(Section):
    """A machine without a node that passes packets on, and translates or filters them as a kind of NAT does."""

    nat: Kind = Field(default="none", description="What it does to packets. none: it only routes.")
    outside: InterfaceName | None = Field(
        default=None, description="Its wire towards the internet. None: all its wires are alike, and it is the gateway on each."
    )
    mapping: Seconds = Field(
        default="60s", validate_default=True, ge=1, le=3600, description="How long an idle UDP mapping lives."
    )


class MeshEntry(Section):
    """The hosts are members of one network. It is founded on one of them, which invites the others."""

    label: HostName = Field(description="What the network is called: NAME.LABEL is a host's name in it.")
    founder: HostName = Field(description="The host on which it is founded, and the one address that all others know.")


class HostEntry(Section):
    """One host: a network namespace with a node in it."""

    addresses: tuple[OwnAddress, ...] = Field(
        default=(), description="Its addresses inside the overlay. With `mesh` it gets them from its certificate."
    )
    uplink: InterfaceName | None = Field(
        default=None, description="The only one of its wires that is up at first. None: all are."
    )
    behind: Annotated[tuple[Kind, ...], BeforeValidator(_one_or_more)] = Field(
        default=(),
        max_length=3,
        description="The NAT between it and its wires, as in a router's `nat`; several, the host's own first, for one after the "
        "other. The outermost has the host's address on the wire.",
    )
    listen: tuple[EndpointText, ...] = Field(default=(), description="Where its node listens, as in a profile.")
    mtu: Count = Field(default=1400, ge=576, le=9000, description="MTU of the overlay, in bytes.")
    forward: Switch = Field(default=False, description="Does it pass packets on between its peers?")
    peers: Mapping[HostName | Literal["*"], PeerEntry] = Field(
        default={}, description='The other hosts it talks to. "*" stands for each that is not named.'
    )
    profile: Mapping[str, Any] = Field(default={}, description="Further keys of its profile, laid over the generated ones.")


class LabFile(Section):
    """A laboratory: hosts on this machine, real nodes in them, and what must work between them."""

    lab: Literal[1] = Field(description="Version of this format.")
    name: HostName = Field(description="What the lab is called.")
    about: str = Field(default="", description="One sentence for people.")
    links: tuple[LinkEntry, ...] = Field(min_length=1, description="The wires.")
    mesh: MeshEntry | None = Field(
        default=None, description="The network that the hosts are members of. None: they have `peers`."
    )
    each: Mapping[str, Any] = Field(default={}, description="Keys that every host has which does not have them itself.")
    hosts: Mapping[HostName, HostEntry] = Field(min_length=1, description="The hosts by name.")
    routers: Mapping[HostName, RouterEntry] = Field(default={}, description="The machines without a node by name.")
    probes: tuple[ProbeEntry, ...] = Field(default=(), description="What to probe, in this order.")
    steps: tuple[StepEntry, ...] = Field(default=(), description="What to do and to probe afterwards, in this order.")

    def peers_of(self, name: str) -> Mapping[str, PeerEntry]:
        """The hosts that a host talks to, and how."""
        named = self.hosts[name].peers
        return {peer: entry for peer, entry in named.items() if peer != EVERYBODY} | {
            other: named[EVERYBODY] for other in self.hosts if EVERYBODY in named and other != name and other not in named
        }

    @property
    def joined_later(self) -> frozenset[str]:
        """The hosts that a step lets join."""
        return frozenset(step.host for step in self.steps if step.do == "join" and step.host is not None)

    @model_validator(mode="before")
    @classmethod
    def _give_to_each(cls, data: Any) -> Any:
        """Hosts with what `each` has for them. What has another form than it should is left to be complained of."""
        match data:
            case {"each": dict() as common, "hosts": dict() as hosts}:
                return {
                    **data,
                    "hosts": {name: common | host if isinstance(host, dict) else host for name, host in hosts.items()},
                }
            case _:
                return data

    @property
    def cut_wires(self) -> frozenset[str]:
        """The wires that a step cuts."""
        return frozenset(step.wire for step in self.steps if step.do == "cut" and step.wire is not None)
