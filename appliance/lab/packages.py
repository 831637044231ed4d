"""The Debian packages of the appliance that a lab can put on hosts: one for each release and architecture."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.lab.machines.machine import LabFailure

FOLDER: Final = Path("dist")
"""Where `make deb` puts them."""
PYTHONS: Final = {"bookworm": (3, 11), "trixie": (3, 13)}
"""The minor version of each release's own Python: a package is for one."""
_DEPENDS: Final = re.compile(r"python3 \(>= (\d+)\.(\d+)\)")


class Packages:
    """`given` are files; if there are none, those of `FOLDER` are taken."""

    def __init__(self, given: Sequence[Path] = ()) -> None:
        self._given = given

    def find(self, release: str, architecture: str) -> Path:
        """The newest that fits. Raises LabFailure."""
        files = list(self._given) or sorted(FOLDER.glob("appliance_*.deb"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files:
            if _fits(path, release, architecture):
                return path
        word = f"make deb suite={release} arch={architecture}"
        if self._given:
            raise LabFailure(f"{self._given[0]} is not for Debian {release} on {architecture}", hint=f"that one comes of: {word}")
        raise LabFailure(
            f"there is no package for Debian {release} on {architecture} in {FOLDER.absolute()}",
            hint=f"make it ({word}) or name one: --package FILE",
        )


def _fits(path: Path, release: str, architecture: str) -> bool:
    try:
        done = subprocess.run(
            ["dpkg-deb", "--show", "--showformat=${Architecture}\n${Depends}\n", path],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise LabFailure("there is no program dpkg-deb here", hint="it comes with Debian: apt install dpkg") from None
    if done.returncode:
        complaint = (done.stderr.strip().splitlines() or [""])[-1]
        raise LabFailure(f"{path} is no Debian package that can be read: {complaint}")
    arch, depends = done.stdout.splitlines()[:2]
    found = _DEPENDS.search(depends)
    return arch == architecture and found is not None and tuple(map(int, found.groups())) == PYTHONS.get(release)
