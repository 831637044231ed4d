"""A node needs no host: two of them in one process, without privileges and without a TUN device, carry packets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
NO_CAPABILITIES = ("setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs") if os.geteuid() == 0 else ()


def run(*program: str) -> Any:
    """What a program without privileges printed."""
    done = subprocess.run(
        [*NO_CAPABILITIES, sys.executable, "-m", *program],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_two_nodes_in_one_process_move_packets_through_socket_pairs(scheme: str) -> None:
    said = run("rigs.two_nodes", scheme)
    assert said["moved"] == 400
    assert said["sessions"] == ["node-2", "node-1"]
    assert said["health"] == [{}, {}]
    assert int(said["capabilities"], 16) == 0
    assert not said["tun"]
    assert said["interfaces"], "no interface came or went"
    assert said["children"] == []


def test_two_nodes_that_discovery_brings_together_and_apart() -> None:
    said = run("rigs.brought")
    assert said["without a word"] == {"peers": {}, "stats": {"from mesh": 0, "refused not-allowed": 1}, "health": {}}
    assert said["moved"] == 50
    assert [node["peers"] for node in said["together"]] == [{"b": "member"}, {"a": "member"}]
    assert [node["health"] for node in said["together"]] == [{}, {}]
    assert said["apart"]["peers"] == {}
