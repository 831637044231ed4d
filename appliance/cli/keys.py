"""`appliance keys new` and `keys show`: a node's identity."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path

from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode, MissingPrivilege
from appliance.foundation.whole_files import sync_folder

SECRET_MODE = 0o600


def new(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Make an identity and write its file."""
    path = Path(arguments.path)
    if path.exists():
        raise _exists(path)
    if not path.parent.is_dir():
        raise ApplianceError(f"{path.parent}: there is no such directory", hint=f"make it first: mkdir -p {path.parent}")
    from appliance.protocol.identity import Identity

    identity = Identity.generate()
    write_secret(path, identity.to_pem())
    terminal.result(_document(identity.fingerprint, path), identity.fingerprint)
    terminal.note(f"written to {path}, readable by you alone. Other nodes name this one by the identity above.")
    return ExitCode.OK


def show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print the identity of a key file."""
    path = Path(arguments.path)
    pem = read_secret(path)
    from appliance.protocol.identity import Identity, IdentityInvalid

    try:
        fingerprint = Identity.from_pem(pem).fingerprint
    except IdentityInvalid as error:
        raise IdentityInvalid(f"{path}: {error.message}", hint=error.hint) from error
    terminal.result(_document(fingerprint, path), fingerprint)
    if mode := loose_mode(path):
        terminal.warning(f"{path} has mode {mode:04o}: others can read this secret; chmod 600 {path}")
    return ExitCode.OK


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, where files have modes. It is on the disk when this returns. Raises
    ApplianceError, OSError; then there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, SECRET_MODE)
    except FileExistsError as error:
        raise _exists(path) from error
    except PermissionError as error:
        raise MissingPrivilege(
            f"{path}: you may not write there", hint="run it as root (sudo), or choose another place"
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(PermissionError):  # a stick with FAT on it has no modes; `loose_mode` tells
                os.fchmod(descriptor, SECRET_MODE)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def read_secret(path: Path) -> bytes:
    """The content of a key file. Raises ApplianceError, which says what to do."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ApplianceError(f"{path}: there is no such key file", hint=f"make one: appliance keys new {path}") from error
    except PermissionError as error:
        raise MissingPrivilege(
            f"{path}: you may not read this key file", hint="run it as root (sudo) or as the file's owner"
        ) from error
    except IsADirectoryError as error:
        raise ApplianceError(f"{path} is a directory", hint="name the key file in it") from error


def loose_mode(path: Path) -> int:
    """The mode of the file if somebody besides its owner may read it; otherwise 0."""
    mode = path.stat().st_mode & 0o777
    return mode if mode & 0o077 else 0


def _document(fingerprint: str, path: Path) -> dict[str, object]:
    return {"identity": fingerprint, "path": str(path.absolute()), "algorithms": ["Ed25519", "ML-DSA-87"]}


def _exists(path: Path) -> ApplianceError:
    return ApplianceError(
        f"{path} exists already and is not overwritten",
        hint="a lost identity cannot be made again: move the old file away, or write to another path",
    )
