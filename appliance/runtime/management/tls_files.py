"""The files of a certificate that a profile names, read for the API server, which may not read what is root's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from appliance.api.profile_management import ManagementTls
from appliance.errors import HostError
from appliance.runtime.management.regular_file import open_regular

MOST: Final = 16 << 10
"""Bytes of one file: a chain of five certificates has six thousand."""


def tls_files(tls: ManagementTls) -> dict[str, str]:
    """`certificate`, `key` and `clients`, each as PEM, "" for what the profile does not name. Raises HostError."""
    return {"certificate": _read(tls.certificate), "key": _read(tls.key), "clients": _read(tls.clients)}


def _read(path: str | None) -> str:
    if path is None:
        return ""
    try:
        with open_regular(Path(path)) as file:
            found = file.read(MOST + 1)
        if len(found) <= MOST:
            return found.decode("ascii")
        reason = f"it has more than {MOST >> 10} KiB"
    except UnicodeDecodeError:
        reason = "it is no PEM"
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    raise HostError(f"{path}: {reason}", hint="management.tls names files in PEM that root can read")
