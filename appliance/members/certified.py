"""Who is a member, as the roster asks it: `Trust` with digests in place of fingerprints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from appliance.members.certificate import Certificate
from appliance.members.network import digest_of_text
from appliance.members.row import Digest
from appliance.members.trust import Taken, Trust

_NOBODY: Final[Mapping[str, Certificate]] = {}


class Certified:
    """`reconciling.Statements` over what a node trusts."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._members = _NOBODY
        self._keys: Mapping[Digest, bytes] = {}

    def take(self, encoded: bytes, wall: float) -> Taken:
        """Raises StatementRefused."""
        return self._trust.take(encoded, int(wall))

    def keys(self, wall: float) -> Mapping[Digest, bytes]:
        """The members' Ed25519 keys. The same mapping as long as nothing changed."""
        members = self._trust.members(int(wall))
        if members is not self._members:
            self._members = members
            self._keys = {digest_of_text(identity): certificate.ed25519 for identity, certificate in members.items()}
        return self._keys

    def statements(self) -> Iterator[bytes]:
        """All that other members should have too."""
        return (statement.encoded for statement in self._trust.statements())
