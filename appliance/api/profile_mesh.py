"""The section `mesh` of a profile: the network of members that a node belongs to. Each part of it has a section of its own."""

from __future__ import annotations

from pydantic import Field, PrivateAttr

from appliance.api.profile_section import Section
from appliance.api.profile_values import DnsLabel, EndpointText, Identity, Name, NetworkName, Prefix
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
    accept: MeshAccept = Field(default=MeshAccept(), description=MeshAccept.__doc__)
    _given: tuple[Interface, ...] = PrivateAttr(default=())

    @property
    def given(self) -> tuple[Interface, ...]:
        """Those of this node's addresses that its certificate brought; nobody wrote them."""
        return self._given

    def keep_given(self, addresses: tuple[Interface, ...]) -> None:
        """For `planning.membership`, on a copy that nobody else has."""
        self._given = addresses
