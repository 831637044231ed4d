"""How a process of ours starts another: with the same Python, and nothing from the current directory, since root would run it."""

from __future__ import annotations

import sys


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a module. Where this process is isolated from the environment and from users' own packages, as the
    packaged program is, so is that one."""
    return [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", module, *arguments]
