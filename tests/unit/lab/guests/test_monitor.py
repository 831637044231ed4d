from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.errors import HostError
from appliance.lab.guests.monitor import Monitor

GREETING = (
    b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2+dfsg-7+deb12u18"}, '
    b'"capabilities": ["oob"]}}\r\n'
)
EVENT = b'{"timestamp": {"seconds": 1795882647, "microseconds": 76023}, "event": "STOP"}\r\n'
NOTHING = b'{"return": {}}\r\n'
REFUSED = b'{"error": {"class": "GenericError", "desc": "Bus \'pci.0\' does not support hotplugging"}}\r\n'


def test_it_agrees_on_capabilities_once_and_then_asks() -> None:
    with talking([NOTHING, b'{"return": {"status": "running", "running": true}}\r\n', NOTHING]) as (monitor, heard):
        assert monitor.execute("query-status") == {"status": "running", "running": True}
        assert monitor.execute("device_add", {"driver": "e1000"}) == {}
    assert [message["execute"] for message in heard] == ["qmp_capabilities", "query-status", "device_add"]
    assert heard[-1]["arguments"] == {"driver": "e1000"}


def test_events_between_are_not_the_answer() -> None:
    with talking([NOTHING, EVENT + EVENT + NOTHING]) as (monitor, _):
        assert monitor.execute("stop") == {}


def test_a_refusal_says_what_was_refused_and_why_and_the_next_command_is_answered() -> None:
    with talking([NOTHING, REFUSED, NOTHING]) as (monitor, _):
        with pytest.raises(HostError, match=r"left: qemu refused device_add: Bus 'pci\.0' does not support hotplugging"):
            monitor.execute("device_add")
        assert monitor.execute("cont") == {}


def test_a_command_for_people_must_say_nothing() -> None:
    said = b'{"return": "Error: Device \'disk\' is writable but does not support snapshots\\r\\n"}\r\n'
    with talking([NOTHING, b'{"return": ""}\r\n', said]) as (monitor, heard):
        monitor.command_line("savevm ready")
        with pytest.raises(HostError, match="refused `savevm ready`: Error: Device 'disk' is writable"):
            monitor.command_line("savevm ready")
    assert heard[1]["arguments"] == {"command-line": "savevm ready"}


def test_an_answer_that_does_not_come_ends_the_wait() -> None:
    with talking([NOTHING, EVENT]) as (monitor, _), pytest.raises(HostError, match=r"did not answer stop within 0\.2 s"):
        monitor.execute("stop", timeout=0.2)


def test_a_machine_that_ends_is_gone_at_once() -> None:
    ours, its = socket.socketpair()
    monitor = Monitor(ours, "left")
    its.sendall(GREETING)
    its.close()
    with pytest.raises(HostError, match="left: qemu has gone"):
        monitor.execute("stop")
    monitor.close()


def test_an_endless_message_is_not_kept() -> None:
    ours, its = socket.socketpair()
    flood = threading.Thread(target=pour, args=(its,))
    flood.start()
    monitor = Monitor(ours, "left")
    with pytest.raises(HostError, match="a message without an end"):
        monitor.execute("stop")
    monitor.close()
    flood.join()


@contextmanager
def talking(answers: list[bytes]) -> Iterator[tuple[Monitor, list[dict[str, object]]]]:
    """A qemu that greets, and gives these answers to what it is told, one to each command; and what it was told."""
    ours, its = socket.socketpair()
    heard: list[dict[str, object]] = []
    its.sendall(GREETING)

    def answer() -> None:
        with its.makefile("rb") as lines:
            for line, said in zip(lines, answers, strict=False):
                heard.append(json.loads(line))
                its.sendall(said)
            lines.read()

    thread = threading.Thread(target=answer)
    thread.start()
    monitor = Monitor(ours, "left")
    try:
        yield monitor, heard
    finally:
        monitor.close()
        thread.join()
        its.close()


def pour(into: socket.socket) -> None:
    """Until the other end hangs up."""
    try:
        while True:
            into.sendall(b"x" * 65536)
    except OSError:
        into.close()
