"""`appliance join`: this host becomes a member of a network by a code."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.keys import loose_mode, read_secret, write_secret
from appliance.cli.network import how_to_run, make_folder, name_of
from appliance.cli.profile import node_name
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege
from appliance.foundation import clock, places
from appliance.foundation.whole_files import write_whole
from appliance.protocol.identity import Identity

if TYPE_CHECKING:
    from appliance.members.enrolment import About
    from appliance.runtime.joined import Joined

PENDING = ".joining"
"""The end of the name of an identity that has not joined yet. Once the code may have been used for it, it stays whatever happens:
the next `join` with that code finds it, and gets the certificate that was made for it."""
MOST_CODE = 4096
"""Characters that are read for a code."""


def join(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Call the member that made the code, prove it, and write what a node needs. What fails leaves nothing behind, but for an
    identity for which the code was used."""
    from appliance.cli.opening import open_profile
    from appliance.members.code import read_code
    from appliance.runtime.joined import Joined, folder_for, write_note
    from appliance.runtime.joining import ask_to_join

    name = node_name(arguments.name) if arguments.name else None
    code = read_code(arguments.code or _asked_for(terminal))
    printed = arguments.profile == "-"
    profile = places.profile_file() if printed or not arguments.profile else Path(arguments.profile)
    if not printed and profile.exists():
        raise ApplianceError(
            f"{profile} exists already and is not overwritten",
            hint="write another with --profile PATH, or have it printed with --profile -: its section mesh is what yours lacks",
        )
    for path in (places.kept_dir(), profile):
        _must_be_writable(path)
    with ExitStack() as undo, ExitStack() as unused:
        key = Path(arguments.identity) if arguments.identity else profile.parent / "identity"
        identity = _identity(key, undo, unused)
        label = name_of(arguments.label, "a label") if arguments.label else None

        def agree(about: About) -> None:
            folder_for(about, label)
            unused.pop_all()

        told = asyncio.run(ask_to_join(code, identity, terminal.note, agree))
        folder = folder_for(told.about, label)
        joined = Joined(told, identity.fingerprint, folder, int(clock.wall()))
        text = joined.profile_text(name, key)
        joined.keep(undo)
        made = _write(key, None if printed else profile, text, undo)
        write_note(folder, made)
        if not printed:
            open_profile(str(profile))  # what it says is not only ours: the member that answered has a part in it
        undo.pop_all()
    if printed:
        terminal.say(text.rstrip("\n"))
        return ExitCode.OK
    _report(joined, folder.label, profile, terminal)
    return ExitCode.OK


def _report(joined: Joined, label: str, profile: Path, terminal: Terminal) -> None:
    certificate = joined.certificate
    addresses = [str(address) for address in certificate.addresses]
    document = {
        "network": certificate.network,
        "label": label,
        "name": certificate.name,
        "addresses": addresses,
        "identity": certificate.identity,
        "profile": str(profile.absolute()),
    }
    terminal.result(document, f"joined: this host is {certificate.name}.{label}, {', '.join(addresses)}")
    terminal.note(f"written to {profile}. Next: {how_to_run(profile)}")


def _write(key: Path, profile: Path | None, text: str, undo: ExitStack) -> list[Path]:
    """The identity in its place, and the profile. Returns what is new."""
    made = []
    pending = key.with_name(key.name + PENDING)
    if pending.exists():
        pending.replace(key)
        undo.callback(key.replace, pending)
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


def _must_be_writable(path: Path) -> None:
    """Will something be written there later, as far as can be told before? Raises MissingPrivilege, ApplianceError."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if os.access(there, os.W_OK):
        return
    if os.geteuid():
        raise MissingPrivilege(f"{path}: you may not write there", hint="run it as root (sudo)")
    raise ApplianceError(f"{path}: nothing can be written there", hint="is the file system read-only?")


def _identity(path: Path, undo: ExitStack, unused: ExitStack) -> Identity:
    """The identity in that file, or a new one, which is in a file beside it already; `unused` removes that. Raises
    ApplianceError."""
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
    unused.callback(pending.unlink, missing_ok=True)
    return identity
