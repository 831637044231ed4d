"""Members as peers: what the table of peers has of the network's members, and which it does not take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.foundation.logging import get_logger, once_per
from appliance.runtime.members.entries import Policy, Reach, entry_of
from appliance.runtime.peers.table import Origin, PeerEntry, PeerRefused

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.members.certificate import Certificate
    from appliance.runtime.peers.peers import Peers

log = get_logger("mesh")

ROUNDS: Final = 4
"""How often members that the table did not take are tried at once."""
SAID_EVERY: Final = 600.0
"""Seconds between two log lines about the same member that is not taken."""


class NotTaken(NamedTuple):
    """A member whom the table of peers does not take."""

    reason: str
    message: str


class _Put(NamedTuple):
    """What an entry of the table was made of."""

    digest: bytes
    policy: Policy
    reach: Reach


class MemberPeers:
    """The members that the table of peers has. `own`: this node's fingerprint; `counters`: what happened, by name."""

    def __init__(self, peers: Peers, own: str, policy: Policy, counters: Counter[str]) -> None:
        self.policy = policy
        """What the profile accepts of members; it counts from the next `put` on."""
        self.refused: dict[str, NotTaken] = {}
        """Members whom the table does not take, by identity."""
        self._peers = peers
        self._own = own
        self._counters = counters
        self._reach: dict[str, Reach] = {}
        self._entries: dict[str, PeerEntry] = {}
        """What the table has of members, by identity."""
        self._put_so: dict[str, _Put] = {}
        """Of what these were made."""

    def remove_others(self, members: Mapping[str, Certificate]) -> list[PeerEntry]:
        """Take out of the table who is none of `members`. Returns whom."""
        self.refused = {identity: why for identity, why in self.refused.items() if identity in members}
        return [self._take_out(identity) for identity in [identity for identity in self._entries if identity not in members]]

    def put(self, members: Mapping[str, Certificate]) -> Iterator[None]:
        """Let all of them be peers, as far as the table takes them: one with each step of the iterator."""
        waiting = [each for each in members.values() if each.identity != self._own and not self._is_put(each)]
        for _ in range(ROUNDS):  # one may have what another gives up in the same moment
            refused = []
            for each in waiting:
                if not self._put(each):
                    refused.append(each)
                yield
            if len(refused) == len(waiting):
                break
            waiting = refused

    def put_one(self, certificate: Certificate) -> None:
        """Let this one be a peer, if the table takes it."""
        if not self._is_put(certificate):
            self._put(certificate)

    def reach(self, member: Certificate | None, identity: str, endpoints: Sequence[Endpoint] | None, alive: bool | None) -> None:
        """As `Mesh.reach`. `member` is its certificate, None for who is no member (yet)."""
        before = self._reach.get(identity, Reach())
        wanted = Reach(before.endpoints if endpoints is None else tuple(endpoints), before.alive if alive is None else alive)
        if wanted == before:
            return
        self._reach[identity] = wanted
        if member is not None and identity in self._entries:
            self._put(member)

    def reached_at(self, identity: str) -> Reach:
        """What `reach` was told last."""
        return self._reach.get(identity, Reach())

    def _is_put(self, certificate: Certificate) -> bool:
        """Is it a peer as it should be one?"""
        identity = certificate.identity
        known = self._peers.table.of_identity(identity)
        put = _Put(certificate.digest, self.policy, self.reached_at(identity))
        return known is not None and known == self._entries.get(identity) and self._put_so.get(identity) == put

    def _put(self, certificate: Certificate) -> bool:
        """Let it be a peer. False: the table does not take it."""
        identity, peers = certificate.identity, self._peers
        known = peers.table.of_identity(identity)
        if known is not None and known.origin is Origin.PROFILE:
            self._entries.pop(identity, None)  # what the profile says of it goes on to count
            return True
        reach = self._reach.get(identity, Reach())
        wanted, cut = entry_of(certificate, self.policy, reach)
        try:
            if known is not None and known.name == wanted.name:
                peers.change_peer(wanted)
            else:
                if known is not None:
                    peers.drop_peer(known.name)
                peers.add_peer(wanted)
        except PeerRefused as refused:
            self._refuse(certificate, refused)
            return False
        self._counters["not-accepted"] += cut
        self._entries[identity], self._put_so[identity] = wanted, _Put(certificate.digest, self.policy, reach)
        self.refused.pop(identity, None)
        return True

    def _refuse(self, certificate: Certificate, refused: PeerRefused) -> None:
        identity = certificate.identity
        self.refused[identity] = NotTaken(str(refused.reason), refused.message)
        if self._entries.pop(identity, None) is not None:
            with suppress(PeerRefused):
                self._peers.drop_peer(certificate.name)
        if once_per(SAID_EVERY, f"member {identity} {refused.reason}"):
            log.warning("a member is no peer of this node", member=certificate.name, reason=refused.message)

    def _take_out(self, identity: str) -> PeerEntry:
        entry = self._entries.pop(identity)
        self._put_so.pop(identity, None)
        with suppress(PeerRefused):  # the profile took its place since
            self._peers.drop_peer(entry.name)
        return entry
