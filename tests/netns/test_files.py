"""Files from host to host, by the commands, while daemons are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.netns.daemons import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

MB = 1 << 20


class Command:
    """An `appliance` command of a host that says what happens, a JSON object a line."""

    def __init__(self, host: Host, *words: str) -> None:
        self._process = subprocess.Popen(
            [*host.entering, sys.executable, "-P", "-m", "appliance.cli", *words, "--json"], stdout=subprocess.PIPE
        )

    def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "it ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def hear_until(self, event: str, on_disk: int = 0) -> dict[str, Any]:
        """Until that has happened; so many bytes are on the receiver's disk by then."""
        while (said := self.hear())["event"] != event or said.get("on_disk", on_disk) < on_disk:
            pass
        return said

    def end(self, number: signal.Signals | None = None) -> int:
        if number is not None and self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code


def test_a_folder_arrives_although_everything_is_killed_once(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    here, there = hosts
    for host in hosts:
        host.start()
        host.namespace.sh("tc qdisc add dev wire root tbf rate 2mbit burst 64k latency 50ms")  # nothing is complete too early
    (tmp_path / "out").mkdir()
    data = os.urandom(32 * MB)
    (tmp_path / "out" / "large").write_bytes(data)
    (tmp_path / "out" / "small").write_text("small")
    receive = ("receive", str(tmp_path / "in"), "--once", "--from", "other")
    receiving = Command(here, *receive)
    receiving.hear_until("ready")
    sending = Command(there, "send", str(tmp_path / "out"), "other")
    try:
        on_disk = sending.hear_until("progress", on_disk=1)["on_disk"]
        here.stop(signal.SIGKILL)  # the stream lives on: it is the kernel's, and the worker forwards
        here.start()
        on_disk = sending.hear_until("progress", on_disk=on_disk + 1)["on_disk"]
        there.stop()  # its device goes, and the stream with it
        sending.hear_until("interrupted")
        there.start()
        on_disk = sending.hear_until("progress", on_disk=on_disk + 1)["on_disk"]
        receiving.end(signal.SIGKILL)
        sending.hear_until("interrupted")
        receiving = Command(here, *receive)
        assert sending.hear_until("progress")["done"] >= on_disk, "what was on the disk counts"
        for host in hosts:
            host.namespace.sh("tc qdisc del dev wire root")
        assert sending.hear_until("sent")["there_before"] >= on_disk
        assert receiving.hear_until("received")["files"] == 2
        assert (tmp_path / "in" / "other" / "out" / "large").read_bytes() == data
        assert (tmp_path / "in" / "other" / "out" / "small").read_text() == "small"
        assert (sending.end(), receiving.end()) == (0, 0)
    finally:
        for command in (sending, receiving):
            command.end(signal.SIGKILL)
