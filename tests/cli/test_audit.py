"""The audit log of a real node, which is killed in the middle of writing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import TIMEOUT, Cli
from tests.cli.test_running import PROFILE, running

pytestmark = pytest.mark.netns

ASKING = """
from appliance.control import client
from appliance.control.messages import Question
with client.Connection() as connection:
    while True:
        connection.ask(Question("confirm", {"refused": True}))
        connection.hear("confirm")
        print("answered", flush=True)
"""
"""Somebody who changes something again and again, and says when it was answered."""


@contextmanager
def asking(host: Cli) -> Iterator[subprocess.Popen[str]]:
    command = [*host.inside, sys.executable, "-P", "-c", ASKING]
    with subprocess.Popen(command, env=host.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as asker:
        try:
            yield asker
        finally:
            asker.kill()


def test_what_was_answered_is_in_the_log_of_a_node_that_was_killed(host: Cli, tmp_path: Path) -> None:
    host("keys", "new", "identity")
    host.profile(PROFILE + "audit: {}\n")
    with running(host, "profile.yaml") as killed:
        with asking(host) as asker:
            assert asker.stdout is not None
            answered = sum(asker.stdout.readline() == "answered\n" for _ in range(30))
            killed.send_signal(signal.SIGKILL)
            killed.wait(TIMEOUT)
            answered += sum(line == "answered\n" for line in asker.stdout)
        assert answered >= 30
        assert host("audit", "verify").code == 0
        with running(host, "profile.yaml"):  # within the first, whose worker it ends
            host("confirm", "--refused")
            shown = host("audit", "show", "--json", "--limit", "100000", "--what", "confirm")
            (tmp_path / "heads.json").write_text(host("audit", "heads", "--json").out)
    entries = [json.loads(line) for line in shown.out.splitlines()]
    assert sum(entry["outcome"] == "done" for entry in entries) >= answered + 1
    assert {entry["who"]["name"] for entry in entries} == {"root"}
    verified = host("audit", "verify", "--json", "--head", "heads.json").document
    assert (verified["good"], verified["findings"], verified["heads"]) == (True, [], 1)
    (log,) = (tmp_path / "kept").glob("*.audit/00000001.audit")
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-10]))
    cut = host("audit", "verify", "--head", "heads.json")
    assert cut.code == 1
    assert "a head knows of entry" in cut.out
