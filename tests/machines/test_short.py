"""The short form of `make rigs`: two machines with the Debian package of this tree, and one of them loses power."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.lab.guests import programs
from appliance.lab.guests.debian import SUITES
from tests.rigs import packaged

pytestmark = [
    pytest.mark.netns,
    pytest.mark.wheels,
    pytest.mark.timeout(2400),  # the first time it makes a Debian; alone that takes three minutes
]
LAB = """
lab: 1
name: short
links: [{name: wan, hosts: [left, right], ipv4: 192.0.2.0/24}]
hosts:
  left: {addresses: [10.8.0.1/24], listen: ["udp://0.0.0.0:8443"], peers: {right: {}}}
  right: {addresses: [10.8.0.2/24], peers: {left: {endpoints: ["udp://left:8443"]}}}
probes:
  - {probe: ping, between: [left, right]}
  - {probe: isolation, from: left, to: right}
  - {probe: transfer, from: left, to: right, size: 1MiB}
steps:
  - {do: kill, host: right}
  - {do: start, host: right}
  - {probe: ping, from: left, to: right, within: 1200s}
"""


def test_two_machines_and_a_loss_of_power(tmp_path: Path) -> None:
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    suite = release if release in SUITES else "bookworm"
    missing = [tool for tool in ("mmdebstrap", programs.emulator("amd64")) if not shutil.which(tool, path=programs.PATH)]
    if missing:
        pytest.skip(f"virtual machines need {', '.join(missing)} (make setup)")
    (tmp_path / "wheels").mkdir()
    package = packaged.debian_package(packaged.wheels(tmp_path / "wheels"), suite)
    (tmp_path / "lab.yaml").write_text(LAB)

    words = ["lab", "lab.yaml", "--on", f"vms:{suite}", "--package", str(package), "--json"]
    done = subprocess.run([sys.executable, "-m", "appliance.cli", *words], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [host["machine"] for host in told["hosts"]] == [f"guest {name} (Debian {suite}, amd64)" for name in ("left", "right")]
    assert told["ok"]
    assert told["left_behind"] == []
    assert [probe["ok"] for probe in told["probes"]] == [True] * 5
