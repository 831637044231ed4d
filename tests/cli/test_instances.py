"""Several nodes of one network namespace, told apart by --instance."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from appliance.client import Client
from appliance.linux.machine import netns_cookie
from tests.cli.conftest import TIMEOUT, Cli, Ended
from tests.cli.test_squatters import NOBODY
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

PEER = "llp1:" + "a" * 52


def profile(number: int, *, interface: str = "", port: int = 0, network: str = "", more: str = "", allowed: str = "") -> str:
    """A node that has, by its number, an interface, a port and networks of its own."""
    return f"""\
profile: 1
name: node-{number}
server: {{identity: file:identity, listen: ["udp://127.0.0.1:{port or 8440 + number}"]}}
network: {{interface: {interface or f"llp{number}"}, addresses: [10.{number}.0.1/24], {network}}}
plugins: [transport-ip, crypto-standard, routing-static]
{more}
peers: [{{name: far, identity: "{PEER}", allowed: [10.{number}.1.0/24{allowed}]}}]
"""


class Node:
    """An instance; "" is the node without a name."""

    def __init__(self, host: Cli, name: str, number: int) -> None:
        self.host, self.name, self.number = host, name, number
        self.file = f"{number}.yaml"
        self.words = ("--instance", name) if name else ()
        host.profile(profile(number), self.file)

    def __call__(self, *words: str, prefix: tuple[str, ...] = ()) -> Ended:
        return self.host(*self.words, *words, prefix=prefix)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        daemon = self.host.start(*self.words, "run", self.file)
        try:
            _wait_until_ready(daemon)
            yield daemon
        finally:
            if daemon.poll() is None:
                daemon.terminate()
            daemon.communicate(timeout=TIMEOUT)


def _wait_until_ready(daemon: subprocess.Popen[str]) -> None:
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if '"event": "ready"' in line:
            return
    raise AssertionError("it ended before it was ready")


@pytest.fixture
def nodes(host: Cli) -> tuple[Node, Node]:
    """The one without a name, and "office"."""
    host("keys", "new", "identity")
    return Node(host, "", 1), Node(host, "office", 2)


def routes(namespace: Throwaway) -> set[str]:
    """Destinations of the overlays' own routes."""
    return {line.split()[0] for line in namespace.sh("ip route").splitlines() if " proto kernel" not in line}


def view(namespace: Throwaway) -> set[str]:
    """What nodes change on a host, without what the kernel adds by and by (IPv6's own addresses)."""
    return set(namespace.sh("ip -4 route show table all; ip rule; ip -br link; ip -4 -br addr; nft list ruleset").splitlines())


def test_each_has_its_own_of_everything_and_neither_undoes_the_other(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    plain, office = nodes
    before = namespace.snapshot()
    with plain.running() as first:
        alone = view(namespace)
        with office.running() as second:
            assert (plain("status", "--json").document["pid"], office("status", "--json").document["pid"]) == (
                first.pid,
                second.pid,
            )
            assert (plain("status", "--json").document["state"], office("status", "--json").document["state"]) == ("running",) * 2
            assert routes(namespace) == {"10.1.1.0/24", "10.2.1.0/24"}
            plain.host.profile(profile(1, allowed=", 10.1.2.0/24"), plain.file)
            assert plain("apply", "--json").document["changed"]
            assert routes(namespace) == {"10.1.1.0/24", "10.1.2.0/24", "10.2.1.0/24"}
            assert plain("rollback").code == 0
            plain.host.profile(profile(1), plain.file)
            assert (plain("plan").code, office("plan").code) == (0, 0)
        assert second.returncode == 0
        assert view(namespace) == alone
        assert office("status").code == 7
        assert plain("status").code == 0
    assert namespace.snapshot() == before


def test_without_a_node_rollback_and_confirm_are_about_one_of_them(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    plain, office = nodes
    before = namespace.snapshot()
    assert plain("apply", plain.file).code == 0
    assert office("apply", office.file, "--confirm-within", "5min").code == 0
    assert plain("confirm").code == 1, "it has nothing that awaits it"
    assert office("confirm").code == 0
    assert office("rollback", "--json").document["steps"]
    assert routes(namespace) == {"10.1.1.0/24"}
    assert plain("rollback", "--json").document["steps"]
    assert namespace.snapshot() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (profile(2, interface="llp1"), "the interface llp1 is that of another node of this network namespace, the node without"),
        (profile(2, allowed=", 10.1.1.0/24"), "10.1.1.0/24 is already routed over llp1"),
        (
            profile(2, network="full_tunnel: true", allowed=", 0.0.0.0/0"),
            "another node of this network namespace has a full tunnel",
        ),
    ],
    ids=["interface", "route", "full tunnel"],
)
def test_what_both_cannot_have_is_refused_with_a_sentence(
    nodes: tuple[Node, Node], namespace: Throwaway, text: str, said: str
) -> None:
    plain, office = nodes
    plain.host.profile(profile(1, network="full_tunnel: true", allowed=", 0.0.0.0/0"), plain.file)
    office.host.profile(text, office.file)
    with plain.running():
        alone = view(namespace)
        for word in ("plan", "apply", "run"):
            refused = office(word, office.file)
            assert refused.code == 9, refused.err
            assert said in refused.err
        assert view(namespace) == alone
        assert plain("status", "--json").document["problems"] == {}


def test_a_port_that_the_other_has_is_refused_before_the_host_is_touched(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    plain, office = nodes
    office.host.profile(profile(2, port=8441), office.file)
    with plain.running():
        alone = view(namespace)
        refused = office("run", office.file)
        assert (refused.code, "8441" in refused.err) == (1, True)
        assert view(namespace) == alone


def test_each_has_a_firewall_table_of_its_own(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    plain, office = nodes
    for node in nodes:
        node.host.profile(profile(node.number, network=f"masquerade: [10.{node.number}.1.0/24]"), node.file)
    with plain.running():
        with office.running():
            assert namespace.sh("nft list tables").splitlines() == ["table inet appliance", "table inet appliance.office"]
        assert namespace.sh("nft list tables").splitlines() == ["table inet appliance"]
        assert "10.1.1.0/24" in namespace.sh("nft list table inet appliance")


def test_what_both_want_of_the_whole_host_is_brought_back_for_the_one_that_stays(
    nodes: tuple[Node, Node], namespace: Throwaway
) -> None:
    plain, office = nodes
    before = namespace.snapshot()
    for node in nodes:
        node.host.profile(profile(node.number, network=f"masquerade: [10.{node.number}.1.0/24]"), node.file)
    with ExitStack() as first:
        first.enter_context(plain.running())
        with office.running() as daemon:
            assert namespace.sh("sysctl -n net.ipv4.ip_forward") == "1\n"
            first.close()  # it puts back what it found, which the other one needs
            assert daemon.stderr is not None
            assert any('"event": "brought back what was missing on the host"' in line for line in daemon.stderr)
            assert namespace.sh("sysctl -n net.ipv4.ip_forward") == "1\n"
    assert namespace.snapshot() == before


def test_two_that_start_at_once_are_one(nodes: tuple[Node, Node]) -> None:
    _, office = nodes
    started = [office.host.start(*office.words, "run", office.file) for _ in range(4)]
    ends = {os.pidfd_open(daemon.pid): daemon for daemon in started}
    while len(ends) > 1:
        ended = select.select(list(ends), [], [], TIMEOUT)[0]
        assert ended, "two of them live"
        for end in ended:
            os.close(end)
            assert ends.pop(end).wait(TIMEOUT) in {1, 75}
    [(end, daemon)] = ends.items()
    os.close(end)
    _wait_until_ready(daemon)
    assert office("status", "--json").document["pid"] == daemon.pid
    daemon.terminate()
    for one in started:
        _, err = one.communicate(timeout=TIMEOUT)
        assert one is daemon or "already runs in this network namespace" in err or "is changing this host" in err
    assert daemon.returncode == 0


def test_a_killed_one_leaves_a_socket_that_keeps_nobody_out(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    _, office = nodes
    before = namespace.snapshot()
    with office.running() as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait(TIMEOUT)
        assert office("status").code == 7
        with office.running() as daemon:  # while the killed one's worker still waits for somebody who takes it over
            assert office("status", "--json").document["pid"] == daemon.pid
    assert namespace.snapshot() == before


def test_after_kill_and_rollback_nothing_is_left(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    plain, office = nodes
    cookie = namespace.run(netns_cookie)
    before = namespace.snapshot()
    with office.running() as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait(TIMEOUT)
        assert office("rollback").code == 0
    assert namespace.snapshot() == before
    assert not list(Path("/run/appliance").glob(f"netns-{cookie}*"))
    assert "here are instances" not in plain("status").err


def test_a_user_who_may_not_is_refused_by_the_node_and_not_by_its_path(nodes: tuple[Node, Node]) -> None:
    _, office = nodes
    with office.running():
        asked = office("status", "--json", prefix=NOBODY)
        assert (asked.code, json.loads(asked.out)["error"]["code"]) == (6, "permission")


def test_who_asks_for_one_that_is_not_there_is_told_of_those_that_are(nodes: tuple[Node, Node], namespace: Throwaway) -> None:
    plain, office = nodes
    with office.running():
        asked = plain("status")
        assert (asked.code, "here are instances: office (`appliance --instance office …`)" in asked.err) == (7, True)
        asked = plain.host("--instance=home", "status")
        assert (asked.code, "no appliance daemon home runs" in asked.err) == (7, True)
        assert plain.host("status", "--json", APPLIANCE_INSTANCE="office").document["name"] == "node-2"
        assert namespace.run(lambda: Client("office").call("status"))["instance"] == "office"
        assert office("status").out.splitlines()[0].endswith(", instance office")


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "x" * 40])
def test_what_is_no_name_is_refused(host: Cli, name: str) -> None:
    assert host("--instance", name, "status").code == 2
    assert host("status", APPLIANCE_INSTANCE=name).code == 2
    assert not list(Path("/run/appliance").glob("*x*"))
