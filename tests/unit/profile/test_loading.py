"""From text to profile: the whole way, as the command line takes it."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.api import STANDARD_PLUGINS
from appliance.api.values import Endpoint
from appliance.profile import LoadedProfile, LocatedProblem, ProfileInvalid, enabled_plugins, load
from appliance.profile.loading import readings_of

Write = Callable[..., Path]
Load = Callable[..., LoadedProfile]
Problems = Callable[..., list[LocatedProblem]]


def test_defaults_are_sane(read: Load, minimal: str) -> None:
    profile = read(minimal).profile
    assert profile.name == "appliance"
    assert profile.server.identity == "file:/etc/appliance/identity"
    assert profile.server.listen == ()
    assert (profile.network.interface, profile.network.mtu, profile.network.datagram) == ("llp0", 1400, "auto")
    assert profile.crypto.suites == ("aes-256-gcm", "chacha20-poly1305")
    assert (profile.crypto.pq, profile.crypto.rotate.bytes, profile.crypto.rotate.after) == ("required", 5_000_000, 600.0)
    assert (profile.limits.sessions, profile.limits.idle, profile.limits.reassembly_bytes) == (1000, 60.0, 4_000_000)
    assert profile.plugins == STANDARD_PLUGINS
    assert profile.monitoring == profile.discovery == {}


def test_values_become_what_they_mean(read: Load, minimal: str, peers: str) -> None:
    profile = read(minimal + peers).profile
    assert profile.network.addresses == (ipaddress.ip_interface("10.8.0.1/24"),)
    assert profile.peers[0].endpoints == (Endpoint("udp", "198.51.100.7", 8443),)
    assert profile.peers[1].allowed == (ipaddress.ip_network("10.8.0.3/32"),)
    assert profile.peers[0].keepalive == 10.0


def test_a_profile_does_not_change(read: Load, minimal: str) -> None:
    profile = read(minimal).profile
    with pytest.raises(ValueError, match="frozen"):
        profile.name = "other"  # type: ignore[misc]


def test_problems_of_all_kinds_are_told_at_once_in_order(problems: Problems, minimal: str, peers: str) -> None:
    text = minimal + peers + "mtu: 5\nlimits: {sessions: 010}\nlimits: {}\ncrypto: {suites: ['null'], pq: on}\n"
    assert [(problem.line, problem.path) for problem in problems(text)] == [
        (6, "mtu"),
        (7, ""),
        (8, ""),
        (9, "crypto.pq"),
    ]


def test_contradictions_do_not_wait_for_the_next_run(problems: Problems, minimal: str, peers: str) -> None:
    clash = (
        '  - {name: a, identity: "llp1:c", allowed: [10.8.0.9/32]}\n  - {name: b, identity: "IDENTITY", allowed: [10.8.0.2/32]}\n'
    )
    text = minimal + peers + clash.replace("IDENTITY", "llp1:" + "c" + "a" * 51) + "limits: {idle: soon}\n"
    assert [(problem.line, problem.path) for problem in problems(text)] == [
        (6, "peers.2.identity"),
        (7, "peers.3.name"),
        (7, "peers.3.allowed.0"),
        (8, "limits.idle"),
    ]


def test_one_fault_is_one_report(problems: Problems, minimal: str) -> None:
    assert len(problems(minimal + "limits: {sessions: 010}\n")) == 1
    assert len(problems('profile = 1\nname = 1979-05-27\n[network]\naddresses = ["10.8.0.1/24"]\n', name="n.toml")) == 1


def test_an_unreadable_text_is_not_judged_further(problems: Problems) -> None:
    assert [problem.path for problem in problems("profile: 1\nname: [\n")] == [""]


def test_another_version_is_not_judged_further(problems: Problems) -> None:
    (found,) = problems("profile: 2\nnew_key: 1\n")
    assert "newer than this appliance" in found.message


def test_the_system_folders(tmp_path: Path, write: Write, minimal: str, peers: str) -> None:
    write(minimal, "usr/lib/appliance/profile.yaml")
    write(peers, "run/appliance/profile.d/50-peers.yaml")
    write(
        '[network]\nmtu = 1300\n[[peers]]\nname = "a"\nidentity = "llp1:d' + "a" * 51 + '"\nallowed = ["10.8.0.9"]\n',
        "etc/appliance/profile.d/60.toml",
    )
    loaded = load(
        [], environ={"APPLIANCE_NETWORK__CLAMP_MSS": "false", "APPLIANCE_SERVER__LISTEN": "['udp://0.0.0.0:1']"}, root=tmp_path
    )
    assert [file.name for file in loaded.files] == ["profile.yaml", "50-peers.yaml", "60.toml"]
    assert [(peer.name, str(peer.allowed[0])) for peer in loaded.profile.peers] == [("a", "10.8.0.9/32"), ("b", "10.8.0.3/32")]
    network = loaded.profile.network
    assert (network.mtu, network.clamp_mss, str(network.addresses[0])) == (1300, False, "10.8.0.1/24")


def test_the_environment_alone(tmp_path: Path) -> None:
    loaded = load([], environ={"APPLIANCE_NETWORK__ADDRESSES": "[10.8.0.1/24]"}, root=tmp_path)
    assert str(loaded.profile.network.addresses[0]) == "10.8.0.1/24"
    assert loaded.files == ()


def test_no_profile_anywhere(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        load([], environ={}, root=tmp_path)
    assert "appliance init" in caught.value.hint


def test_the_environment_is_told_by_its_variable(problems: Problems, minimal: str) -> None:
    (found,) = problems(minimal, environ={"APPLIANCE_NETWORK__MUT": "1400"})
    assert (found.file, found.line, found.message) == (
        "environment APPLIANCE_NETWORK__MUT",
        0,
        "unknown key, did you mean 'mtu'?",
    )


def test_a_relative_identity_starts_at_its_file(tmp_path: Path, write: Write, minimal: str) -> None:
    path = write(minimal + "server: {identity: 'file:keys/me'}\n")
    assert load([path], environ={}).profile.server.identity == f"file:{tmp_path}/keys/me"
    over = write("server: {identity: 'file:me'}\n", "node.yaml.d/1.yaml")
    assert load([path], environ={}).profile.server.identity == f"file:{over.parent}/me"


def test_texts_that_somebody_else_has_read(tmp_path: Path, minimal: str) -> None:
    place = tmp_path / "home/profile.yaml"  # of which nothing can be seen here
    (tmp_path / "home/profile.yaml.d").mkdir(parents=True)
    (tmp_path / "home/profile.yaml.d/90-not-given.yaml").write_text("network: {mtu: 1234}\n")
    drop_in = tmp_path / "home/profile.yaml.d/10-more.yaml"
    texts = {place: minimal.encode() + b"server: {identity: 'file:key'}\n", drop_in: b"network: {mtu: 1380}\n"}
    loaded = load(list(texts), environ={}, readings=readings_of(texts), exact=True)
    assert (loaded.files, loaded.profile.network.mtu) == ((place, drop_in), 1380)
    assert loaded.profile.server.identity == f"file:{tmp_path}/home/key"
    with pytest.raises(ProfileInvalid) as caught:
        load([place], environ={}, readings=readings_of({place: b"\xff"}), exact=True)
    assert [(problem.file, problem.message) for problem in caught.value.problems] == [(str(place), "this is not UTF-8 text")]


def test_plugins_are_known_before_the_profile_is_valid(write: Write, minimal: str) -> None:
    path = write(minimal + "plugins: [transport-ip, mine]\nmine: {x: 1}\n")
    assert enabled_plugins([path], environ={}) == ("transport-ip", "mine")
    assert enabled_plugins([path], environ={"APPLIANCE_X__Y": "["}) == ("transport-ip", "mine")
    assert enabled_plugins([write("plugins: 5\n")], environ={}) == STANDARD_PLUGINS
    assert enabled_plugins([write("plugins: [")], environ={}) == STANDARD_PLUGINS


def test_many_peers_in_a_large_file(read: Load, minimal: str) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    identities = [f"llp1:{letters[n // 32]}{letters[n % 32]}{'a' * 50}" for n in range(1000)]
    rows = [
        f'  - {{name: p{n}, identity: "{identity}", allowed: [10.9.{n // 250}.{n % 250}]}}\n'
        for n, identity in enumerate(identities)
    ]
    loaded = read(minimal + "server: {listen: ['udp://0.0.0.0:1']}\npeers:\n" + "".join(rows))
    assert len(loaded.profile.peers) == 1000


def test_a_lone_file_costs_no_pydantic_settings(write: Write, minimal: str) -> None:
    code = (
        "import sys, pathlib, appliance.profile\n"
        f"appliance.profile.load([pathlib.Path({str(write(minimal))!r})], environ={{}})\n"
        "assert 'pydantic_settings' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
