"""Invitations as the member that made them keeps them: what a newcomer gets, how often, until when, and what became of it.

      OPEN ──▶ USED       as many newcomers as it was for have a certificate
        │ ├──▶ EXPIRED    its time is over
        │ ├──▶ BURNT      somebody knew its number and not its secret
        │ └──▶ REVOKED    an admin took it back

Of the secret only what is derived from it is kept: `number`, by which a newcomer names the invitation, and `key`, with which both
sides prove that they know the secret. Whoever has neither learns nothing about which invitations there are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from appliance.api.values import Network
from appliance.members.fields import TAG, Address
from appliance.members.scope import MAX_PREFIXES, MAX_TAGS, Grants, Role
from appliance.protocol.digests import hmac_sha512
from appliance.wire.nobodys import is_nobodys

NUMBER_BYTES: Final = 8
KEY_BYTES: Final = 32
NUMBER_LABEL: Final = b"LLP1 invitation number"
KEY_LABEL: Final = b"LLP1 invitation key"
MOST_USES: Final = 64
"""Newcomers of one invitation; each keeps a certificate (5 KB) in its record."""


class State(StrEnum):
    """What became of an invitation."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    BURNT = "burnt"
    REVOKED = "revoked"


class Terms(NamedTuple):
    """What a newcomer's certificate will say."""

    name: str
    tags: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """What it may carry for others, as address/length."""
    exit: bool = False
    """May it carry everything for others?"""
    roles: tuple[str, ...] = ()

    def grants(self, addresses: tuple[Address, ...] = ()) -> Grants:
        """The same as a certificate has it. Raises ValueError with a sentence for the admin."""
        tags = tuple(sorted(set(self.tags)))
        bad = next((tag for tag in tags if not TAG.fullmatch(tag)), None)
        if bad is not None:
            raise ValueError(f"{bad!r} is no tag: lower-case letters, digits and dashes, up to 32")
        for given, most, what in ((tags, MAX_TAGS, "tags"), (self.prefixes, MAX_PREFIXES, "prefixes")):
            if len(given) > most:
                raise ValueError(f"{len(given)} {what} are too many: a certificate has room for {most}")
        unknown = next((role for role in self.roles if role not in {Role.RELAY, Role.RENDEZVOUS}), None)
        if unknown is not None:
            raise ValueError(f"{unknown!r} is no role that an invitation can give: relay or rendezvous")
        return Grants(addresses, tuple(map(_network, self.prefixes)), self.exit, tags, frozenset(map(Role, self.roles)))


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation. Times are Unix seconds."""

    number: bytes
    """8 bytes; no secret, but known to those alone who have the code."""
    key: bytes = field(repr=False)
    """Secret: 32 bytes."""
    terms: Terms
    made: int
    expires: int
    uses: int = 1
    """How many newcomers it is for."""
    issued: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The certificate of each newcomer so far, by fingerprint."""
    ended: State | None = None
    """BURNT or REVOKED, if it is."""

    @classmethod
    def of(cls, secret: bytes, terms: Terms, made: int, expires: int, uses: int = 1) -> Invitation:
        """A new one. `secret`: what its code will hold."""
        return cls(number_of(secret), key_of(secret), terms, made, expires, uses)

    def state(self, now: int) -> State:
        """What became of it by `now`."""
        if self.ended is not None:
            return self.ended
        if len(self.issued) >= self.uses:
            return State.USED
        return State.EXPIRED if now >= self.expires else State.OPEN

    def with_issued(self, identity: str, certificate: bytes) -> Invitation:
        """The same, after this newcomer got its certificate."""
        return replace(self, issued={**self.issued, identity: certificate})

    def with_end(self, state: State) -> Invitation:
        """The same, ended."""
        return replace(self, ended=state)

    def next_name(self) -> str:
        """The name of its next newcomer: the name, then name-2, name-3."""
        return self.terms.name if not self.issued else f"{self.terms.name}-{len(self.issued) + 1}"

    def document(self) -> dict[str, Any]:
        """For its file. Secret."""
        return {
            "number": self.number.hex(),
            "key": self.key.hex(),
            "terms": self.terms._asdict(),
            "made": self.made,
            "expires": self.expires,
            "uses": self.uses,
            "issued": {identity: certificate.hex() for identity, certificate in self.issued.items()},
            "ended": self.ended,
        }

    @classmethod
    def read(cls, document: Any) -> Invitation:
        """What `document` wrote. Raises ValueError if it is not that."""
        try:
            terms = document["terms"]
            return cls(
                bytes.fromhex(document["number"]),
                bytes.fromhex(document["key"]),
                Terms(
                    str(terms["name"]),
                    tuple(map(str, terms["tags"])),
                    tuple(map(str, terms["prefixes"])),
                    bool(terms["exit"]),
                    tuple(map(str, terms["roles"])),
                ),
                int(document["made"]),
                int(document["expires"]),
                int(document["uses"]),
                {str(identity): bytes.fromhex(issued) for identity, issued in document["issued"].items()},
                None if document["ended"] is None else State(document["ended"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("no invitation") from error


def number_of(secret: bytes) -> bytes:
    """By what the invitation with this secret is named."""
    return hmac_sha512(secret, NUMBER_LABEL)[:NUMBER_BYTES]


def key_of(secret: bytes) -> bytes:
    """What the secret is proved with."""
    return hmac_sha512(secret, KEY_LABEL)[:KEY_BYTES]


def _network(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no prefix: write address/length, for example 192.168.1.0/24") from None
    if not found.prefixlen or is_nobodys(found):
        raise ValueError(f"{text} is not for a member to carry" + ("" if found.prefixlen else ": for everything there is --exit"))
    return found
