"""A copy of a Debian to install packages in: what is written there goes to memory, and ends with the commands. Root only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = ("dpkg", "unshare", "useradd")


def run(commands: str, given: Path, system: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """What bash says to these commands, in a copy of a Debian that sees `given` as /srv/given. Ends with the first that fails."""
    with tempfile.TemporaryDirectory() as directory:
        apart = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]
        words = [*apart, "sh", str(HERE / "debian_copy.sh"), directory, str(given), str(system)]
        return subprocess.run(words, input=commands, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})


@cache
def missing() -> str:
    """Why there can be no copy; empty if there can."""
    if os.geteuid():
        return "needs root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if lacking := [tool for tool in TOOLS if shutil.which(tool, path=path) is None]:
        return f"needs {', '.join(lacking)}"
    tried = run("true", HERE)
    return f"no copy of this machine: {tried.stderr.strip()}" if tried.returncode else ""
