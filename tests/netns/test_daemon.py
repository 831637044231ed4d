"""The daemon as an admin meets it: two hosts, two profiles, `appliance run`, and what may happen to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import ExitCode
from appliance.foundation.places import state_dir
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns


def test_two_hosts_reach_each_other_and_leave_no_trace(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    assert second.pings("fd00:8::1")
    status = first.status()
    session = status["sessions"][0]
    assert (session["peer"], session["suite"], session["pq"], session["transport"]) == ("other", "aes-256-gcm", True, "udp")
    assert session["endpoint"].startswith("udp://192.0.2.2:")
    assert session["rx_bytes"] > 0
    assert session["tx_bytes"] > 0
    assert status["state"] == "running"
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_killed_worker_is_replaced_and_its_peer_called(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    os.kill(first.status()["worker"]["pid"], signal.SIGKILL)
    assert second.pings("10.8.0.1")
    assert first.status()["worker"]["restarts"] == 1


def test_a_killed_daemon_is_followed_by_the_next(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    assert len(first.status()["sessions"]) == 1
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    first.start()
    assert first.pings("10.8.0.2")
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_changed_profile_keeps_the_session(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    session = first.status()["sessions"][0]["session"]
    first.write(second, listen="udp://0.0.0.0:8443, udp://0.0.0.0:9443", mtu=1300)
    answer = first.command("apply", str(first.profile), "--json")
    assert answer.returncode == ExitCode.OK, answer.stderr
    status = first.status()
    assert status["sessions"][0]["session"] == session
    assert status["listen"] == ["udp://0.0.0.0:8443", "udp://0.0.0.0:9443"]
    assert "mtu 1300" in first.namespace.sh("ip link show llp0")
    first.profile.write_text("profile: 2\n")
    assert first.command("apply", str(first.profile)).returncode == ExitCode.INVALID
    assert first.status()["sessions"][0]["session"] == session
    assert first.command("rollback").returncode == ExitCode.OK
    assert "mtu 1400" in first.namespace.sh("ip link show llp0")


def test_the_interface_is_renamed_under_a_running_daemon(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    for name in ("over0", "llp0"):
        first.write(second, interface=name)
        answer = first.command("apply", str(first.profile))
        assert answer.returncode == ExitCode.OK, answer.stderr
        assert f" {name}:" in first.namespace.sh("ip -o link show type tun")
        assert first.pings("10.8.0.2")
        assert second.pings("fd00:8::1")
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


@pytest.mark.parametrize(
    ("listen", "near", "far"), [("0.0.0.0", "192.0.2.77", "192.0.2.2"), ("[::]", "[2001:db8::77]", "[2001:db8::2]")]
)
def test_a_peer_hears_from_the_address_it_called(hosts: tuple[Host, Host], listen: str, near: str, far: str) -> None:
    first, second = hosts
    first.namespace.sh("ip addr add 192.0.2.77/24 dev wire; ip addr add 2001:db8::1/64 dev wire nodad")
    first.namespace.sh("ip addr add 2001:db8::77/128 dev wire nodad preferred_lft 0")
    second.namespace.sh("ip addr add 2001:db8::2/64 dev wire nodad")
    first.write(second, listen=f"'udp://{listen}:8443'")
    second.write(first, listen="", endpoints=f'"udp://{near}:8443"')
    first.start()
    second.start()
    assert second.pings("10.8.0.1")
    assert second.status()["sessions"][0]["endpoint"] == f"udp://{near}:8443"
    assert first.status()["sessions"][0]["endpoint"].startswith(f"udp://{far}:")
    sockets = first.namespace.sh("ss -Hun")
    assert f"{near}:8443 " in sockets, "the peer's own socket has the address the peer called"
    assert first.status()["drops"].get("unreachable", 0) == 0
    first.stop(signal.SIGKILL)
    first.start()
    first.hear("session ready")
    assert first.pings("10.8.0.2")
    assert second.status()["sessions"][0]["endpoint"] == f"udp://{near}:8443"


def test_one_daemon_a_host_and_a_port_of_its_own(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    again = first.command("run", str(first.profile))
    assert again.returncode == ExitCode.FAILURE
    assert "already runs" in again.stderr
    before = second.namespace.snapshot()
    rival = f"import socket; s = socket.create_server(('', 8443)); import subprocess; subprocess.run({['sleep', '60']!r})"
    with subprocess.Popen(["nsenter", f"--net=/run/netns/{second.namespace.name}", sys.executable, "-c", rival]) as blocker:
        try:
            second.namespace.sh("until ss -lnt | grep -q 8443; do :; done")
            refused = second.command("run", str(second.profile))
        finally:
            blocker.kill()
    assert refused.returncode == ExitCode.FAILURE
    assert "port 8443 is in use" in refused.stderr
    assert second.namespace.snapshot() == before


def test_a_monitor_without_a_port_is_on_its_plugins_account(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    page = "monitoring: {{health: {{listen: '{address}:9465'}}}}"
    first.write(second, plugins="monitoring-prometheus", more=page.format(address="203.0.113.1"))
    first.start()
    answer = first.command("plugins", "--json")
    assert answer.returncode == ExitCode.DEGRADED
    facts = {fact["name"]: fact for fact in json.loads(answer.stdout)["plugins"]}
    assert facts["monitoring-prometheus"]["stage"] == "run"
    assert facts["monitoring-prometheus"]["problem"].startswith("monitor health: ")
    assert first.status()["state"] == "degraded"
    first.write(second, plugins="monitoring-prometheus", more=page.format(address="127.0.0.1"))
    first.command("apply")
    assert first.command("plugins").returncode == ExitCode.OK
    assert first.status()["state"] == "running"


def test_a_missing_key_says_how_to_make_one(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    (tmp_path / "1.key").unlink()
    answer = hosts[0].command("run", str(hosts[0].profile))
    assert answer.returncode == ExitCode.INVALID
    assert "appliance keys new" in answer.stderr


def test_a_profile_that_cuts_off_the_admin_is_refused(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    admin = "192.0.2.2 50000 192.0.2.1 22"
    before = first.namespace.snapshot()
    first.write(second, network="routes: [{to: 192.0.2.2/32}]")
    refused = first.command("run", str(first.profile), SSH_CONNECTION=admin)
    assert refused.returncode == ExitCode.UNFIT
    assert "cut off your own session" in refused.stderr
    assert "--confirm-within" in refused.stderr
    assert first.namespace.snapshot() == before
    first.write(second)
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    session = first.status()["sessions"][0]["session"]
    for interface in ("llp0", "llp1"):
        first.write(second, interface=interface, network="routes: [{to: 192.0.2.2/32}]")
        refused = first.command("apply", str(first.profile), SSH_CONNECTION=admin)
        assert refused.returncode == ExitCode.UNFIT
        assert "cut off your own session" in refused.stderr
        assert first.status()["sessions"][0]["session"] == session


def test_what_a_killed_daemon_left_goes_with_the_rollback(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    worker = first.status()["worker"]["pid"]
    state = Path(first.namespace.run(state_dir))
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (state / "worker.json").exists()
    assert first.command("rollback").returncode == ExitCode.OK
    assert first.namespace.snapshot() == before
    assert not state.exists()
    left = Path(f"/proc/{worker}/cmdline")
    assert not (left.exists() and left.read_bytes()), "at most a zombie, where nobody collects orphans"
