"""How a newcomer gets its certificate: two requests over a session with the member that invited it.

    newcomer                                       member that invited it
      enrol.network {invitation, session, proof}  ───▶  knows the secret?
      ◀───  {proof} | owner's key, label, members to call           the newcomer checks the proof: these are from who knows it
      enrol.certificate {invitation, session, proof} | its public identity  ───▶  writes down what it signs, then answers
      ◀───  {} | issuer's certificate and its own

Who does not know the secret gets no answer, and no reason. Both requests may come again: they are answered alike, and the second
one makes one certificate, however often it comes.

Where the newcomer reaches another member only, that one passes both on (`proof` says why it may be anybody):

      enrol.forward {to, ask, invitation, session, proof} | …  ─▶  enrol.forwarded {joiner, ask, invitation, session, proof} | …

    body of the first answer: the network's public key (2,624 bytes), then JSON:
                              {"label", "bootstrap": [{"identity", "endpoints"}]}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from appliance.api.peer_protocol import Answer
from appliance.api.values import Endpoint
from appliance.errors import ApplianceError, PeerFault
from appliance.members.code import Code, Contact
from appliance.members.fields import NAME
from appliance.members.invitation import Invitation, key_of, number_of
from appliance.members.invitations import Invitations, Verdict
from appliance.members.network import digest_of_text, identity_text
from appliance.members.proof import PROOF_BYTES, Bound, Claim, inviter_proof, joiner_proof, octets
from appliance.protocol.digests import bytes_eq
from appliance.protocol.identity import PUBLIC_BYTES, PublicIdentity

FAMILY: Final = "enrol"
NETWORK: Final = "network"
CERTIFICATE: Final = "certificate"
FORWARD: Final = "forward"
FORWARDED: Final = "forwarded"
MOST_BOOTSTRAP: Final = 16
"""Members to call first (chosen: three times as many neighbours as a node keeps)."""
MOST_ENDPOINTS: Final = 8
"""Of one of these."""
MOST_TEXT: Final = 8192
"""Bytes of the JSON, so that the answer is one control message."""


class EnrolmentFailed(ApplianceError):
    """The newcomer gives up."""


class About(NamedTuple):
    """What a newcomer is told of the network."""

    network: bytes
    """The owner's public key."""
    label: str
    bootstrap: tuple[Contact, ...]


Issue = Callable[[Invitation, PublicIdentity], bytes]
"""Sign a certificate for a newcomer; it does not count yet. Raises ApplianceError."""
Prove = Callable[[bytes], bytes]
"""Let a certificate count that was written down, perhaps long ago, and give what proves it: the issuer's, then it. Raises
ApplianceError."""


class Inviter:
    """The member's side. Pure but for what it is given; `about` is what newcomers are told."""

    def __init__(self, invitations: Invitations, about: Callable[[], About], issue: Issue, prove: Prove) -> None:
        self.invitations = invitations
        self._about = about
        self._issue = issue
        self._prove = prove

    def answer(self, name: str, content: Mapping[str, Any], body: bytes, bound: Bound, now: int) -> tuple[Verdict, Answer | None]:
        """Judge a request and answer it; the verdict is for this member's admin. Raises ApplianceError when a good one cannot be
        answered, which is the member's own trouble."""
        claim = Claim.read(content) if name in (NETWORK, CERTIFICATE) else None
        verdict, invitation = self.invitations.judge(claim, bound, now)
        if verdict is not Verdict.GOOD or invitation is None:
            return verdict, None
        if name == NETWORK:
            return verdict, self._network(invitation, bound)
        return self._certificate(invitation, body, bound)

    def _network(self, invitation: Invitation, bound: Bound) -> Answer:
        body = write_about(self._about())
        return Answer({"proof": inviter_proof(invitation.key, bound, body).hex()}, body)

    def _certificate(self, invitation: Invitation, body: bytes, bound: Bound) -> tuple[Verdict, Answer | None]:
        try:
            identity = PublicIdentity(body)
        except PeerFault:
            return Verdict.MALFORMED, None
        if identity.fingerprint != bound.joiner:
            return Verdict.MALFORMED, None
        issued = invitation.issued.get(bound.joiner)
        if issued is None:
            issued = self._issue(invitation, identity)
            self.invitations.issued(invitation, bound.joiner, issued)
        return Verdict.GOOD, Answer({}, self._prove(issued))


class Joiner:
    """The newcomer's side, in one session."""

    def __init__(self, code: Code, identity: PublicIdentity, bound: Bound) -> None:
        self._key = key_of(code.secret)
        self._identity = identity
        self._bound = bound
        self._claim = Claim(number_of(code.secret), bound.session, joiner_proof(self._key, bound)).content()

    def ask_network(self) -> tuple[str, Mapping[str, Any], bytes]:
        """The first request: kind, content, body."""
        return NETWORK, self._claim, b""

    def take_network(self, answer: Answer) -> About:
        """The answer to it. Raises EnrolmentFailed if it is not from somebody who knows the secret."""
        proof = octets(answer.content.get("proof"), PROOF_BYTES)
        if proof is None or not bytes_eq(proof, inviter_proof(self._key, self._bound, answer.body)):
            raise EnrolmentFailed(
                "the node that answered does not know the code", hint="ask for another code, and who runs the node that answers"
            )
        about = read_about(answer.body)
        if about is None:
            raise EnrolmentFailed(
                "what the inviting node tells of its network is not understood", hint="use the same version of the appliance"
            )
        return about

    def ask_certificate(self) -> tuple[str, Mapping[str, Any], bytes]:
        """The second request. Only after `take_network`."""
        return CERTIFICATE, self._claim, self._identity.encoded


def write_about(about: About) -> bytes:
    """As it travels. Members to call that there is no room for are left out."""
    contacts: list[dict[str, Any]] = []
    for contact in about.bootstrap[:MOST_BOOTSTRAP]:
        endpoints = [str(endpoint) for endpoint in contact.endpoints[:MOST_ENDPOINTS]]
        more = [*contacts, {"identity": contact.identity, "endpoints": endpoints}]
        if len(_text(about.label, more)) > MOST_TEXT:
            break
        contacts = more
    return about.network + _text(about.label, contacts)


def read_about(body: bytes) -> About | None:
    """None for what is none. It is read after its proof, so it is from a member; yet from another machine."""
    try:
        said = json.loads(body[PUBLIC_BYTES:])
        label, contacts = said["label"], said["bootstrap"]
        if not NAME.fullmatch(label) or len(contacts) > MOST_BOOTSTRAP:
            return None
        bootstrap = tuple(
            Contact(_fingerprint(contact["identity"]), tuple(map(Endpoint.parse, contact["endpoints"][:MOST_ENDPOINTS])))
            for contact in contacts
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return About(body[:PUBLIC_BYTES], label, bootstrap)


def _text(label: str, contacts: list[dict[str, Any]]) -> bytes:
    return json.dumps({"label": label, "bootstrap": contacts}, separators=(",", ":")).encode()


def _fingerprint(text: str) -> str:
    """Raises ValueError if it is none of a node."""
    return identity_text(digest_of_text(text))
