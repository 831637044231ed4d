"""The wheels and the Debian package of this working tree, built once for all workers of a run, and again when it has changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELF = ROOT / "build/packaged"
RECIPES = ("uv.lock", "packaging/debian/*", "packaging/systemd/*")


def uv() -> str:
    """The program uv. Skips the test where there is none."""
    found = shutil.which(os.environ.get("UV", "uv")) or shutil.which(ROOT / ".tools/bin/uv")
    if found is None:
        pytest.skip("needs uv (make setup)")
    return found


def wheels(folder: Path) -> list[Path]:
    """Of every distribution of ours, into this folder."""
    subprocess.run([ROOT / "packaging/wheels.sh", folder], env={**os.environ, "UV": uv()}, check=True)
    return sorted(folder.glob("*.whl"))


def debian_package(built: list[Path], suite: str) -> Path:
    """Of these wheels, for a release of Debian on this machine's processor."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs Debian")
    recipes = [path for pattern in RECIPES for path in sorted(ROOT.glob(pattern))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in (*built, *recipes))).hexdigest()[:16]
    folder = SHELF / f"{suite}-{digest}"
    SHELF.mkdir(parents=True, exist_ok=True)
    with (SHELF / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for old in SHELF.glob(f"{suite}-*"):
                shutil.rmtree(old)
            growing = SHELF / "growing"
            shutil.rmtree(growing, ignore_errors=True)
            command: list[str | Path] = [ROOT / "packaging/debian/build.sh", built[0].parent, growing, suite]
            subprocess.run(command, env={**os.environ, "UV": uv()}, check=True)
            growing.rename(folder)
    [package] = folder.glob("appliance_*.deb")
    return package
