"""sd_notify as a service manager hears it."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from appliance.foundation.notify import Notifier


def test_a_service_manager_hears_each_state(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        notifier = Notifier({"NOTIFY_SOCKET": path})
        notifier.ready("running")
        notifier.reloading(12.5)
        notifier.status("two peers")
        notifier.alive()
        notifier.stopping()
        heard = [manager.recv(200).decode() for _ in range(5)]
    assert heard == [
        "READY=1\nSTATUS=running",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STATUS=two peers",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=stopping",
    ]


def test_an_abstract_socket_is_written_with_an_at() -> None:
    name = f"appliance-notify-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).alive()
        assert manager.recv(100) == b"WATCHDOG=1"


def test_nobody_listening_is_no_trouble() -> None:
    Notifier({}).ready("running")
    Notifier({"NOTIFY_SOCKET": "/nonexistent/notify"}).ready("running")


def test_the_watchdog_is_fed_three_times_as_often_as_needed() -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_interval == 10.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_interval == 10.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_interval is None
    assert Notifier({}).watchdog_interval is None


async def test_the_watchdog_is_not_fed_while_nothing_lives(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    answers = [True, False, False, True]
    all_asked = asyncio.Event()

    def alive() -> bool:
        if len(answers) == 1:
            all_asked.set()
        return answers.pop(0)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(path)
        notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3"})
        notifier.feed_watchdog(alive)
        await all_asked.wait()
        notifier.watchdog_interval = None
        assert [manager.recv(100), manager.recv(100)] == [b"WATCHDOG=1"] * 2
        with pytest.raises(BlockingIOError):
            manager.recv(100)
