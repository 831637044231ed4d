from __future__ import annotations

from pathlib import Path

import pytest
from rigs.labs import pair

from appliance.lab.loading import load
from appliance.lab.profiles import as_yaml, profile_of
from appliance.profile import load as load_profile

ROOT = Path(__file__).parents[3]
IDENTITY = "llp1:" + "a" * 52


@pytest.mark.parametrize(
    "file",
    [file for file in sorted((ROOT / "profiles/lab").glob("*.yaml")) if load(file).mesh is None],
    ids=lambda path: path.stem,
)
def test_every_generated_profile_is_valid(file: Path, tmp_path: Path) -> None:
    lab = load(file)
    for number, name in enumerate(lab.hosts):
        identities = {host: f"llp1:{chr(ord('a') + index) * 51}a" for index, host in enumerate(lab.hosts)}
        path = tmp_path / f"{number}.yaml"
        path.write_text(as_yaml(profile_of(lab, name, identities)))
        profile = load_profile([path], environ={}).profile
        assert profile.name == name
        assert [peer.name for peer in profile.peers] == list(lab.peers_of(name))


def test_further_keys_are_laid_over_the_generated_ones() -> None:
    lab = pair(both={"limits": {"idle": "3s"}, "network": {"mtu": 1300}})
    profile = profile_of(lab, "left", dict.fromkeys(lab.hosts, IDENTITY))
    assert profile["limits"] == {"idle": "3s"}
    assert profile["network"]["mtu"] == 1300
    assert profile["network"]["addresses"] == ["10.70.0.1/24", "fd00:70::1/64"]


def test_a_peer_may_send_from_its_own_addresses_unless_told_otherwise() -> None:
    lab = pair()
    (peer,) = profile_of(lab, "left", dict.fromkeys(lab.hosts, IDENTITY))["peers"]
    assert peer == {
        "name": "right",
        "identity": IDENTITY,
        "endpoints": ["udp://192.168.70.2:8443"],
        "allowed": ["10.70.0.2/32", "fd00:70::2/128"],
        "keepalive": "1s",
    }


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("udp://right:8443", "udp://192.168.70.2:8443"),
        ("udp://right.ipv6:8443", "udp://[fd70:1::2]:8443"),
        ("pigeon://right:8443", "pigeon://192.168.70.2:8443"),
        ("wss://right/path", "wss://192.168.70.2/path"),
        ("relay://llp1:aaaa", "relay://llp1:aaaa"),
    ],
)
def test_hosts_of_the_lab_are_dialled_by_their_addresses(written: str, dialled: str) -> None:
    lab = pair(endpoints=(written,))
    (peer,) = profile_of(lab, "left", dict.fromkeys(lab.hosts, IDENTITY))["peers"]
    assert peer["endpoints"] == [dialled]
