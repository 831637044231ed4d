"""What this host keeps of one network of members: a folder below `places.kept_dir()`, readable by the node's user alone.

mesh-LABEL/network.pub    the owner's public key, 2,624 bytes
mesh-LABEL/owner.key      the owner's secret key, where the owner left it here
mesh-LABEL/statements     what members are known to be members by: each behind its length (u32)
mesh-LABEL/lock           held by whoever changes the statements
mesh-LABEL/invitations/   see `invitation_files`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from appliance.errors import ApplianceError, MissingPrivilege, PeerFault
from appliance.foundation import places
from appliance.foundation.whole_files import write_whole
from appliance.linux.locks import held
from appliance.members.certificate import Certificate, read_certificate
from appliance.members.issuing import ClockWrong
from appliance.members.lifetimes import Lifetimes, lifetimes_of
from appliance.members.network import NetworkKey
from appliance.members.statement import Kind, Refusal, StatementRefused, read_head
from appliance.members.trust import MAX_CERTIFICATES, Trust
from appliance.protocol.identity import Identity, IdentityInvalid

PREFIX: Final = "mesh-"
NETWORK: Final = "network.pub"
OWNER: Final = "owner.key"
STATEMENTS: Final = "statements"
LOCK: Final = "lock"
LENGTH_BYTES: Final = 4


_UNTIMELY: Final = {Refusal.EXPIRED, Refusal.NOT_YET_VALID}


class NetworkMissing(ApplianceError):
    """This host has nothing of that network."""


class NetworkFolder:
    """The folder at `path`. Reading makes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, label: str) -> NetworkFolder:
        """That of the network which is called `label` here."""
        return cls(places.kept_dir() / f"{PREFIX}{label}")

    @classmethod
    def all(cls) -> list[NetworkFolder]:
        """Those of all networks of this host, by label."""
        return [cls(path) for path in sorted(places.kept_dir().glob(f"{PREFIX}*")) if (path / NETWORK).is_file()]

    @property
    def label(self) -> str:
        """What the network is called here."""
        return self.path.name.removeprefix(PREFIX)

    def make(self) -> None:
        """The folder is there from now on. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """The folder is gone, with what `keep_network`, `keep_owner` and `changing` write. Raises OSError if more is in it."""
        for name in (NETWORK, OWNER, STATEMENTS, LOCK):
            (self.path / name).unlink(missing_ok=True)
        self.path.rmdir()

    def network(self) -> NetworkKey:
        """The owner's public key. Raises NetworkMissing, MissingPrivilege."""
        data = self._read(NETWORK)
        try:
            if data is not None:
                return NetworkKey(data)
        except PeerFault:
            raise NetworkMissing(f"{self.path / NETWORK} is damaged", hint="restore it from a backup, or join again") from None
        raise NetworkMissing(
            f"this host is not in a network {self.label}",
            hint="`appliance join CODE` joins one, `appliance network new LABEL` makes one",
        )

    def owner(self) -> Identity | None:
        """The owner's secret key, if it is here. Raises MissingPrivilege, IdentityInvalid."""
        data = self._read(OWNER)
        try:
            return None if data is None else Identity.from_pem(data)
        except IdentityInvalid as error:
            raise IdentityInvalid(f"{self.path / OWNER}: {error.message}", hint="restore it from a backup") from None

    def trust(self, now: int, own: str = "") -> Trust:
        """All statements that are kept and count at `now` (Unix seconds); others are left out. If that is no time at which the
        node `own`, or anybody, can be a member, those that counted when most did: the clock may be wrong, and be set right soon.
        Raises as `network` does."""
        lifetimes = self.lifetimes(own)
        at = lifetimes.time(now)
        trust = self._trust(at)
        return trust if trust.members(at) else self._trust(lifetimes.common)

    def _trust(self, now: int) -> Trust:
        trust = Trust(self.network())
        for statement in self.statements():
            with suppress(StatementRefused):
                trust.take(statement, now)
        return trust

    def lifetimes(self, own: str = "") -> Lifetimes:
        """Of all certificates that are kept. `own`: the node's identity."""
        return lifetimes_of(self._certificates(), own)

    def _certificates(self) -> Iterator[Certificate]:
        for statement in self.statements():
            with suppress(StatementRefused):
                if read_head(statement).kind is Kind.CERTIFICATE:
                    yield read_certificate(statement)

    @contextmanager
    def changing(self, now: int) -> Iterator[Trust]:
        """All statements, for a change: they are kept if the block ends without an error, and nobody else changes them meanwhile.
        What is not valid at `now` stays in the file while there is room, since a clock may be wrong; one that evidently is has
        nothing changed. Raises as `network` does, ClockWrong and OSError; all is as before then."""
        network = self.network()
        if self.lifetimes().begin_after(now):
            raise ClockWrong(now)
        with held(self.path / LOCK):
            trust, untimely = Trust(network), []
            for statement in self.statements():
                try:
                    trust.take(statement, now)
                except StatementRefused as refused:
                    if refused.reason in _UNTIMELY:
                        untimely.append(statement)
            yield trust
            self.keep_statements(_with_room([each.encoded for each in trust.statements()], untimely))

    def ended(self, wanted: str, now: int) -> Certificate | None:
        """The last certificate of the node with that name or identity, if it counted once and is valid no more."""
        found = [each for each in self._certificates() if each.not_after <= now and wanted in (each.name, each.identity)]
        last = max(found, key=lambda each: each.not_after, default=None)
        if last is None or self.trust(last.not_before).members(last.not_before).get(last.identity) != last:
            return None
        return last

    def statements(self) -> list[bytes]:
        """Those in the file, up to the first that is not whole."""
        data = self._read(STATEMENTS) or b""
        found, at = [], 0
        while at + LENGTH_BYTES <= len(data):
            end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "big")
            if end > len(data):
                break
            found.append(data[at + LENGTH_BYTES : end])
            at = end
        return found

    def keep_network(self, network: NetworkKey) -> None:
        """Raises OSError."""
        write_whole(self.path / NETWORK, network.encoded)

    def keep_owner(self, owner: Identity) -> None:
        """Raises OSError."""
        write_whole(self.path / OWNER, owner.to_pem())

    def keep_statements(self, statements: Iterable[bytes]) -> None:
        """In the place of those before. Raises OSError."""
        write_whole(self.path / STATEMENTS, b"".join(len(each).to_bytes(LENGTH_BYTES, "big") + each for each in statements))

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise MissingPrivilege(
                f"{self.path / name}: you may not read this", hint="run it as root (sudo), or as the node's user"
            ) from error


def _with_room(known: list[bytes], untimely: list[bytes]) -> list[bytes]:
    return [*known, *untimely[: max(0, MAX_CERTIFICATES - len(known))]]
