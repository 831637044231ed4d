"""`appliance store`: figures, checks, copies and keys of the API server's store.

Root does all of it as the user who owns the store: the API server could not read what root wrote there, and a link that its user
put there leads root nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from appliance.api.stores import StoreInUse
from appliance.cli.elsewhere import Elsewhere, of_profile
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal, bytes_text, seconds_text
from appliance.errors import ExitCode
from appliance.foundation import clock, places
from appliance.foundation.entropy import random_bytes
from appliance.linux.privileges import acting_as
from appliance.store import elsewhere, maintenance
from appliance.store.envelope import CIPHERS
from appliance.store.keys import MOST_BYTES, Keys, read_credentials
from appliance.store.ring import WrappingKey

KINDS: Final = ("file", "credential", "passphrase")


def stats(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """How large it is, and what is in it."""
    folder = _folder(arguments)
    if kept := _elsewhere(arguments):
        found = kept.use(elsewhere.figures, lambda: _acting(folder))
        terminal.result({"store": kept.name, **found}, _elsewhere_text(kept.name, found, terminal))
        return ExitCode.OK
    with _acting(folder):
        found = maintenance.figures(folder)
    terminal.result(found, _figures_text(found, terminal))
    return ExitCode.OK


def check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Look for damage, and open every value."""
    folder = _folder(arguments)
    kept = _elsewhere(arguments)
    keys = _keys(arguments, folder, shared=kept is not None)
    if kept is not None:
        found = kept.use(lambda store: elsewhere.check(store, keys, terminal.note), lambda: _acting(folder))
    else:
        with _acting(folder):
            found = maintenance.check(folder, keys, terminal.note)
    for problem in found["problems"]:
        terminal.warning(problem)
    if not found["rotation_ended"]:
        terminal.warning(f"{found['under_earlier_keys']} values are under earlier data keys: appliance store rotate")
    opened = found["values"] - found["unopened"]
    terminal.result(found, f"{opened} of {found['values']} values open, under data key {found['data_key']} ({found['cipher']})")
    return ExitCode.FAILURE if found["unopened"] else ExitCode.OK


def backup(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write a verified copy to a new file."""
    folder, target = _folder(arguments), Path(arguments.file).absolute()
    if kept := _elsewhere(arguments):
        raise kept.refused("backup by this command")
    done = maintenance.backup(folder, target, terminal.note, lambda: _acting(folder))
    terminal.result(done, f"{target}: {bytes_text(done['bytes'])}")
    terminal.note(f"it opens only with {_key_text(done['key'])}: keep that in another place")
    return ExitCode.OK


def restore(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Let a backup take the place of the store."""
    folder, source = _folder(arguments), Path(arguments.file).absolute()
    if kept := _elsewhere(arguments):
        raise kept.refused("restore by this command")
    done = maintenance.restore(folder, source, _keys(arguments, folder), terminal.note, lambda: _acting(folder))
    terminal.result(done, f"{source} is the store now; what it was before: {done['before']}")
    return ExitCode.OK


def rewrap(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Let another key open the store."""
    folder = _folder(arguments)
    kept = _elsewhere(arguments)
    choose, keys = _chosen(arguments), _keys(arguments, folder, shared=kept is not None)
    if kept is not None:
        done = kept.use(lambda store: elsewhere.rewrap(store, keys, choose, terminal.note), lambda: _acting(folder))
    else:
        with _acting(folder):
            done = asyncio.run(maintenance.rewrap(folder, keys, choose, terminal.note))
    terminal.result(done, f"the store opens with {_key_text(done['now'])}")
    terminal.note(f"{_key_text(done['before'])} opens older backups only: when those are gone, it can go")
    if kept is not None:
        terminal.note("every API server of this store needs the new key now: docs/postgresql.md")
    if done["now"]["kind"] == "passphrase":
        terminal.note("the API server has it from the credential appliance-store-passphrase: docs/store.md")
    return ExitCode.OK


def rotate(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Seal all values under a new data key."""
    folder = _folder(arguments)
    if arguments.cipher is not None and arguments.cipher not in CIPHERS:
        raise UsageError(f"--cipher: {arguments.cipher!r} is no cipher", hint=f"there are: {', '.join(CIPHERS)}")
    kept, cipher = _elsewhere(arguments), arguments.cipher
    keys = _keys(arguments, folder, shared=kept is not None)
    try:
        if kept is not None:
            done = kept.use(lambda store: elsewhere.rotate(store, keys, cipher, terminal.note), lambda: _acting(folder))
        else:
            with _acting(folder):
                done = asyncio.run(maintenance.rotate(folder, keys, cipher, terminal.note))
    except StoreInUse as error:
        raise StoreInUse(error.message, hint="the API server can do it while it runs: appliance api store.rotate") from None
    terminal.result(done, f"{done['values']} values are sealed under data key {done['data_key']} ({done['cipher']})")
    return ExitCode.OK


def _folder(arguments: argparse.Namespace) -> Path:
    return Path(arguments.store).absolute() if arguments.store else places.store_dir()


def _elsewhere(arguments: argparse.Namespace) -> Elsewhere | None:
    """The store that a plugin keeps; None: it is in a folder."""
    return None if arguments.store else of_profile(_folder(arguments))


def _acting(folder: Path) -> AbstractContextManager[Any]:
    """As the owner of the store, if this is root and somebody else owns it."""
    if os.geteuid():
        return nullcontext()
    try:
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode) and found.st_uid == 0:  # root's own link
            found = folder.stat()
    except FileNotFoundError:
        return nullcontext()
    return acting_as(found.st_uid, found.st_gid) if found.st_uid else nullcontext()


def _keys(arguments: argparse.Namespace, folder: Path, *, shared: bool = False) -> Keys:
    """Files are read now, as the user who typed the command. `shared`: with other hosts."""
    credentials = read_credentials(os.environ)
    given = _passphrase_in(arguments.passphrase_file) if arguments.passphrase_file else None
    return Keys(
        folder,
        entropy=random_bytes,
        shared=shared,
        credentials=credentials,
        passphrase=lambda: _asked("passphrase of the store: ") if given is None else given,
    )


def _chosen(arguments: argparse.Namespace) -> Callable[[Keys], WrappingKey]:
    kind = arguments.to or "file"
    if kind not in KINDS:
        raise UsageError(f"--to: {kind!r} is no kind of key", hint=f"there are: {', '.join(KINDS)}")
    if arguments.key_file and kind != "file":
        raise UsageError(f"--key-file does not go with --to {kind}")
    if arguments.new_passphrase_file and kind != "passphrase":
        raise UsageError(f"--new-passphrase-file does not go with --to {kind}")
    if kind == "credential":
        return lambda keys: keys.of_credential()
    if kind == "passphrase":
        passphrase = _passphrase_in(arguments.new_passphrase_file) if arguments.new_passphrase_file else _new_passphrase()
        return lambda keys: keys.of_passphrase(passphrase)
    path = Path(arguments.key_file).absolute() if arguments.key_file else None
    return lambda keys: keys.new_file() if path is None else keys.of_file(path)


def _passphrase_in(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(MOST_BYTES).strip()


def _new_passphrase() -> bytes:
    first = _asked("new passphrase: ")
    if _asked("the same again: ") != first:
        raise UsageError("the two were not the same; nothing was changed")
    return first


def _asked(what: str) -> bytes:
    if not sys.stdin.isatty():
        raise UsageError(
            "the store needs a passphrase, and nobody is here to type it", hint="--passphrase-file FILE, or /dev/fd/N"
        )
    import getpass

    return getpass.getpass(what).strip().encode()


def _key_text(key: Mapping[str, str]) -> str:
    match key["kind"]:
        case "file":
            return f"the key file {key['place']}"
        case "credential":
            return f"the credential {key['place']}"
        case _:
            return f"the passphrase (key {key['id']})"


def _elsewhere_text(name: str, found: Mapping[str, Any], terminal: Terminal) -> str:
    rows = [(space, str(count)) for space, count in sorted(found["records"].items())]
    lines = [
        f"{name}: {bytes_text(found['bytes'])}",
        f"{found['logs']} logs with {found['entries']} entries",
        f"opens with {_key_text(found['key'])}",
    ]
    return "\n".join([*lines, "", terminal.table(("space", "records"), rows)] if rows else lines)


def _figures_text(found: Mapping[str, Any], terminal: Terminal) -> str:
    rows = [(space, str(count)) for space, count in sorted(found["records"].items())]
    lines = [f"{found['store']}: {bytes_text(found['bytes'])}, of which {bytes_text(found['free_bytes'])} are free"]
    lines += [f"{found['logs']} logs with {found['entries']} entries", f"opens with {_key_text(found['key'])}"]
    age = None if found["copied_at"] is None else clock.wall() - found["copied_at"]
    lines += ["no copy was made yet" if age is None else f"the last good copy is {seconds_text(max(age, 0))} old"]
    return "\n".join([*lines, "", terminal.table(("space", "records"), rows)] if rows else lines)
