"""A machine to throw away: namespaces of its own for processes, mounts and network, with its own /run and its own /etc."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.docs.markdown import ROOT, Command
from tests.docs.not_run import reason
from tests.rigs.environments import Environment

TIMEOUT = 200.0
"""Seconds for a whole document."""

# The tests are root already, and there may be no sudo.
PRELUDE = 'set -e; sudo() { "$@"; }\n'


class Machine:
    """Runs shell scripts. What they start ends with them: the first process of a PID namespace takes all others along."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.etc = directory / "etc"
        self.home.mkdir()
        self.python = Environment(directory / "environment")
        for name in ("profiles", "examples", "tests", "docs"):
            (self.home / name).symlink_to(ROOT / name)
        subprocess.run(["cp", "-a", "/etc", self.etc], check=True)

    def run(self, script: str) -> str:
        """What it printed, errors among it. A command that does not end as expected fails the test."""
        here = [f"mount --bind {shlex.quote(str(self.etc))} /etc", "mount -t tmpfs tmpfs /run", "ip link set lo up"]
        inside = " && ".join([*here, 'exec bash -c "$0"'])
        done = subprocess.run(
            [
                "unshare",
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                inside,
                PRELUDE + script,
            ],
            cwd=self.home,
            env=environment(self.python.bin),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, f"{script}\n── printed ──\n{done.stdout}"
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout


def environment(bin_: Path) -> dict[str, str]:
    """Of a fresh login, with the commands of an environment first; without a network pip need not look for one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("APPLIANCE_", "SSH_", "PYTEST_", "COV"))}
    return {**kept, "PATH": f"{bin_}:{os.environ['PATH']}:/usr/sbin:/sbin", "NO_COLOR": "1", "PIP_NO_INDEX": "1"}


def script(shown: Iterable[Command]) -> str:
    """The commands one after the other, each ending as it is said to end, without those that are not to be run."""
    return "\n".join(_judged(command) for command in shown if not reason(command.text)) + "\n"


def _judged(command: Command) -> str:
    if starts := re.fullmatch(r"(sudo |ip netns exec \w+ |\w+ |)appliance run( [^&]*)?( &)?", command.text):
        # It stays until Ctrl-C and the next command is typed elsewhere; nobody types faster than a node starts.
        where = starts[1].removeprefix("sudo ")
        return f"{command.text.removesuffix(' &')} &\nuntil {where}appliance status >/dev/null 2>&1; do kill -0 $!; done"
    if command.exit_code:
        return f"set +e\n{command.text}\ncode=$?\nset -e\n[ $code = {command.exit_code} ]"
    return command.text
