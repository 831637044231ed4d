"""What joining a network leaves on this host: its folder, the node's identity, and a profile with which `run` needs nothing more.

Each file is written as a whole, the profile last; what fails on the way takes back what was written. A note in the folder says
which files `join` made, so that `leave` can take away these and no others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from appliance.errors import ApplianceError
from appliance.foundation.whole_files import write_whole
from appliance.members.certificate import read_proof
from appliance.members.enrolment import EnrolmentFailed
from appliance.members.network import NetworkKey
from appliance.members.statement import Refusal, StatementRefused
from appliance.members.trust import Trust
from appliance.profile.member_starter import member_starter
from appliance.protocol.digests import sha256
from appliance.runtime.members.network_folder import NetworkFolder

if TYPE_CHECKING:
    from appliance.members.certificate import Certificate
    from appliance.members.code import Contact
    from appliance.members.enrolment import About
    from appliance.runtime.joining import Told

NOTE: Final = "joined.json"


class Joined:
    """A membership whose every signature was verified. Nothing is written yet."""

    def __init__(self, told: Told, identity: str, folder: NetworkFolder, now: int) -> None:
        """`identity`: the newcomer's fingerprint; `folder`: the network's; `now`: Unix seconds. Raises EnrolmentFailed."""
        self.about: About = told.about
        self._now = now
        self._schemes = told.schemes
        self._folder = folder
        self.trust = Trust(NetworkKey(told.about.network))
        try:
            for statement in read_proof(told.proof):
                self.trust.take(statement, now)
        except StatementRefused as refused:
            raise EnrolmentFailed(f"the certificate is not good: {refused.reason}", hint=_hint(refused.reason)) from None
        certificate = self.trust.members(now).get(identity)
        if certificate is None:
            raise EnrolmentFailed("the certificate is about somebody else, or not valid now", hint="is this host's clock right?")
        self.certificate: Certificate = certificate

    def profile_text(self, name: str | None, identity: Path) -> str:
        """The profile. `name`: of the node, the certificate's if None."""
        reference = f"file:{quote(str(identity.absolute()))}"
        bootstrap = {contact.identity: [str(each) for each in contact.endpoints] for contact in self._others()}
        network = self.trust.network.fingerprint
        return member_starter(name or self.certificate.name, reference, network, self._folder.label, bootstrap)

    def _others(self) -> Iterator[Contact]:
        """Members to call first, as far as a node as it is installed can call them."""
        for contact in self.about.bootstrap:
            endpoints = tuple(each for each in contact.endpoints if each.scheme in self._schemes)
            if endpoints and contact.identity != self.certificate.identity:
                yield contact._replace(endpoints=endpoints)

    def keep(self, undo: ExitStack) -> None:
        """Write the folder. What is put on `undo` takes that back. Raises ApplianceError, OSError."""
        folder, statements = self._folder, [each.encoded for each in self.trust.statements()]
        if not folder.path.exists():
            folder.make()
            undo.callback(folder.remove)
            folder.keep_network(self.trust.network)
        before = folder.statements()
        with folder.changing(self._now) as known:
            for statement in statements:
                with suppress(StatementRefused):  # what is here is newer
                    known.take(statement, self._now)
        undo.callback(folder.keep_statements, before)


def folder_for(about: About, label: str | None) -> NetworkFolder:
    """Where a network is kept, called `label` or what it calls itself. Raises ApplianceError if another has that place."""
    folder = NetworkFolder.of(label or about.label)
    if folder.path.exists() and folder.network().encoded != about.network:
        raise ApplianceError(
            f"this host is in another network that is called {folder.label}", hint="call this one something else: --label LABEL"
        )
    return folder


def write_note(folder: NetworkFolder, made: list[Path]) -> None:
    """Note which files `join` has made, each with the hash of its content. Raises OSError."""
    document = {str(path.absolute()): sha256(path.read_bytes()).hex() for path in made}
    write_whole(folder.path / NOTE, json.dumps(document).encode())


def files_made(folder: NetworkFolder) -> dict[Path, bool]:
    """The files that `join` made and that are there, and whether each is as it made it."""
    try:
        document: Any = json.loads((folder.path / NOTE).read_bytes())
        noted = {Path(path): str(digest) for path, digest in document.items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
    return {path: sha256(path.read_bytes()).hex() == digest for path, digest in noted.items() if path.is_file()}


def _hint(reason: Refusal) -> str:
    if reason in {Refusal.NOT_YET_VALID, Refusal.EXPIRED}:
        return "is the clock of this host right, and that of the inviting one?"
    return "ask for another code, and which version the inviting node runs"
