"""Which connection the admin uses, so that a plan can tell whether that survives.

sshd puts SSH_CONNECTION into the environment of a login; sudo and su remove it. So the processes above this one are asked too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

_MOST_ANCESTORS = 64
Ancestor = tuple[int, Mapping[str, str]]
"""The parent of a process, and its environment."""


def ssh_connection(
    environ: Mapping[str, str] = os.environ, ancestor: Callable[[int], Ancestor | None] | None = None
) -> str | None:
    """Both ends of the admin's SSH connection, as sshd(8) writes them ("198.51.100.9 50000 192.0.2.1 22"); None if there is none.

    `ancestor` gives the parent and the environment of a process; None at the end, or if it may not be read.
    """
    read = ancestor or read_ancestor
    found = _connection(environ)
    process = os.getppid()
    for _ in range(_MOST_ANCESTORS):
        if found is not None or process <= 1:
            break
        above = read(process)
        if above is None:
            break
        process, inherited = above
        found = _connection(inherited)
    return found


def read_ancestor(process: int) -> Ancestor | None:
    """Parent and environment of a process, from /proc."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        pairs = Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    parent = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:")), 0)
    return parent, dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _connection(environ: Mapping[str, str]) -> str | None:
    return environ.get("SSH_CONNECTION") or None
