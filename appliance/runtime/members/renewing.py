"""The family `renewal`: a member whose certificate is in its last third asks those who may sign for another one.

    renewal.ask      request  nothing      answer  a parcel: the issuer's certificate, if an issuer signed, and the new one

Whoever has the owner's key on its host, or is an issuer, answers members, and renews its own by itself if it may. Those that are
connected are asked, issuers first; if none of them helps, sessions with the known issuers are wanted until one did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from appliance.api.peer_protocol import Answer, Limits, PeerProtocolError, PeerProtocolKind, PeerProtocolServices
from appliance.errors import ApplianceError
from appliance.foundation.logging import get_logger, once_per
from appliance.members.issuing import CannotIssue
from appliance.members.parcel import pack_parcel, read_parcel
from appliance.members.renewal import is_due, renewed
from appliance.members.signer import Signer
from appliance.members.statement import StatementRefused

if TYPE_CHECKING:
    from appliance.members.certificate import Certificate
    from appliance.members.trust import Taken, Trust
    from appliance.protocol.identity import Identity
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.members.wanted import WantedSessions

log = get_logger("mesh")

FAMILY: Final = "renewal"
LIMITS: Final = Limits(messages=2.0, bytes=65_536.0)
FIRST_LOOK: Final = 20.0
LOOK_EVERY: Final = 900.0
"""Seconds between two looks at this node's own certificate, and two rounds of asking; half as much again at random."""
ASK_SECONDS: Final = 15.0
SAID_EVERY: Final = 86_400.0


class Circle(Protocol):
    """The part of `mesh.Mesh` that renewal needs."""

    @property
    def own(self) -> str:
        """This node's fingerprint."""

    @property
    def trust(self) -> Trust:
        """What is known."""

    def now(self) -> int:
        """Unix seconds."""

    def take(self, statement: bytes, source: str | None = None) -> Taken:
        """As Mesh.take."""

    def take_all(self, statements: Iterable[bytes], source: str | None = None) -> int:
        """As Mesh.take_all."""

    def member(self, peer: str) -> Certificate | None:
        """As Mesh.member."""

    @property
    def order(self) -> Callable[[Iterable[str]], list[str]]:
        """As Mesh.order."""

    @property
    def wanted(self) -> WantedSessions:
        """As Mesh.wanted."""


class Keys(Protocol):
    """The secret keys of this host that may sign."""

    def __call__(self) -> Iterable[Identity]:
        """Best first. Raises ApplianceError."""


def kind(mesh: Mesh) -> PeerProtocolKind:
    """See `runtime.members.families`."""

    def keys() -> Iterable[Identity]:
        owner = mesh.parts.folder.owner()
        return (mesh.parts.identity,) if owner is None else (owner, mesh.parts.identity)

    return PeerProtocolKind(FAMILY, None, lambda _settings, services: Renewing(mesh, keys, services), LIMITS)


class Renewing:
    """One node's part (`api.peer_protocol.PeerProtocol`)."""

    def __init__(self, circle: Circle, keys: Keys, services: PeerProtocolServices) -> None:
        self._circle = circle
        self._keys = keys
        self._services = services
        self._wanted: set[str] = set()
        """Issuers that sessions are wanted with."""
        services.spawn(self._keep_looking(), "renew this node's certificate")

    def on_connected(self, peer: str) -> None:
        """Somebody who may help is there."""
        certificate = self._circle.member(peer)
        if certificate is not None and certificate.identity in self._wanted:
            self._services.spawn(self._ask((peer,)), f"ask {peer} for a certificate")

    def on_gone(self, peer: str) -> None:
        """Nothing is kept of a peer."""

    def on_message(self, peer: str, kind: str, content: Mapping[str, Any], body: bytes) -> None:
        """There are requests only."""

    async def on_request(self, peer: str, kind: str, _content: Mapping[str, Any], _body: bytes) -> Answer | None:
        """A member asks for a certificate."""
        member = self._circle.member(peer)
        if kind != "ask" or member is None:
            return None
        made = self._renewed(member.identity)
        if made is None:
            return None
        log.info("a member's certificate was renewed", member=member.name)
        issuers = (each for each in self._circle.trust.certificates(made.issuer) if each.by_owner)
        return Answer(body=pack_parcel([*(each.encoded for each in issuers), made.encoded]))

    async def _keep_looking(self) -> None:
        await self._services.sleep(FIRST_LOOK * (1 + self._services.jitter() / 2))
        while True:
            if self._is_due() and self._renewed(self._circle.own) is None:
                await self._ask(self._helpful())
            if self._is_due():
                self._want_issuers()
            await self._services.sleep(LOOK_EVERY * (1 + self._services.jitter() / 2))

    def _is_due(self) -> bool:
        return is_due(self._circle.trust, self._circle.own, self._circle.now())

    def _renewed(self, identity: str) -> Certificate | None:
        """Signed here, if it may be."""
        circle, now = self._circle, self._circle.now()
        try:
            for key in self._keys():
                signer = Signer(circle.trust, key, now * 1_000_000, lambda encoded, _now: circle.take(encoded))
                with suppress(CannotIssue):
                    return renewed(circle.trust, signer, identity, now)
        except (ApplianceError, OSError) as error:
            if once_per(SAID_EVERY, "renewal keys"):
                log.warning("no certificates can be renewed here", reason=str(error))
        return None

    def _helpful(self) -> list[str]:
        """Members that are connected, issuers first; a thousand nodes whose certificates end together do not all ask the same."""
        known = {peer: each for peer in sorted(self._services.peers()) if (each := self._circle.member(peer)) is not None}
        names = {each.identity: peer for peer, each in known.items()}
        ordered = [names[identity] for identity in self._circle.order(names)]
        return sorted(ordered, key=lambda peer: not _is_issuer(known[peer]))

    def _want_issuers(self) -> None:
        circle = self._circle
        for identity, certificate in circle.trust.members(circle.now()).items():
            if _is_issuer(certificate) and identity != circle.own and identity not in self._wanted:
                self._wanted.add(identity)
                circle.wanted.hold(identity, FAMILY)
        own = circle.trust.members(circle.now())[circle.own]
        if once_per(SAID_EVERY, "renewal is due"):
            left = max(0, own.not_after - circle.now()) // 86_400
            log.warning(
                "nobody in reach has renewed this node's certificate", days=left, hint=f"appliance network renew {own.name}"
            )

    async def _ask(self, peers: Iterable[str]) -> None:
        for peer in peers:
            if not self._is_due():
                break
            with suppress(PeerProtocolError, StatementRefused):
                answer = await self._services.ask(peer, "ask", within=ASK_SECONDS)
                self._circle.take_all(read_parcel(answer.body), peer)
        if not self._is_due() and self._wanted:
            for identity in self._wanted:
                self._circle.wanted.release(identity, FAMILY)
            self._wanted.clear()


def _is_issuer(certificate: Certificate | None) -> bool:
    return certificate is not None and certificate.scope is not None
