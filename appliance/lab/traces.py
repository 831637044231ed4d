"""What a lab could leave on the machine: looked for after each one, and removed when its owner was killed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from appliance.lab import processes
from appliance.lab.namespace import Namespace, existing, ip
from appliance.lab.naming import Tag, tag_of

_STATE_DIRS = Path("/run/appliance")


def scratch_root() -> Path:
    """Where labs put their directories ($TMPDIR, else /tmp)."""
    return Path(tempfile.gettempdir())


def sweep() -> list[str]:
    """Remove what labs of processes that are gone left behind. Returns the names. Raises HostError."""
    swept = []
    for name in existing():
        tag = tag_of(name)
        if tag is not None and not tag.owner_lives:
            Namespace(name).delete()
            swept.append(name)
    return swept + sweep_scratch()


def sweep_scratch() -> list[str]:
    """The same for directories of this user and processes that know of them. Returns the names."""
    swept = []
    for directory in scratch_root().glob("lab-*"):
        tag = tag_of(directory.name)
        if tag is not None and not tag.owner_lives and directory.stat().st_uid == os.geteuid():
            processes.kill_all(processes.with_variable(f"/{tag}."))  # whatever left its namespace
            shutil.rmtree(directory, ignore_errors=True)
            swept.append(str(directory))
    return swept


def links() -> frozenset[str]:
    """The network interfaces of the namespace we are in."""
    return frozenset(link["ifname"] for link in json.loads(ip("-j", "link") or "[]"))


@dataclass(frozen=True, slots=True)
class Traces:
    """What must be gone when a lab has ended. Taken while it is still there."""

    tag: Tag
    links_before: frozenset[str]
    devices: frozenset[str]
    cookies: frozenset[int]
    """How the kernel numbers its namespaces; state directories are called so."""

    def left_behind(self) -> list[str]:
        """What is still there, in words; nothing when all is as before."""
        return [
            *(f"namespace {name}" for name in existing() if self.tag.names(name)),
            *(f"interface {name}" for name in sorted((links() - self.links_before) & self.devices)),
            *(f"process {pid}" for pid in processes.find(processes.with_variable(f"/{self.tag}."))),
            *(f"directory {path}" for path in self._directories()),
        ]

    def _directories(self) -> Iterable[Path]:
        yield from (path for path in scratch_root().glob("lab-*") if self.tag.names(path.name))
        yield from (path for cookie in sorted(self.cookies) if (path := _STATE_DIRS / f"netns-{cookie}").exists())
