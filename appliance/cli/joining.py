"""`appliance join`: this host becomes a member of a network by a code."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from appliance.cli.keys import loose_mode, read_secret, write_secret
from appliance.cli.network import make_folder, name_of
from appliance.cli.profile import node_name
from appliance.cli.table import SYSTEM_PROFILE
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.foundation.whole_files import write_whole
from appliance.protocol.identity import Identity

PENDING = ".joining"
"""The end of the name of an identity that has not joined yet: should this command be killed after the code was used, the next one
finds it there and gets the certificate that was made for it."""
MOST_CODE = 4096
"""Characters that are read for a code."""


def join(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Call the member that made the code, prove it, and write what a node needs. Nothing is left behind when it fails."""
    from appliance.members.code import read_code
    from appliance.runtime.joined import Joined, folder_for, write_note
    from appliance.runtime.joining import ask_to_join

    name = node_name(arguments.name) if arguments.name else None
    code = read_code(arguments.code or _asked_for(terminal))
    printed = arguments.profile == "-"
    profile = Path(SYSTEM_PROFILE if printed else arguments.profile or SYSTEM_PROFILE)
    if not printed and profile.exists():
        raise ApplianceError(
            f"{profile} exists already and is not overwritten",
            hint="write another with --profile PATH, or have it printed with --profile -: its section mesh is what yours lacks",
        )
    with ExitStack() as undo:
        key = Path(arguments.identity) if arguments.identity else profile.parent / "identity"
        identity = _identity(key, undo)
        label = name_of(arguments.label, "a label") if arguments.label else None
        told = asyncio.run(ask_to_join(code, identity, terminal.note, lambda about: folder_for(about, label)))
        folder = folder_for(told.about, label)
        joined = Joined(told, identity.fingerprint, folder, int(clock.wall()))
        text = joined.profile_text(name, key)
        joined.keep(undo)
        made = _write(key, None if printed else profile, text, undo)
        write_note(folder, made)
        undo.pop_all()
    if printed:
        terminal.say(text.rstrip("\n"))
        return ExitCode.OK
    certificate = joined.certificate
    document = {
        "network": joined.trust.network.fingerprint,
        "label": folder.label,
        "name": certificate.name,
        "addresses": [str(address) for address in certificate.addresses],
        "identity": identity.fingerprint,
        "profile": str(profile.absolute()),
    }
    addresses = ", ".join(document["addresses"])
    terminal.result(document, f"joined: this host is {certificate.name}.{folder.label}, {addresses}")
    terminal.note(f"written to {profile}. Next: appliance run" + ("" if str(profile) == SYSTEM_PROFILE else f" {profile}"))
    return ExitCode.OK


def _write(key: Path, profile: Path | None, text: str, undo: ExitStack) -> list[Path]:
    """The identity in its place, and the profile. Returns what is new."""
    made = []
    pending = key.with_name(key.name + PENDING)
    if pending.exists():
        pending.replace(key)
        undo.callback(key.unlink)
        made.append(key)
    if profile is not None:
        write_whole(profile, text.encode(), 0o644)
        undo.callback(profile.unlink)
        made.append(profile)
    return made


def _asked_for(terminal: Terminal) -> str:
    """The code from standard input: there no other user of this host sees it among the processes."""
    if sys.stdin is not None and sys.stdin.isatty():
        terminal.note("the code, as `appliance network invite` printed it:")
        return sys.stdin.readline(MOST_CODE)
    return sys.stdin.read(MOST_CODE) if sys.stdin is not None else ""


def _identity(path: Path, undo: ExitStack) -> Identity:
    """The identity in that file, or a new one, which is in a file beside it already. Raises ApplianceError."""
    if path.exists():
        if mode := loose_mode(path):
            raise ApplianceError(f"{path} has mode {mode:04o}: others can read this secret", hint=f"chmod 600 {path}")
        return Identity.from_pem(read_secret(path))
    make_folder(path.parent, undo)
    pending = path.with_name(path.name + PENDING)
    if pending.exists():
        identity = Identity.from_pem(read_secret(pending))
    else:
        identity = Identity.generate()
        write_secret(pending, identity.to_pem())
    undo.callback(pending.unlink, missing_ok=True)
    return identity
