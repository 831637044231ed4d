"""What a plugin keeps on this host: a folder of its own that outlives restarts and reboots."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """The folder of one plugin of one node. It belongs to the node's user, and nobody else may look into it.

    Everything here blocks: for what is not small, go through `asyncio.to_thread`. Nothing limits how much a plugin keeps but
    the disk, which the node shares: bound it yourself. Nothing removes the folder: docs/plugins.md says where it is.
    """

    @property
    def path(self) -> Path:
        """The folder, which exists, with mode 0700. Raises OSError when it cannot be made, is not the node's, or the node keeps
        nothing (one that was started within another program)."""

    def read(self, name: str) -> bytes | None:
        """What was written under a name; None for nothing. Raises OSError, also for more than 16 MiB."""

    def write(self, name: str, data: bytes) -> None:
        """Replace what is kept under a name, as a whole: after a power cut the old or the new content is there. It is on the disk
        when this returns.

        Raises OSError, with errno EFBIG for more than 16 MiB; ValueError for a name other than letters, digits, ".", "_" and "-",
        of which the first is a letter or digit, up to 100.
        """

    def remove(self, name: str) -> None:
        """Forget what is kept under a name, if there is anything. Raises OSError and ValueError as `write`."""
