"""What a guest is started from: files that are made once, kept, and never written again."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

MEMORY_MEGABYTES: Final = 448
"""What a guest has unless told otherwise, and what each snapshot was made with. A node and its tools take 100 of them."""
IN_USE: Final = "in-use"
"""A lock file beside the disk. Who runs a guest shares it, so that nobody removes the image under it."""


class Image(NamedTuple):
    """A Debian with what a lab needs, for one kind of processor."""

    suite: str
    """Debian's name of the release: bookworm (12) or trixie (13)."""
    arch: str
    """Debian's name of the architecture: amd64 or arm64."""
    kernel: Path
    initial: Path
    """The initial file system, which mounts the disk."""
    disk: Path
    """A qcow2 file that guests lay their own disks over."""
    snapshot: Path | None
    """A qcow2 file over the disk, with a machine in it that has booted: the internal snapshot `ready`. None if there is none."""
    key: Path
    """The private key that opens root's account by ssh."""
