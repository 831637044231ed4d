"""A list of stolen passwords on disk, as haveibeenpwned.com gives it: lines of SHA-1 digests, ordered, each with a count.

    000000005AD76BD555C1D6D771DE417A4B87E4B4:10

It has forty gigabytes, so it is not read but searched: thirty-six places of the file, half as far apart each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import BinaryIO, Final

from appliance.errors import HostError

DIGITS: Final = 40
LONGEST_LINE: Final = 80


def breached_in(file: str | None) -> Callable[[str], bool]:
    """Says of a password whether the list has it. Without a list: of none. A list that cannot be read raises HostError at once,
    and later counts as one that has nothing."""
    if file is None:
        return lambda _: False
    path = Path(file)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise HostError(
            f"the list of stolen passwords cannot be read: {error.strerror}", hint="see management.stolen_passwords"
        ) from error

    def judge(password: str) -> bool:
        digest = sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper().encode()
        try:
            with path.open("rb") as lines:
                return _has(lines, os.fstat(lines.fileno()).st_size, digest)
        except OSError:
            return False

    return judge


def _has(lines: BinaryIO, size: int, digest: bytes) -> bool:
    """The last line that begins in [low, high) and is not behind `digest` is looked for."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        lines.seek(max(0, middle - 1))
        if middle:
            lines.readline(LONGEST_LINE)
        found = lines.readline(LONGEST_LINE)[:DIGITS].upper()
        if found == digest:
            return True
        if found and found < digest:
            low = middle + 1
        else:
            high = middle
    return False
