"""The sections `mesh`, `names`, `relay` and `paths` of a profile: a network of members, what peers are called, and how they reach
each other where none has an address of its own. The last three are of use without a network of members as well."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PrivateAttr

from appliance.api.profile_section import Section
from appliance.api.profile_values import (
    Address,
    BitRate,
    Bytes,
    Count,
    DnsLabel,
    EndpointText,
    Identity,
    Name,
    NetworkName,
    Prefix,
    RendezvousTag,
    Seconds,
    Switch,
)
from appliance.api.values import Interface


class BootstrapEntry(Section):
    """A member to begin with: who it is, and where it is called."""

    identity: Identity = Field(description="The member's public identity; nobody else is taken for it.")
    endpoints: tuple[EndpointText, ...] = Field(
        min_length=1,
        max_length=64,
        description="Where it is called, best first; hosts may be DNS names.",
        examples=[["udp://198.51.100.7:8443"]],
    )


class MeshAccept(Section):
    """What members may have here, of all that their certificates allow."""

    prefixes: tuple[Prefix, ...] = Field(
        default=(),
        max_length=256,
        description="Networks behind members: what a certificate gives its member inside of these is taken, and sent into the "
        "overlay. Empty: members are reached by their own addresses only.",
    )
    exit: Name | None = Field(
        default=None,
        description="Name of the member that carries what is for nobody else, if its certificate says that it may; to send "
        "everything there takes network.full_tunnel too.",
    )


class MeshRendezvous(Section):
    """Rendezvous: members register under tags at meeting places, and find each other there. Meeting places are the members whose
    certificates have the role rendezvous. See docs/rendezvous.md."""

    use: Switch = Field(default=True, description="Register and find; and be a meeting place, if the certificate says so.")
    tags: tuple[RendezvousTag, ...] = Field(
        default=(), max_length=32, description="Tags under which this node is registered.", examples=[["printers"]]
    )
    call: tuple[RendezvousTag, ...] = Field(
        default=(),
        max_length=16,
        description="Whoever is registered under one of these tags is called, and a session with it kept.",
        examples=[["printers"]],
    )


class Mesh(Section):
    """The network of members that this node belongs to; its certificate and what it knows of the others lie below
    /var/lib/appliance/mesh-LABEL. Absent: it has only the peers of this profile."""

    network: NetworkName = Field(description="The network, by the fingerprint of its owner's key.")
    label: DnsLabel = Field(description="What the network is called on this host, in names and folders.", examples=["home"])
    overlay: tuple[Prefix, ...] = Field(
        default=(),
        max_length=8,
        description="Where members' addresses lie: those outside of it are not taken, and all of it is sent into the overlay. "
        "Empty: the /16 and the /48 of this node's own addresses.",
    )
    bootstrap: tuple[BootstrapEntry, ...] = Field(
        default=(), max_length=64, description="Members to call first; more are learned from them."
    )
    scores: Switch = Field(
        default=True,
        description="Score members by what this node sees of them, and block for a while those that do what no honest member "
        "does. Blocks by hand hold either way.",
    )
    accept: MeshAccept = Field(default=MeshAccept(), description=MeshAccept.__doc__)
    topics: Switch = Field(
        default=True, description="Pass on what members publish to topics, and let programs of this host publish and subscribe."
    )
    rendezvous: MeshRendezvous = Field(default=MeshRendezvous(), description=MeshRendezvous.__doc__)
    dht: Switch = Field(
        default=True,
        description="Take part in the network's hash table: keep records for others, and find members and records by it.",
    )
    _given: tuple[Interface, ...] = PrivateAttr(default=())

    @property
    def given(self) -> tuple[Interface, ...]:
        """Those of this node's addresses that its certificate brought; nobody wrote them."""
        return self._given

    def keep_given(self, addresses: tuple[Interface, ...]) -> None:
        """For `planning.membership`, on a copy that nobody else has."""
        self._given = addresses


class Names(Section):
    """Names for the peers: this node answers NAME.LABEL with their addresses, and passes on all other questions. Absent: as by
    default with the section mesh, else not at all."""

    label: DnsLabel | None = Field(
        default=None,
        description="The domain of the peers' names; short names are looked for in it, too. Absent: the label of mesh.",
        examples=["home"],
    )
    host: Literal["auto", "resolved", "file", "off"] = Field(
        default="auto",
        description="How this host's programs come to ask this node: auto tells systemd-resolved where they ask that, or else "
        "changes /etc/resolv.conf if that is possible; resolved and file insist on one of these; off leaves it to you.",
    )
    serve: Literal["host", "peers"] = Field(
        default="host", description="Who gets an answer: this host's programs, or peers as well, these about peers' names only."
    )
    servers: tuple[Address, ...] = Field(
        default=(),
        max_length=8,
        description="Name servers for all other questions, in order. Empty: those that this host had before.",
    )


class Relay(Section):
    """Relays: nodes that join two others which cannot reach each other. See docs/relays.md."""

    serve: Switch | None = Field(
        default=None,
        description="Be a relay: join peers that ask for it, within the limits below. Absent: if this node's certificate in the "
        "section mesh says so.",
    )
    peers: tuple[Name, ...] = Field(
        default=(), max_length=4096, description="Who may be joined by this relay, by name. Empty: all peers."
    )
    at: tuple[Name, ...] = Field(
        default=(),
        max_length=8,
        description="Peers that are relays over which this node can be called, by name. A member picks two besides by itself, "
        "unless two are named.",
    )
    reservations: Count = Field(default=256, ge=1, le=65536, description="How many peers can be called over this relay.")
    circuits: Count = Field(default=128, ge=1, le=512, description="How many pairs of peers this relay joins at a time.")
    circuits_of_a_peer: Count = Field(default=16, ge=1, le=64, description="How many of them one peer may be an end of.")
    seconds: Seconds | None = Field(default=None, ge=1, le=2**31, description="A circuit ends after so long. Absent: never.")
    bytes: Bytes | None = Field(
        default=None,
        ge=65536,
        le=2**60,
        description="A circuit ends after about so many bytes, both ways together. Absent: never.",
    )
    rate: BitRate | None = Field(
        default=None, description="At most so many bits a second go through a circuit each way. Absent: as fast as can be."
    )


class Paths(Section):
    """Direct paths: nodes behind NATs find the way to each other. Absent: peers are reached at their endpoints only."""

    announce: tuple[EndpointText, ...] = Field(
        default=(),
        max_length=4,
        description="Where others reach this node besides what it finds out itself: a port that somebody has forwarded to it.",
    )
    port_mapping: Switch = Field(
        default=True, description="Ask this network's router for a port (PCP, NAT-PMP, UPnP), and give it back at the end."
    )
