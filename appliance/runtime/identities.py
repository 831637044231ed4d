"""Loads the node's secret identity from where the profile says it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from appliance.errors import ApplianceError, MissingPrivilege, ProfileError
from appliance.protocol.identity import Identity, IdentityInvalid

MAX_BYTES = 64 * 1024
"""An identity file has 7 KB."""


class IdentityMissing(ProfileError):
    """There is no identity where the profile says."""


class IdentityExposed(ProfileError):
    """Others can read the secret identity."""


def load_identity(reference: str, from_plugins: Callable[[str], bytes | None]) -> Identity:
    """The identity of "file:PATH", or of another scheme by the plugins. Raises ApplianceError with what to do."""
    scheme, _, rest = reference.partition(":")
    if scheme == "file":
        return _from_file(Path(unquote(rest)).expanduser())
    text = from_plugins(reference)
    if text is None:
        raise IdentityMissing(
            f"no enabled plugin knows the identity {scheme}:…",
            hint="use file:PATH, or enable the plugin that keeps it: `appliance plugins`",
        )
    return _parsed(text, f"{scheme}:…")


def _from_file(path: Path) -> Identity:
    text = bytearray(MAX_BYTES)
    try:
        with path.open("rb", buffering=0) as file:  # no copy in a buffer of the file's
            mode = os.fstat(file.fileno()).st_mode & 0o777
            length = 0 if mode & 0o077 else file.readinto(text)
    except FileNotFoundError as error:
        raise IdentityMissing(f"{path}: there is no identity", hint=f"make one: appliance keys new {path}") from error
    except PermissionError as error:
        raise MissingPrivilege(
            f"{path}: this process may not read its identity", hint="run it as root, or own the file"
        ) from error
    except OSError as error:
        raise ApplianceError(
            f"{path}: the identity cannot be read: {error.strerror}", hint="server.identity names a file"
        ) from error
    if mode & 0o077:
        raise IdentityExposed(
            f"{path} has mode {mode:04o}: others can read this node's secret identity",
            hint=f"chmod 600 {path}; if somebody may have read it, make a new one",
        )
    with memoryview(text) as whole:
        return _parsed(whole[:length], str(path))


def _parsed(text: bytes | memoryview, where: str) -> Identity:
    """The identity; what of the text can be written over is zeros afterwards."""
    try:
        return Identity.from_pem(text)
    except IdentityInvalid as error:
        raise IdentityInvalid(f"{where}: {error.message}", hint=error.hint) from error
    finally:
        if isinstance(text, memoryview):
            text[:] = bytes(len(text))
