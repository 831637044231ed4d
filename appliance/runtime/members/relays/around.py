"""What relays need of the node that they are part of."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from appliance.api.values import RELAY
from appliance.members.relays.messages import CircuitRefused, Reason
from appliance.protocol.session import Session

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.protocol.node import Node
    from appliance.runtime.links.table import Links
    from appliance.runtime.peers.table import PeerTable
    from appliance.runtime.workers.data_channels import Wishes

RELAYS: Final = "relays"
"""The option of a link that says how many relays are between its ends."""


class Channels(Protocol):
    """The part of `workers.keeper.WorkerKeeper` that joins data channels to sockets."""

    def free_channel(self, peer: str, *, odd: bool) -> int | None:
        """A number that is free."""

    def open_channel(self, peer: str, channel: int, end: socket.socket, wishes: Wishes) -> None:
        """Join one. Raises HostError."""

    def close_channel(self, peer: str, channel: int) -> None:
        """Let go of one."""


class Around(NamedTuple):
    """The parts of a node that relays work with."""

    identity: str
    """This node's fingerprint."""
    table: PeerTable
    node: Node
    links: Links
    channels: Channels

    def fingerprint(self, peer: str) -> str:
        """Of a peer by name; "" for one that is gone."""
        entry = self.table.get(peer)
        return "" if entry is None else entry.identity

    def name(self, fingerprint: str) -> str | None:
        """The peer with that fingerprint."""
        entry = self.table.of_identity(fingerprint)
        return None if entry is None else entry.name

    def odd(self, peer: str) -> bool:
        """Are the channels that we propose to that peer odd (docs/protocol.md, "Data channels")?"""
        return self.identity > self.fingerprint(peer)

    def propose(self, peer: str) -> int:
        """A channel that is free here. Raises CircuitRefused."""
        channel = self.channels.free_channel(peer, odd=self.odd(peer))
        if channel is None:
            raise CircuitRefused(Reason.CHANNEL_TAKEN)
        return channel

    def check_proposed(self, peer: str, channel: int) -> None:
        """May that peer propose this channel? Raises CircuitRefused."""
        if (channel % 2 == 1) == self.odd(peer):
            raise CircuitRefused(Reason.MALFORMED)

    # ---- which sessions go over relays ----

    def via(self, peer: str) -> str | None:
        """The relay that the session with `peer` goes over; None: it goes directly, or there is none."""
        session = self._session(peer)
        return None if session is None or session.endpoint is None else self.relay_of(session.endpoint)

    def relay_of(self, endpoint: Endpoint) -> str | None:
        """The peer that is the relay of an endpoint; None: it is no relay's."""
        return (self.name(endpoint.authority) or endpoint.authority) if endpoint.scheme == RELAY else None

    def relays_to(self, peer: str) -> int:
        """How many relays are between this node and `peer`; 0: it is reached directly, or not at all."""
        session = self._session(peer)
        link = None if session is None else self.links.get(session.link)
        return 0 if link is None else int(link.options.get(RELAYS, 0))

    def heard(self, peer: str) -> float:
        """When something authentic came from `peer` last, in monotonic seconds; -1 without a session."""
        session = self._session(peer)
        return -1.0 if session is None else session.last_heard

    def _session(self, peer: str) -> Session | None:
        found = self.node.peers.get(peer)
        return self.node.sessions.get(found.session) if found is not None and found.session is not None else None
