"""The rows of other members on the disk, so that a node that starts knows where to call without asking anybody.

mesh-LABEL/rows    each behind its length (u16); signed, so whatever is damaged is left out when it is judged
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from appliance.foundation.whole_files import write_whole

FILE: Final = "rows"
_LENGTH: Final = 2


def read_rows(folder: Path) -> list[bytes]:
    """Those in the file, up to the first that is not whole; none if it cannot be read."""
    try:
        data = (folder / FILE).read_bytes()
    except OSError:
        return []
    found, at = [], 0
    while at + _LENGTH <= len(data):
        end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
        if end > len(data):
            break
        found.append(data[at + _LENGTH : end])
        at = end
    return found


def keep_rows(folder: Path, rows: Iterable[bytes]) -> None:
    """In the place of those before, as a whole or not at all. Raises OSError."""
    write_whole(folder / FILE, b"".join(len(each).to_bytes(_LENGTH, "big") + each for each in rows))
