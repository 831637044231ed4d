"""The files of secrets that the settings of plugins name, read for the API server, which may not read what is root's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from appliance.api.profile_management import Management
from appliance.errors import HostError
from appliance.plugin_host.registry import parts_of
from appliance.runtime.management.regular_file import open_regular

SCHEME: Final = "file:"
MOST: Final = 16 << 10
"""Bytes of one file."""
HINT: Final = "settings below management name such files as file:/PATH; root has to be able to read them"


def secret_of(management: Management, reference: str) -> str:
    """The text in the file of a reference, if the section has that reference. Raises HostError."""
    path = Path(reference.removeprefix(SCHEME))
    if not reference.startswith(SCHEME) or not path.is_absolute():
        raise HostError("a secret is named as file:/PATH", hint=HINT)
    if reference not in _texts(parts_of(management)):
        raise HostError("the profile does not name that file", hint=HINT)
    try:
        with open_regular(path) as file:
            found = file.read(MOST + 1)
        if len(found) <= MOST:
            return found.decode().strip()
        reason = f"it has more than {MOST >> 10} KiB"
    except UnicodeDecodeError:
        reason = "it is no text"
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    raise HostError(f"{path}: {reason}", hint=HINT)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            yield from _texts(list(value.values()))
        case Sequence():
            for each in value:
                yield from _texts(each)
        case _:
            pass
