"""Another package, made of the one that the guests have: a higher version, without the libraries that no scenario runs."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SUFFIX: Final = "+next"
LEFT_OUT: Final = (
    *("asyncpg", "google", "graphql", "grpc*", "libp2p*", "nats", "opentelemetry*", "aiomqtt", "paho", "pygments", "qh3"),
    *("redis", "appliance_cache_redis*", "appliance_discovery_libp2p*", "appliance_export*", "appliance_gateway_graphql*"),
    *("appliance_login*", "appliance_store_postgresql*", "appliance_transport_quic*", "appliance_server_signalling*"),
)
"""Half of the files. An upgrade removes them: that too is to work."""


def higher(package: Path, suite: str, folder: Path) -> Path:
    """The package, with `SUFFIX` behind its version and in what `appliance version` says. Takes ten seconds."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    [site] = tree.glob("usr/lib/appliance/venv/lib/python3.*/site-packages")
    for path in [found for pattern in LEFT_OUT for found in site.glob(pattern)]:
        shutil.rmtree(path)
    _raise_version(tree / "DEBIAN/control", r"^Version: [^-\n]+")
    ours = site / "appliance/__init__.py"
    _raise_version(ours, r'^__version__ = "[^"]+')
    compiling = ("-m", "compileall", "-q", "-f", "-s", tree, "--invalidation-mode", "unchecked-hash", ours)
    subprocess.run([ROOT / "packaging/debian/python.sh", suite, *compiling], check=True)
    _sum_up(tree)
    made = folder / package.name.replace("-1~", f"{SUFFIX}-1~")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", tree, made], check=True, capture_output=True)
    shutil.rmtree(tree)
    return made


def _raise_version(path: Path, pattern: str) -> None:
    text, count = re.subn(pattern, lambda found: found[0] + SUFFIX, path.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{path} says no version"
    path.write_text(text)


def _sum_up(tree: Path) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.parts)
    sums = (f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n" for path in files)
    (tree / "DEBIAN/md5sums").write_text("".join(sums))
