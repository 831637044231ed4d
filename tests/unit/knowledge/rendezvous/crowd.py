"""Members that sign registrations, and who knows which of them are meeting places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.api.values import Endpoint
from appliance.knowledge.rendezvous.registration import PURPOSE, Registration, sign_registration
from appliance.knowledge.signed import Record, sign_record
from appliance.members.row import Digest, EndpointKind, Reachable
from appliance.protocol.digests import sha256

NETWORK = sha256(b"the network")
WALL = 1_800_000_000.0
HERE = Reachable(EndpointKind.CONFIGURED, 0, Endpoint("udp", "198.51.100.7", 8443))


class Someone:
    """A member with a key of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest: Digest = sha256(name.encode())
        self._key = Ed25519PrivateKey.from_private_bytes(sha256(b"key of " + name.encode()))
        self.public = self._key.public_key().public_bytes_raw()
        self.sign = self._key.sign

    def registers(self, tag: str, wall: float = WALL, *, ttl: int = 7200, sequence: int = 1, **words: Any) -> Registration:
        """What it signs."""
        record = Record(words.pop("network", NETWORK), self.digest, sequence, int(wall), int(wall) + ttl, b"")
        said = {"endpoints": (HERE,)} | words if not words.get("withdrawn") else words
        return sign_registration(Registration(record, tag, **said), self.sign)

    def signs(self, content: bytes, wall: float = WALL, *, ttl: int = 7200, purpose: str = PURPOSE) -> bytes:
        """Whatever that is."""
        return sign_record(Record(NETWORK, self.digest, 1, int(wall), int(wall) + ttl, content), purpose, self.sign).encoded


class Known:
    """`Who` with members that are told."""

    def __init__(self, members: Iterable[Someone], places: Iterable[Someone] = ()) -> None:
        self.members: dict[Digest, bytes] = {each.digest: each.public for each in members}
        self.meeting: frozenset[Digest] = frozenset(each.digest for each in places)

    def keys(self, _wall: float) -> Mapping[Digest, bytes]:
        return self.members

    def places(self, _wall: float) -> frozenset[Digest]:
        return self.meeting


ANN, BEN, CYD, EVE = Someone("ann"), Someone("ben"), Someone("cyd"), Someone("eve")
