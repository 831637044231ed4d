"""Files from host to host, by the commands, while daemons are killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.entry import INTERRUPTED
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
    send = ("send", str(tmp_path / "out"), "other")
    sending = Command(there, *send)
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
        on_disk = sending.hear_until("progress", on_disk=on_disk)["on_disk"]
        assert sending.end(signal.SIGINT) == INTERRUPTED
        sending = Command(there, *send)
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


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_gibibyte_outlives_kills_and_a_change_of_address(hosts: tuple[Host, Host], tmp_path: Path, capsys: Any) -> None:
    here, there = hosts
    for host in hosts:
        host.start()
        host.namespace.sh("tc qdisc add dev wire root tbf rate 300mbit burst 1m latency 50ms")
    with (tmp_path / "large").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(16 * MB))
    receive = ("receive", str(tmp_path / "in"), "--once")
    receiving = Command(here, *receive)
    receiving.hear_until("ready")
    begun = time.monotonic()
    sending = Command(there, "send", str(tmp_path / "large"), "other")
    try:
        for number, host in enumerate((here, there, here), 1):
            sending.hear_until("progress", on_disk=number * 128 * MB)
            host.stop(signal.SIGKILL)
            host.start()
        sending.hear_until("progress", on_disk=550 * MB)
        there.namespace.sh("ip addr del 192.0.2.2/24 dev wire; ip addr add 192.0.2.77/24 dev wire")
        sending.hear_until("progress", on_disk=650 * MB)
        receiving.end(signal.SIGKILL)
        receiving = Command(here, *receive)
        receiving.hear_until("ready")
        ready = time.monotonic()
        again = sending.hear_until("progress", on_disk=650 * MB)
        resumed = time.monotonic() - ready
        sent = sending.hear_until("sent")
        took = time.monotonic() - begun
        receiving.hear_until("received")
        assert (sending.end(), receiving.end()) == (0, 0)
    finally:
        for command in (sending, receiving):
            command.end(signal.SIGKILL)
    assert sha256_of(tmp_path / "in" / "other" / "large") == sha256_of(tmp_path / "large")
    assert again["done"] >= 650 * MB
    assert sent["there_before"] >= 650 * MB, "one interruption: the kills of daemons and the new address were none"
    with capsys.disabled():
        print(f"\n1 GiB in {took:.0f} s with all of that at 300 Mbit/s; {resumed:.1f} s from ready to the next progress")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_sparse_gibibytes_go_on_as_fast(hosts: tuple[Host, Host], tmp_path: Path, capsys: Any) -> None:
    here, there = hosts
    for host in hosts:
        host.start()
        host.namespace.sh("tc qdisc add dev wire root tbf rate 100mbit burst 1m latency 50ms")
    with (tmp_path / "sparse").open("wb") as file:
        for number in range(160):
            file.seek(number * 64 * MB)
            file.write(os.urandom(MB))
        file.truncate(10_240 * MB)
    receive = ("receive", str(tmp_path / "in"), "--once")
    receiving = Command(here, *receive)
    receiving.hear_until("ready")
    begun = time.monotonic()
    sending = Command(there, "send", str(tmp_path / "sparse"), "other")
    try:
        sending.hear_until("progress", on_disk=3_000 * MB)
        receiving.end(signal.SIGKILL)
        receiving = Command(here, *receive)
        receiving.hear_until("ready")
        ready = time.monotonic()
        assert sending.hear_until("progress", on_disk=3_000 * MB)["done"] >= 3_000 * MB
        resumed = time.monotonic() - ready
        sending.hear_until("sent")
        took = time.monotonic() - begun
        receiving.hear_until("received")
        assert (sending.end(), receiving.end()) == (0, 0)
    finally:
        for command in (sending, receiving):
            command.end(signal.SIGKILL)
    came = tmp_path / "in" / "other" / "sparse"
    assert (came.stat().st_size, came.stat().st_blocks * 512 < 200 * MB) == (10_240 * MB, True)
    with came.open("rb") as arrived, (tmp_path / "sparse").open("rb") as source:
        for number in range(160):
            for file in (arrived, source):
                file.seek(number * 64 * MB)
            assert arrived.read(2 * MB) == source.read(2 * MB)
    with capsys.disabled():
        print(
            f"\n10 GiB with 160 MiB in it in {took:.0f} s at 100 Mbit/s; {resumed:.1f} s from ready to the next word of progress"
        )
