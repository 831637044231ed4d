"""Header fields for the collector of traces, read for the API server, which may not read what is root's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from appliance.api.profile_management import ManagementTracing
from appliance.errors import HostError
from appliance.runtime.management.regular_file import open_regular

MOST: Final = 16 << 10
"""Bytes."""
_FIELD: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}):[ \t]*([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)[ \t]*", re.ASCII)
"""RFC 9110, section 5.1, and a value of visible characters."""
_HINT: Final = "management.tracing.headers names a file with lines NAME: VALUE that only root can read"


def tracing_headers(tracing: ManagementTracing | None) -> dict[str, str]:
    """By name. Raises HostError, which tells nothing of what the file has."""
    if tracing is None or tracing.headers is None:
        return {}
    path = Path(tracing.headers)
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            text = b"" if mode & 0o077 else file.read(MOST + 1)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", hint=_HINT) from error
    if mode & 0o077:
        raise HostError(f"{path} has mode {mode:04o}: others can read the collector's token", hint=f"chmod 600 {path}")
    if len(text) > MOST:
        raise HostError(f"{path}: it has more than {MOST >> 10} KiB", hint=_HINT)
    found = {}
    for number, line in enumerate(text.decode("latin-1").replace("\r\n", "\n").split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            field = _FIELD.fullmatch(line)
            if field is None:
                raise HostError(f"{path}: line {number} is no header field", hint=_HINT)
            found[field[1].lower()] = field[2]
    return found
