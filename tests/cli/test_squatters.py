"""Other users of the host at the control socket: they may hold its name, fill it, and ask; root and the node go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.conftest import TIMEOUT, Cli
from tests.cli.test_running import PROFILE, running
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SQUATTER = r"""
import json, socket, sys
held = socket.socket(socket.AF_UNIX)
held.bind("\0appliance")
held.listen(int(sys.argv[1]))
full = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for one in full:
    one.setblocking(False)
    one.connect("\0appliance")
print("held", flush=True)
while not full:
    caller, _ = held.accept()
    if caller.recv(65536):
        caller.sendall(json.dumps({"ok": True, "result": {"changed": True, "steps": [], "confirmed": True}}).encode() + b"\n")
sys.stdin.read()
"""
CROWD = r"""
import socket, sys
held = []
for _ in range(200):
    one = socket.socket(socket.AF_UNIX)
    one.connect("\0appliance")
    held.append(one)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def nobody(host: Cli, program: str, *arguments: str) -> Iterator[None]:
    """An ordinary user's program, from when it says that it is there until it is ended."""
    command = [*host.inside, *NOBODY, "/usr/bin/python3", "-c", program, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield
        finally:
            process.kill()


@pytest.fixture
def prepared(host: Cli) -> Cli:
    """A host with a profile and its key."""
    host("keys", "new", "identity")
    host.profile(PROFILE)
    return host


@pytest.mark.parametrize(("backlog", "own"), [("64", "0"), ("0", "1")], ids=["answers", "full"])
def test_nothing_is_said_to_be_done_by_who_is_no_daemon(prepared: Cli, namespace: Throwaway, backlog: str, own: str) -> None:
    before = namespace.snapshot()
    with nobody(prepared, SQUATTER, backlog, own):
        asked = prepared("status")
        assert (asked.code, asked.out) == (7, "")
        assert "user nobody holds the name of its control socket" in asked.err
        assert prepared("confirm").code == 1
        applied = prepared("apply", "profile.yaml", "--confirm-within", "5min", "--json").document
        assert (applied["by"], applied["changed"]) == ("host", True)
        assert namespace.snapshot() != before
        assert prepared("confirm").code == 0
        undone = prepared("rollback", "--json").document
        assert (undone["by"], bool(undone["steps"])) == ("host", True)
    assert namespace.snapshot() == before


def test_a_daemon_runs_although_its_name_is_taken(prepared: Cli, namespace: Throwaway) -> None:
    before = namespace.snapshot()
    with nobody(prepared, SQUATTER, "64", "0"):
        with running(prepared, "profile.yaml") as daemon:
            status = prepared("status", "--json")
            assert (status.code, status.document["pid"]) == (5, daemon.pid)
            assert "user nobody holds the name" in status.document["problems"]["control"]
            assert prepared("run", "profile.yaml").code == 1
            prepared.profile(PROFILE.replace("[10.8.0.1/24]", "[10.8.0.1/24, 10.8.5.1/24]"))
            assert prepared("apply", "--json").document["by"] == "daemon"
            assert "10.8.5.1/24" in namespace.sh("ip -br addr show llp0")
        assert daemon.returncode == 0
    assert namespace.snapshot() == before


def test_a_second_daemon_is_refused_also_when_the_name_is_free_again(prepared: Cli) -> None:
    with nobody(prepared, SQUATTER, "64", "0"):
        first = prepared.start("run", "profile.yaml")
        while prepared("status").code == 7:
            assert first.poll() is None
    second = prepared("run", "profile.yaml")
    assert (second.code, "already runs" in second.err) == (1, True)
    assert prepared("status", "--json").document["pid"] == first.pid
    first.terminate()
    first.communicate(timeout=TIMEOUT)


def test_a_user_who_fills_the_socket_keeps_nobody_out(prepared: Cli) -> None:
    with running(prepared, "profile.yaml") as daemon, nobody(prepared, CROWD):
        status = prepared("status", "--json")
        assert (status.code, status.document["pid"]) == (0, daemon.pid)
        assert status.document["refused_callers"]["user-busy"] >= 100
        assert prepared("apply", "--confirm-within", "5min").code == 0
        refused = prepared("status", prefix=NOBODY)
        assert refused.code == 75
