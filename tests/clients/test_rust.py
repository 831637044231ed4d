"""What only Rust's client has to be asked: servers that misbehave, and descriptions that are not ours."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.clients.generating import description, made
from tests.clients.driver import STORIES
from tests.clients.drivers.rust import DRIVER, cargo
from tests.clients.strangers import strange, tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(DRIVER.missing), reason=f"needs {', '.join(DRIVER.missing)}: run packaging/setup.sh clients"),
]


def written(document: dict[str, Any], folder: Path) -> Path:
    """A client in files."""
    for path, text in made("rust", document, None).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_server_that_misbehaves(tmp_path: Path) -> None:
    client = written(description(None), tmp_path)
    (client / "tests").mkdir()
    shutil.copy(STORIES / "troubles.rs", client / "tests")
    cargo(client, "test", "--quiet", "--tests")


@pytest.mark.parametrize("document", [strange(), tiny()], ids=["strange", "tiny"])
def test_a_description_that_is_not_ours(document: dict[str, Any], tmp_path: Path) -> None:
    cargo(written(document, tmp_path), "check", "--quiet")


def test_without_tls_it_needs_no_openssl(tmp_path: Path) -> None:
    client = written(description(None), tmp_path)
    cargo(client, "check", "--quiet", "--no-default-features")
