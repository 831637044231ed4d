"""Names where programs ask systemd-resolved: the real one, on a real system bus."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from rigs import resolved
from rigs.name_server import WORLD, NameServer, listening

from tests.netns.daemons import Host

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(240),
    pytest.mark.skipif(resolved.folders() is None, reason="no systemd-resolved (make setup unpacks it) or no dbus-daemon"),
]


@pytest.fixture
def resolving(hosts: tuple[Host, Host], monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The first host, whose programs ask systemd-resolved, which asks the second one's name server."""
    one, two = hosts
    with resolved.running(one.namespace.name) as (entering, variables):
        one.entering = entering
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        one.write(two, more="names: {label: overlay}")
        yield one
        if one.process is not None:
            one.stop()


def inside(host: Host, *words: str) -> str:
    """What a program there says."""
    return subprocess.run([*host.entering, *words], capture_output=True, text=True, timeout=60, check=False).stdout


def test_resolved_asks_the_node_about_peers_and_forgets_it(resolving: Host, hosts: tuple[Host, Host]) -> None:
    one, two = resolving, hosts[1]
    inside(one, "resolvectl", "dns", "wire", "192.0.2.2")
    one.start()
    assert "Current Scopes: DNS" in inside(one, "resolvectl", "status", "llp0"), "the node is ready once its names are asked for"
    two.start()
    with NameServer(*two.namespace.run(listening, "192.0.2.2")) as world:
        assert inside(one, "getent", "ahostsv4", "other.overlay").split()[0] == "10.8.0.2"
        assert inside(one, "getent", "ahostsv4", "other").split()[0] == "10.8.0.2"
        assert inside(one, "getent", "hosts", "10.8.0.2").split()[1] == "other.overlay"
        assert inside(one, "getent", "ahostsv4", "world.example").split()[0] == WORLD
        assert not any("overlay" in name or name.startswith("other") for name in world.asked)
    assert inside(one, "resolvectl", "default-route", "llp0").endswith("no\n")
    assert one.status()["names"]["servers"] == ["192.0.2.2"]
    assert inside(one, "readlink", "/etc/resolv.conf") == "/run/systemd/resolve/stub-resolv.conf\n", "nobody touched it"

    inside(one, "resolvectl", "revert", "llp0")  # somebody takes it away; noticed with the next look at the host
    inside(one, "ip", "route", "del", "10.8.0.0/24", "dev", "llp0")
    one.hear("brought back what was missing on the host")
    assert "10.8.0.1" in inside(one, "resolvectl", "dns", "llp0")
    one.profile.write_text(one.profile.read_text().replace("names: {label: overlay}", ""))
    assert one.command("apply").returncode == 0
    assert "10.8.0.1" not in inside(one, "resolvectl", "dns", "llp0")
    assert one.stop() == 0
