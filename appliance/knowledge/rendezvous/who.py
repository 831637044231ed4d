"""Who is a member, with which key, and who of them is a meeting place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from appliance.members.certificate import Certificate
from appliance.members.certified import Certified
from appliance.members.network import digest_of_text
from appliance.members.row import Digest
from appliance.members.scope import Role
from appliance.members.trust import Trust


class Who(Protocol):
    """As the machine asks it."""

    def keys(self, wall: float) -> Mapping[Digest, bytes]:
        """The members' Ed25519 keys."""

    def places(self, wall: float) -> frozenset[Digest]:
        """The members with the role `rendezvous`."""


class ByCertificates(Certified):
    """`Who` over what a node trusts."""

    def __init__(self, trust: Trust) -> None:
        super().__init__(trust)
        self._certificates = trust
        self._of: Mapping[str, Certificate] | None = None
        self._places: frozenset[Digest] = frozenset()

    def places(self, wall: float) -> frozenset[Digest]:
        """The same set as long as nothing changed."""
        members = self._certificates.members(int(wall))
        if members is not self._of:
            self._of = members
            self._places = frozenset(
                digest_of_text(identity) for identity, each in members.items() if Role.RENDEZVOUS in each.roles
            )
        return self._places
