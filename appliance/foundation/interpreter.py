"""How a process of ours starts another: with the same Python, and with nothing from the current directory, since root would run
that."""

from __future__ import annotations

import sys


def program() -> list[str]:
    """The interpreter, isolated from the environment and users' own packages if this process is, as the packaged one is."""
    return [sys.executable, "-I" if sys.flags.isolated else "-P"]


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module."""
    return [*program(), "-m", module, *arguments]
