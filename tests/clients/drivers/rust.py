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


def cargo(folder: Path, *words: str) -> str:
    """Run it in a folder, with what it builds below that."""
    (folder / ".cargo").mkdir(exist_ok=True)
    (folder / ".cargo/config.toml").write_text(_DEBIAN)
    mine = {"CARGO_TARGET_DIR": str(TARGET), "RUSTFLAGS": "-D warnings", "RUSTC": "/usr/bin/rustc", "CARGO_NET_OFFLINE": "true"}
    return done([CARGO, *words], folder, os.environ | mine)


def _built(client: Path, work: Path) -> list[str]:
    return _program(client, work, (STORIES / "story.rs").read_text())


def _program(client: Path, work: Path, text: str) -> list[str]:
    cargo(work, "init", "--name", "quick-start")
    with (work / "Cargo.toml").open("a") as manifest:  # Debian's `cargo add` finds another crate than it is asked for
        manifest.write(f'appliance-client = {{ path = "{client}" }}\nserde_json = "1"\n')
    (work / "src/main.rs").write_text(text)
    cargo(work, "build", "--quiet")
    return [str(shutil.copy(TARGET / "debug/quick-start", work))]


_PACKAGES = ("serde-derive", "serde-json", "httparse", "openssl")
DRIVER = Driver(
    (CARGO, "/usr/bin/rustc", *(f"/usr/share/doc/librust-{name}-dev" for name in _PACKAGES)),
    _built,
    frozenset({"key", "socket", "pin", "authority", "certificate"}),
    _program,
)
