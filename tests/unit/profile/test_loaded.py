from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.api.values import Problem
from appliance.profile import LoadedProfile, Origin

Load = Callable[..., LoadedProfile]


def test_each_key_knows_its_origin(read: Load, minimal: str, peers: str, tmp_path: Path) -> None:
    loaded = read(minimal + peers, environ={"APPLIANCE_NETWORK__MTU": "1300"})
    file = str(tmp_path / "node.yaml")
    origins = loaded.origins
    assert origins["network.addresses.0"] == Origin("file", file, 2, 23)
    assert origins["peers.1.name"] == Origin("file", file, 5, 12)
    assert origins["network.mtu"] == Origin("environment", "environment APPLIANCE_NETWORK__MTU", 1, 1)
    assert origins["peers.1.keepalive"] == origins["crypto.rotate.bytes"] == Origin("default")
    assert str(origins["network.addresses.0"]) == f"{file}:2:23"
    assert str(origins["network.mtu"]) == "environment APPLIANCE_NETWORK__MTU"
    assert str(origins["control.group"]) == "default"


def test_settings_have_the_form_of_a_profile(read: Load, minimal: str, peers: str) -> None:
    values = {
        setting.path: setting.value
        for setting in read(minimal + peers + "network: {}\n".replace("network", "discovery")).settings
    }
    assert values["peers.0.endpoints.0"] == "udp://198.51.100.7:8443"
    assert values["peers.0.keepalive"] == "10s"
    assert values["crypto.rotate.bytes"] == "5MB"
    assert values["network.routes"] == []
    assert values["discovery"] == {}
    assert "peers" not in values


def test_problems_by_key_get_their_places(read: Load, minimal: str, peers: str) -> None:
    loaded = read(minimal + peers + "monitoring:\n  health: {listen: '1'}\n")
    error = loaded.invalid(
        [
            Problem("monitoring.health.listen", "no", "hint"),
            Problem("peers.0.endpoints.0", "unknown scheme"),
            Problem("network.mtu", "too large for the path"),
            Problem("limits.idle", "short"),
            Problem("", "as a whole"),
        ]
    )
    assert [(problem.path, problem.line, problem.col, problem.width) for problem in error.problems] == [
        ("limits.idle", 1, 1, 1),
        ("", 1, 1, 1),
        ("network.mtu", 2, 1, 7),
        ("peers.0.endpoints.0", 4, 98, 25),
        ("monitoring.health.listen", 7, 20, 3),
    ]


def test_a_dotted_sysctl_is_one_key(read: Load) -> None:
    loaded = read("profile: 1\nnetwork:\n  addresses: [10.8.0.1/24]\n  sysctls:\n    net.ipv4.ip_forward: 1\n")
    assert loaded.origins["network.sysctls.net.ipv4.ip_forward"].line == 5
    (problem,) = loaded.invalid([Problem("network.sysctls.net.ipv4.ip_forward", "no")]).problems
    assert (problem.line, problem.col) == (5, 26)
