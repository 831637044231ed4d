"""How far a transfer is."""

from __future__ import annotations

from typing import NamedTuple, Self


class Progress(NamedTuple):
    """How far one try is."""

    total: int
    """Bytes of all files."""
    done: int = 0
    """Bytes that passed, and those that were there before."""
    there: int = 0
    """Bytes that were there before this try."""
    on_disk: int = 0
    """Bytes that the receiver keeps, whatever happens to it."""
    name: str = ""
    """The file that passes now."""

    def advanced(self, count: int) -> Self:
        """So many bytes more."""
        return self._replace(done=self.done + count)
