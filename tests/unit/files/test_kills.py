"""A receiver that is killed at any step it takes on the disk, and processes that are killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ApplianceError
from appliance.files import folders
from appliance.files.inbox import Inbox
from appliance.files.sending import Sender, Sent
from appliance.files.source import Source
from appliance.transfer.tree import CHUNK_BYTES
from tests.unit.files.joined import IDENTITY, PEER, contents, nothing, random_file, send

STEPS = ("pwrite", "fsync", "fdatasync", "ftruncate", "fchmod", "utime", "mkdir", "posix_fallocate")


def die_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process is killed before its `step`-th step on the disk."""
    left = [step]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    monkeypatch.setattr(folders, "rename_new", counted(folders.rename_new))


def received_by_child(folder: Path, stream: socket.socket, step: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """A child that receives over `stream` and is killed at that step; its process number."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        monkeypatch.setattr("appliance.files.receiving.SEAL_SECONDS", -1.0)  # after each frame
        die_at(step, monkeypatch)
        Inbox(folder).take(stream, PEER, IDENTITY, nothing)
        code = 0
    finally:
        os._exit(code)


def killed_at(step: int, out: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, int]:
    """Send to such a child. Was it killed, and how many bytes did the sender hear to be on the disk?"""
    here, there = socket.socketpair()
    pid = received_by_child(folder, there, step, monkeypatch)
    there.close()
    source = Source([out])
    source.look()
    heard = [0]
    with suppress(ApplianceError):
        Sender(here, source, lambda progress: heard.append(progress.on_disk)).run()
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status), max(heard)


def test_killed_at_each_step_on_the_disk_it_goes_on(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "sub").mkdir()
    random_file(out / "a", 2 * CHUNK_BYTES + 3)
    random_file(out / "sub" / "b", 5)
    (out / "sub" / "c").touch()
    step, killed = 0, True
    while killed:
        folder = tmp_path / f"in-{step}"
        killed, promised = killed_at(step, out, folder, monkeypatch)
        inbox = Inbox(folder)
        sent, _ = send([out], inbox)
        inbox.close()
        assert isinstance(sent, Sent), f"killed at step {step}: {sent}"
        assert sent.there >= promised, f"killed at step {step}: what was on the disk is not there"
        assert contents(folder / "left" / "out") == contents(out), f"killed at step {step}"
        state = {path.name for path in (folder / ".receiving" / "left").iterdir()}
        assert state == {"journal", "lock"}, f"killed at step {step}: something is left"
        step += 1
    assert step > 30


def test_what_is_counted_was_on_the_disk_before(tmp_path: Path, out: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    state = tmp_path / "in" / ".receiving" / "left"

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(fd: int, *arguments: Any, **named: Any) -> Any:
            path = str(Path(f"/proc/self/fd/{fd}").readlink())
            what = {str(state): "parts", str(state / "journal"): "journal"}.get(path)
            steps.append(f"{name} {what or ('part' if path.startswith(str(state)) else path.rpartition('/')[2])}")
            return function(fd, *arguments, **named)

        return call

    (out / "sub").mkdir()
    random_file(out / "sub" / "file", 5)
    for name in ("pwrite", "fsync", "fdatasync"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    monkeypatch.setattr(folders, "rename_new", noted("rename", folders.rename_new))
    send([out], inbox)
    own = steps[steps.index("pwrite part") :]
    assert own[:6] == [
        *("pwrite part", "fsync part", "fsync parts"),
        *("pwrite journal", "fdatasync journal"),
        "rename parts",
    ]
    assert sorted(own[6:-2]) == ["fsync left", "fsync out", "fsync sub"], "also the folders that are new"
    assert own[-2:] == ["pwrite journal", "fdatasync journal"]


RECEIVE = """
import socket, sys, threading
from pathlib import Path
from appliance.errors import ApplianceError
from appliance.files.inbox import Inbox

def take(stream):
    try:
        print("received", inbox.take(stream, "left", "id-of-left", lambda _: None).files, flush=True)
    except ApplianceError:
        pass

inbox = Inbox(Path(sys.argv[1]))
with socket.create_server(("127.0.0.1", int(sys.argv[2])), reuse_port=False) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=take, args=(server.accept()[0],)).start()
"""
SEND = """
import asyncio, socket, sys
from pathlib import Path
from appliance.files.delivery import Delivery
from appliance.files.errors import TransferLost
from appliance.files.source import Source

async def dial():
    try:
        return socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    except OSError as error:
        raise TransferLost("not there") from error

def report(progress):
    print(progress.done, flush=True)

print("sent", asyncio.run(Delivery(Source([Path(sys.argv[1])]), dial, report).run()).there, flush=True)
"""


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_transfer_outlives_kills_of_both_sides(tmp_path: Path, out: Path) -> None:
    chance = random.Random(46)
    size = len(random_file(out / "large", 24 << 20))
    for number in range(20):
        random_file(out / f"small {number}", number * 100)
    receiver = started(RECEIVE, str(tmp_path / "in"), "0")
    assert receiver.stdout is not None
    port = receiver.stdout.readline().strip()
    sender = started(SEND, str(out), port)
    try:
        for number in range(4):
            assert sender.stdout is not None
            wanted = chance.randrange(size)
            while (said := sender.stdout.readline()) and said.strip().isdigit() and int(said) < wanted:
                pass
            if number % 2:
                killed(sender)
                sender = started(SEND, str(out), port)
            else:
                killed(receiver)
                receiver = started(RECEIVE, str(tmp_path / "in"), port)
        said, _ = sender.communicate(timeout=60)
        assert said.splitlines()[-1].startswith("sent ")
        assert contents(tmp_path / "in" / "left" / "out") == contents(out)
    finally:
        killed(sender)
        killed(receiver)
