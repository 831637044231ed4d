"""A plugin that was installed is found by commands, nodes and workers, and by nobody any more when it was taken out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from appliance.plugin_host.scaffold import create
from tests.rigs.environments import Environment

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

STANDARD = ["transport-ip", "crypto-standard", "routing-static", "discovery-bootstrap", "monitoring-prometheus"]
PROFILE = {"plugins": [*STANDARD, "crypto-mine"], "crypto": {"suites": ["mine"]}}
LAB = {
    "lab": 1,
    "name": "installed",
    "links": [{"name": "wan", "hosts": ["left", "right"], "ipv4": "192.168.70.0/24", "ipv6": "fd70:1::/64"}],
    "hosts": {
        "left": {"addresses": ["10.70.0.1/24"], "peers": {"right": {"endpoints": ["udp://right:8443"]}}, "profile": PROFILE},
        "right": {"addresses": ["10.70.0.2/24"], "listen": ["udp://0.0.0.0:8443"], "peers": {"left": {}}, "profile": PROFILE},
    },
    "probes": [{"probe": "ping", "between": ["left", "right"]}, {"probe": "plugins", "between": ["left", "right"]}],
}


def test_workers_protect_records_with_an_installed_suite(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment")
    create("mine", "crypto", tmp_path / "crypto-mine")
    installed = environment.appliance("plugin", "install", "--editable", str(tmp_path / "crypto-mine"), "--json")
    assert installed.returncode == 0, installed.stderr
    assert json.loads(installed.stdout)["plugins"][0]["provides"] == ["suite mine"]
    assert [path.name for path in environment.plugins.iterdir() if path.name != ".lock"] == ["appliance-crypto-mine"]
    lab = tmp_path / "lab.yaml"
    lab.write_text(json.dumps(LAB))
    document = json.loads(environment.appliance("lab", str(lab), "--json").stdout)
    assert document["ok"], document
    assert {session["suite"] for host in document["hosts"] for session in host["sessions"]} == {"mine"}
    listed = environment.appliance("plugins")
    assert re.search(r"installed and not enabled: .*\bcrypto-mine\b", listed.stdout)
    assert re.search(rf"plugins: \[{', '.join(STANDARD)}, .*\bcrypto-mine\b", listed.stdout)
    assert environment.appliance("plugin", "uninstall", "crypto-mine").returncode == 0
    assert "crypto-mine" not in environment.appliance("plugins").stdout
