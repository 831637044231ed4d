"""Rows of a small network, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.members.roster import Roster
from appliance.members.row import Digest, EndpointKind, Reachable, Row, Service, sign_row
from appliance.protocol.digests import sha256

NETWORK = sha256(b"network")
NOW = 1_800_000_000


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()))


def member(name: str) -> Digest:
    return sha256(b"identity" + name.encode())


def public(name: str) -> bytes:
    return key(name).public_key().public_bytes_raw()


def endpoint(text: str, kind: EndpointKind = EndpointKind.LOCAL, age: int = 0) -> Reachable:
    return Reachable(kind, age, Endpoint.parse(text))


def row(name: str, sequence: int = 1, by: str = "", network: bytes = NETWORK, written: int = NOW, **more: object) -> bytes:
    """The bytes of a row of `name`, signed `by` somebody else perhaps."""
    return sign_row(Row(network, member(name), sequence, written, **more), key(by or name).sign)  # type: ignore[arg-type]


class Listed:
    """Who is a member by a list; any statement that does not begin with "bad" is good."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.kept: dict[bytes, None] = {}

    def take(self, encoded: bytes, wall: float) -> object:
        if encoded.startswith(b"bad"):
            raise ApplianceError("bad")
        self.kept[encoded] = None
        if encoded.startswith(b"admit "):
            self.names.append(encoded[6:].decode())
        return None

    def keys(self, wall: float) -> Mapping[Digest, bytes]:
        return {member(name): public(name) for name in self.names}

    def statements(self) -> Iterable[bytes]:
        return list(self.kept)


def roster(*names: str) -> Roster:
    found = Roster(NETWORK)
    found.use(Listed(*names).keys(NOW), ())
    return found


FULL = {
    "load": 7,
    "endpoints": (endpoint("udp://192.0.2.1:8443", EndpointKind.CONFIGURED, 60), endpoint("tcp://[2001:db8::1]:8443")),
    "relays": (member("relay"),),
    "services": (Service("http", "port 80"), Service("ssh", "")),
}
