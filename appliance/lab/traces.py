"""What a lab could leave on the machine. It is looked for after each lab, and removed if the owner of the lab was killed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import HostError
from appliance.lab import processes
from appliance.lab.namespace import Namespace, existing, ip
from appliance.lab.naming import Tag, tag_of
from appliance.linux.locks import try_hold

_STATE_DIRS = Path("/run/appliance")
_OWNED = "owned"
"""The lock file of a scratch directory."""


def scratch_root() -> Path:
    """Where labs make their directories ($TMPDIR, or /tmp)."""
    return Path(tempfile.gettempdir())


def sweep() -> list[str]:
    """Remove what labs of processes that are gone left behind. Their names. Raises HostError."""
    swept = []
    for name in existing():
        tag = tag_of(name)
        if tag is not None and not tag.owner_lives:
            Namespace(name).delete()
            swept.append(name)
    return swept + sweep_scratch()


def sweep_scratch() -> list[str]:
    """The same for directories of this user, and for processes that know of them. Their names."""
    swept = []
    for directory in scratch_root().glob("lab-*"):
        tag = tag_of(directory.name)
        if tag is not None and _abandoned(directory, tag):
            processes.kill_all(processes.with_variable(f"/{tag}."))  # whatever left its namespace
            shutil.rmtree(directory, ignore_errors=True)
            swept.append(str(directory))
    return swept


def own(directory: Path) -> int:
    """Mark a scratch directory as in use, for as long as the descriptor that is returned is open. Raises HostError."""
    held = try_hold(directory / _OWNED)
    if held is None:
        raise HostError(f"{directory} belongs to another lab", hint="run it again")
    return held


def _abandoned(directory: Path, tag: Tag) -> bool:
    """Is `directory` ours, and its lab gone? Its owner may live in another PID namespace, as that of a lab without root does,
    where its number means something else. So the lock decides."""
    try:
        if tag.owner_lives or directory.stat().st_uid != os.geteuid():
            return False
        held = try_hold(directory / _OWNED)
    except (OSError, HostError):
        return False
    if held is None:
        return False
    os.close(held)
    return True


def links() -> frozenset[str]:
    """The network interfaces of this namespace."""
    return frozenset(link["ifname"] for link in json.loads(ip("-j", "link") or "[]"))


@dataclass(frozen=True, slots=True)
class Traces:
    """What must be gone once a lab has ended. To be made while it is still there."""

    tag: Tag
    links_before: frozenset[str]
    """Interfaces that were there before the lab."""
    devices: frozenset[str]
    """Interfaces of the lab."""
    cookies: frozenset[int]
    """The kernel's numbers of its namespaces: state directories are named by them."""

    def left_behind(self) -> list[str]:
        """What is still there, in words; empty if all is as before."""
        return [
            *(f"namespace {name}" for name in existing() if self.tag.names(name)),
            *(f"interface {name}" for name in sorted((links() - self.links_before) & self.devices)),
            *(f"process {pid}" for pid in processes.find(processes.with_variable(f"/{self.tag}."))),
            *(f"directory {path}" for path in self._directories()),
        ]

    def _directories(self) -> Iterable[Path]:
        yield from (path for path in scratch_root().glob("lab-*") if self.tag.names(path.name))
        yield from (path for cookie in sorted(self.cookies) if (path := _STATE_DIRS / f"netns-{cookie}").exists())
