"""Enrolment in a running node: its invitations, who signs for newcomers, and what admins may ask about them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.api.values import is_address
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock, entropy
from appliance.members.certificate import read_certificate
from appliance.members.code import SECRET_BYTES, Code, Contact, write_code
from appliance.members.enrolment import About, Inviter
from appliance.members.invitation import MOST_USES, Invitation, State, Terms
from appliance.members.invitations import Invitations
from appliance.members.issuing import Issuer
from appliance.members.statement import StatementRefused
from appliance.runtime.members.invitation_files import InvitationFiles
from appliance.runtime.members.inviting import Exporters, Inviting

if TYPE_CHECKING:
    from appliance.api.values import Endpoint
    from appliance.members.trust import Trust
    from appliance.protocol.identity import Identity, PublicIdentity
    from appliance.runtime.members.network_folder import NetworkFolder
    from appliance.runtime.members.passing_on import PassingOn

MOST_PLACES: Final = 8
"""Endpoints that a code names unless an admin chose them: a person types it."""
SHORTEST_TTL: Final = 60
LONGEST_TTL: Final = 30 * 86_400
"""Seconds. Chosen: a code that lies around for longer is a key under the mat."""


class NoInvitation(ApplianceError):
    """There is no such invitation, or it cannot be made."""

    exit_code = ExitCode.INVALID


class Enrolling(Inviting):
    """The invitations of one network on this node, and what newcomers speak with it (`api.peer_protocol.PeerProtocol`)."""

    def __init__(
        self,
        folder: NetworkFolder,
        trust: Trust,
        identity: Identity,
        control: Exporters,
        *,
        here: Callable[[], Sequence[Endpoint]],
        others: Callable[[], Sequence[Contact]],
        take: Callable[[bytes], object],
        relays: Callable[[], Sequence[Contact]] = tuple,
        passing_on: PassingOn | None = None,
    ) -> None:
        """`here()`: where this node can be called; `others()`: members that newcomers may call besides; `take()` lets a statement
        count, and raises StatementRefused; `relays()`: members that pass on what newcomers say to this one. Raises what reading
        the folder raises."""
        files = InvitationFiles(folder.path)
        self._invitations = Invitations(files.keep, files.forget, files.load())
        inviter = Inviter(self._invitations, self._about, self._issue, self._prove)
        super().__init__(inviter, control, identity.fingerprint, clock.wall, passing_on)
        self._trust = trust
        self._label = folder.label
        self._here = here
        self._others = others
        self._take = take
        self._relays = relays
        self._serial = 0
        self._folder = folder
        self._identity = identity
        self._take_again()

    # ---- what an admin asks for ----

    def invite(self, terms: Terms, ttl: int, uses: int, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
        """Make an invitation. `endpoints`: where newcomers call, instead of where this node knows that it can be called. Raises
        ApplianceError, OSError."""
        now = int(clock.wall())
        if not SHORTEST_TTL <= ttl <= LONGEST_TTL:
            raise NoInvitation("an invitation is good for a minute to thirty days", hint="for example --ttl 1h")
        if not 1 <= uses <= MOST_USES:
            raise NoInvitation(f"an invitation is for 1 to {MOST_USES} newcomers", hint="for example --uses 3")
        self._issuer().check(terms, now)
        places = tuple(endpoints or self._here()[:MOST_PLACES])
        relays = () if endpoints or any(map(_is_public, places)) else tuple(self._relays())
        if not places and not relays:
            raise NoInvitation(
                "newcomers could not call this node: it listens nowhere, or on addresses of this host alone",
                hint="say where it is reached: --at udp://ADDRESS:PORT; server.listen in the profile says where it listens",
            )
        secret = entropy.random_bytes(SECRET_BYTES)
        code = write_code(Code(secret, Contact(self._own, places), relays))
        invitation = Invitation.of(secret, terms, now, now + ttl, uses)
        self._invitations.add(invitation, now)
        return {
            "code": code,
            "network": self._label,
            "endpoints": list(map(str, places)),
            "relays": [{"identity": each.identity, "endpoints": list(map(str, each.endpoints))} for each in relays],
            **_shown(invitation, now),
        }

    def invitations(self) -> list[dict[str, Any]]:
        """All that are known, oldest first, and how often somebody was refused, by reason."""
        now = int(clock.wall())
        return [_shown(invitation, now) for invitation in self._invitations]

    def refused(self) -> dict[str, int]:
        """How often each verdict was given since the node runs."""
        return {str(verdict): count for verdict, count in self._invitations.counters.items()}

    def revoke(self, which: str) -> dict[str, Any]:
        """Take back the invitation with that number, or the open ones for that name. Raises NoInvitation, OSError."""
        now = int(clock.wall())
        found = [
            each
            for each in self._invitations
            if each.number.hex() == which or (each.terms.name == which and each.state(now) is State.OPEN)
        ]
        if not found:
            raise NoInvitation(f"there is no open invitation {which}", hint="`appliance network invitations` lists them")
        revoked = [self._invitations.revoke(each.number) for each in found]
        return {"revoked": [_shown(each, now) for each in revoked if each is not None]}

    def _issuer(self) -> Issuer:
        """Who signs. The owner's key is read when it is used, and not kept in memory: it may be taken away at any time."""
        return Issuer(self._trust, self._folder.owner() or self._identity)

    # ---- what newcomers get ----

    def _about(self) -> About:
        own = Contact(self._own, tuple(self._here()))
        return About(self._trust.network.encoded, self._label, tuple(each for each in (own, *self._others()) if each.endpoints))

    def _issue(self, invitation: Invitation, identity: PublicIdentity) -> bytes:
        now = clock.wall()
        self._serial = max(self._serial + 1, int(now * 1_000_000))
        return self._issuer().issue(invitation.terms, invitation.next_name(), identity, int(now), self._serial).encoded

    def _prove(self, encoded: bytes) -> bytes:
        identity = read_certificate(encoded).identity
        with suppress(StatementRefused):  # a newer one may be here
            self._take(encoded)
        if identity not in self._trust.members(int(clock.wall())):
            raise NoInvitation("its certificate does not count", hint="`appliance network members` tells why")
        return self._trust.proof_of(identity)

    def _take_again(self) -> None:
        """What was written with an invitation and not yet with the statements, because the node was killed meanwhile."""
        for invitation in self._invitations:
            for encoded in invitation.issued.values():
                with suppress(StatementRefused):
                    self._take(encoded)


def _is_public(endpoint: Endpoint) -> bool:
    """Can it be called from anywhere? A name may."""
    return not is_address(endpoint.host) or ipaddress.ip_address(endpoint.host).is_global


def _shown(invitation: Invitation, now: int) -> dict[str, Any]:
    return {
        "number": invitation.number.hex(),
        **invitation.terms._asdict(),
        "made": invitation.made,
        "expires": invitation.expires,
        "uses": invitation.uses,
        "used_by": list(invitation.issued),
        "state": invitation.state(now),
    }
