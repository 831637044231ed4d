"""Rust: Debian's compiler, and crates of Debian's packages only. A warning is an error."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.clients.driver import STORIES, Driver, done

CRATES = Path("/usr/share/cargo/registry")
TARGET = Path(__file__).parents[3] / "build/cargo"
"""What was built once is there the next time."""
CARGO = "/usr/bin/cargo"
"""Not one that somebody brought along: this is what Debian's crates are made for."""
_DEBIAN = f'[source.crates-io]\nreplace-with = "debian"\n\n[source.debian]\ndirectory = "{CRATES}"\n'
_PACKAGE = """\
[package]
name = "story"
version = "0.0.0"
edition = "2021"

[dependencies]
appliance-client = {{ path = "{client}" }}
serde_json = "1"
"""


def cargo(folder: Path, *words: str) -> str:
    """Run it in a folder, with what it builds below that."""
    (folder / ".cargo").mkdir(exist_ok=True)
    (folder / ".cargo/config.toml").write_text(_DEBIAN)
    mine = {"CARGO_TARGET_DIR": str(TARGET), "RUSTFLAGS": "-D warnings", "RUSTC": "/usr/bin/rustc", "CARGO_NET_OFFLINE": "true"}
    return done([CARGO, *words], folder, os.environ | mine)


def _built(client: Path, work: Path) -> list[str]:
    (work / "src").mkdir()
    shutil.copy(STORIES / "story.rs", work / "src/main.rs")
    (work / "Cargo.toml").write_text(_PACKAGE.format(client=client))
    cargo(work, "build", "--quiet")
    return [str(TARGET / "debug/story")]


_PACKAGES = ("serde-derive", "serde-json", "httparse", "openssl")
DRIVER = Driver(
    (CARGO, "/usr/bin/rustc", *(f"/usr/share/doc/librust-{name}-dev" for name in _PACKAGES)),
    _built,
    frozenset({"key", "socket", "pin", "authority"}),
)
