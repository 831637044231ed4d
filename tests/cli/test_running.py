"""A node that runs, and the commands that speak with it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cli.conftest import APPLIANCE, TIMEOUT, Cli
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

PROFILE = """\
profile: 1
name: office
server: {identity: file:identity, listen: ["udp://127.0.0.1:8443"]}
network: {addresses: [10.8.0.1/24]}
plugins: [transport-ip, crypto-standard, routing-static]
"""


@contextmanager
def running(host: Cli, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`appliance run`, ready; ended and gone afterwards."""
    daemon = host.start("run", *words)
    try:
        _wait_until_ready(host, daemon)
        yield daemon
    finally:
        daemon.terminate()  # kill -9 would leave its worker forwarding for half a minute, as it should
        daemon.communicate(timeout=TIMEOUT)


@pytest.fixture
def node(host: Cli) -> Iterator[subprocess.Popen[str]]:
    """A running node with the profile above."""
    host("keys", "new", "identity")
    host.profile(PROFILE)
    with running(host, "profile.yaml") as daemon:
        yield daemon
    host("rollback")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_undoes_everything(host: Cli, namespace: Throwaway, number: signal.Signals) -> None:
    host("keys", "new", "identity")
    host.profile(PROFILE)
    before = namespace.snapshot()
    with running(host, "profile.yaml") as daemon:
        assert namespace.snapshot() != before
        daemon.send_signal(number)
        out, err = daemon.communicate(timeout=TIMEOUT)
    assert (daemon.returncode, out) == (0, ""), err
    told = {line["event"]: line for line in map(json.loads, err.splitlines())}
    assert [event for event in told if event in {"ready", "stopping", "host is as before", "stopped"}] == [
        *("ready", "stopping", "host is as before", "stopped")
    ]
    assert told["stopping"]["reason"] == f"signal {number.name}"
    assert not [event for event, line in told.items() if line["level"] in {"warn", "error"}]
    assert namespace.snapshot() == before
    assert host("status").code == 7


def test_status_for_programs_and_for_people(host: Cli, node: subprocess.Popen[str]) -> None:
    document = host("status", "--json").document
    assert (document["name"], document["state"], document["pid"]) == ("office", "running", node.pid)
    assert document["identity"] == host("keys", "show", "identity").out.strip()
    assert document["listen"] == ["udp://127.0.0.1:8443"]
    assert document["parts"]["links"] == {"open": 1, "listeners": 1, "so_far": 1}
    (plugin,) = (fact for fact in document["plugins"] if fact["name"] == "transport-ip")
    assert plugin["stats"] == [{"part": "transport udp", "figures": {"listening": 1, "dialled": 0, "connected": 0}}]
    lines = host("status").out.splitlines()
    assert lines[0] == f"office  running  version {document['version']}, pid {node.pid}"
    assert "interface  llp0  10.8.0.1/24  mtu 1400" in lines
    assert "no sessions" in lines


def test_watching_shows_it_again_until_ctrl_c(host: Cli, node: subprocess.Popen[str]) -> None:
    for word, says in (
        ("status", b"office  running"),
        ("peers", b"this node has no peers"),
        ("discover", b"no place of any peer is known"),
    ):
        watches(host, word, says)


def watches(host: Cli, word: str, says: bytes) -> None:
    """A command with --watch, at a terminal."""
    terminal, theirs = pty.openpty()
    watching = subprocess.Popen([*host.inside, APPLIANCE, word, "--watch"], env=host.environ, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + TIMEOUT
    while shown.count(says) < 2 and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(TIMEOUT) == 130
    os.close(terminal)
    assert shown.count(says) >= 2
    assert b"Traceback" not in shown


def test_applying_goes_through_the_daemon(host: Cli, namespace: Throwaway, node: subprocess.Popen[str]) -> None:
    host.profile(PROFILE.replace("[10.8.0.1/24]", "[10.8.0.1/24, 10.8.5.1/24]"))
    assert host("plan", "profile.yaml").code == 3
    applied = host("apply", "profile.yaml")
    assert applied.code == 0, applied.err
    assert applied.out == "the daemon has taken over the profile: 1 change on the host\n"
    assert "10.8.5.1/24" in namespace.sh("ip -br addr show llp0")
    assert host("status", "--json").document["pid"] == node.pid
    assert host("apply", "profile.yaml").out == "nothing to do: nothing has changed\n"
    host.profile(PROFILE)
    assert host("apply").out == "the daemon has taken over the profile: 1 change on the host\n"
    assert "10.8.5.1/24" not in namespace.sh("ip -br addr show llp0")


def test_an_invalid_profile_leaves_the_daemon_alone(host: Cli, node: subprocess.Popen[str]) -> None:
    host.profile(PROFILE.replace("addresses", "adresses"))
    refused = host("apply", "profile.yaml")
    assert refused.code == 2
    assert "network.adresses" in refused.err
    again = host("apply", "--json")
    assert again.code == 2
    assert again.document["error"]["problems"][0]["path"] == "network.adresses"
    assert host("status").code == 0


def test_confirming_and_rolling_back_through_the_daemon(host: Cli, namespace: Throwaway, node: subprocess.Popen[str]) -> None:
    host.profile(PROFILE.replace("[10.8.0.1/24]", "[10.8.0.1/24, 10.8.5.1/24]"))
    applied: dict[str, Any] = host("apply", "profile.yaml", "--confirm-within", "5min", "--json").document
    assert (applied["by"], applied["changed"], applied["confirm_within"]) == ("daemon", True, 300.0)
    assert 290 < host("status", "--json").document["confirm_by"] <= 300
    assert host("confirm").out == "confirmed: the changes stay\n"
    assert host("confirm").code == 1
    assert host("rollback").out == "the daemon went back to the profile it had before\n"
    assert "10.8.5.1/24" not in namespace.sh("ip -br addr show llp0")


def test_a_stranger_may_not_ask(host: Cli, node: subprocess.Popen[str]) -> None:
    refused = host("status", prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    assert (refused.code, refused.out) == (6, "")
    assert "may not do this" in refused.err
    assert "control.group" in refused.err


def test_only_one_daemon(host: Cli, node: subprocess.Popen[str]) -> None:
    second = host("run", "profile.yaml")
    assert second.code == 1
    assert second.err.rstrip().splitlines()[-2].endswith("an appliance daemon already runs in this network namespace")
    assert host("status", "--json").document["pid"] == node.pid


def test_the_doctor_finds_a_running_node_well(host: Cli, node: subprocess.Popen[str]) -> None:
    found = {finding["code"] for finding in host("doctor", "profile.yaml", "--during", "1s", "--json").document["findings"]}
    assert not found & {
        "no-daemon",
        "port-in-use",
        "changes-pending",
        "applied-without-daemon",
        "offload-missing",
        "plugin-failed",
    }
    assert not found & {"drops-rising", "descriptors-few", "disk-filling", "certificate-ends"}


def _wait_until_ready(host: Cli, daemon: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while daemon.poll() is None and time.monotonic() < deadline:
        ended = host("status", "--json")
        if ended.code in {0, 5} and ended.document["ready"]:
            return
    raise AssertionError(daemon.communicate(timeout=TIMEOUT))


def test_it_says_where_its_processes_spend_their_time_and_what_they_hold(host: Cli, node: subprocess.Popen[str]) -> None:
    worker = host("debug", "profile", "--worker", "0", "--during", "1s", "--json").document
    assert worker["process"] == "worker 0"
    assert worker["samples"] > worker["torn"]
    assert any("run (appliance/worker/loop.py)" in stack for stack in worker["stacks"]), worker
    control = host("debug", "profile", "--during", "1s", "--output", "stacks")
    assert "EpollSelector.select" in control.out
    assert "TimedSelector.select (appliance/foundation/turns.py" in (host.directory / "stacks").read_text()
    held = host("debug", "memory", "--json").document
    assert held["descriptors"]["socket"] > 2
    assert {each["type"] for each in held["types"]} >= {"builtins.dict", "builtins.tuple"}
    told = host("status", "--json").document
    assert (told["state"], told["worker"]["restarts"]) == ("running", 0), "looking at it changes nothing"
