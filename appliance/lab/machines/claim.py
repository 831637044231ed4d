"""Who uses a host: a lock there, held by a program that ends with its connection, and so with the lab, however that ends."""

from __future__ import annotations

import re
import select
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from appliance.errors import HostError

PATIENCE: Final = 60.0
"""Seconds until the lock is held, or found to be."""
END_SECONDS: Final = 10.0
TAKEN: Final = 75
_HELD: Final = re.compile(rb"held ([0-9]+)")
_HOLD: Final = f"""
while umask 077 && mkdir -p "$0" && exec 9>>"$0/lock" && {{ flock -n 9 || exit {TAKEN}; }}; do
  if [ "$0/lock" -ef /proc/self/fd/9 ]; then
    echo "$$ $1" >"$0/lock"; echo "held $$"
    cat >/dev/null 9>&-
    [ ! -e "$0/notes" ] || [ -e "$0/ended" ] || touch "$0/ended"
    exit
  fi
done
"""
"""Whoever ends removes the lock with its folder, so a lock that was got counts only if its file is still there. Its holder stands
in it. A lab that goes without undoing what it noted leaves the moment when it went: the time of the file `ended`."""


class Taken(Exception):
    """Another lab has it."""


class Claim:
    """A lock in a folder of the host, which is made with it."""

    def __init__(
        self, enter: Callable[[Sequence[str | Path]], list[str]], environ: Mapping[str, str], folder: Path, lab: str
    ) -> None:
        """Take it for `lab`, as others are told. `enter` is the machine's. Raises Taken, HostError."""
        self._process = subprocess.Popen(
            enter(["sh", "-c", _HOLD, folder, lab]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            start_new_session=True,  # a Ctrl-C is for the lab
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        found = _HELD.search(self._process.stdout.readline()) if ready else None
        if found is None:
            raise self._failed()
        self.holder = int(found[1])
        """The number of its process on the host."""

    def release(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _failed(self) -> Exception:
        try:
            _, complaint = self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, complaint = self._process.communicate()
        if self._process.returncode == TAKEN:
            return Taken()
        return HostError(f"the host cannot be claimed: {complaint.decode(errors='replace').strip() or 'it does not answer'}")
