"""A store whose disk becomes full, and whose file is damaged, while the API server runs: who asks and who looks are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.netns.daemons import Host
from tests.netns.test_management import READY, ask, logged_in, posted
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

SIZE = "2m"


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    """With a small disk of its own for what the API server keeps."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up")
        host = Host(namespace, folder, 1)
        host.write(Host(namespace, folder, 2), more="management: {}")
        disk = disk_of(host)
        disk.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", disk], check=True)
        try:
            host.start()
            host.hear(READY)
            yield host
        finally:
            host.stop()
            subprocess.run(["umount", "-l", disk], check=True)


def disk_of(host: Host) -> Path:
    return host.kept.with_name(f"{host.kept.name}-api")


def stuff(path: Path) -> None:
    """Take all the room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def said_of_the_store(host: Host) -> str:
    return str(ask(host, "/api/v1/node/health")[1]["problems"].get("management.store", "nothing"))


def until_said(host: Host, words: str) -> None:
    """The API server tells the node every few seconds."""
    while words not in said_of_the_store(host):
        time.sleep(0.2)  # nobody tells when it does


def created(host: Host, name: str) -> tuple[int, Any]:
    return posted(host, (), "/api/v1/users", name=name, password="correct horse battery", roles=["viewer"])


def test_a_full_disk_and_a_damaged_file_are_told_and_cost_nothing_that_was_kept(node: Host) -> None:
    alice = logged_in(node, "alice", "viewer")
    stuff(disk_of(node) / "stuffing")
    number = 0
    while (refused := created(node, f"bob{number}"))[0] == 201:  # what room the file has within itself
        number += 1
    status, problem = refused
    assert (status, problem["code"], problem["retryable"]) == (503, "StoreFull", True)
    assert "make room" in problem["hint"]
    assert ask(node, "/api/v1/status", *alice, local=False)[0] == 200, "who is known stays known"
    assert ask(node, "/api/v1/users")[0] == 200
    short = ask(node, "/api/health")
    assert (short[0], short[1]["components"]["storage"]["status"]) == (503, "unwell")
    until_said(node, "the store is full")
    doctor = node.command("doctor", "--json").stdout
    assert "the store is full" in doctor, doctor

    (disk_of(node) / "stuffing").unlink()
    assert created(node, "carol")[0] == 201
    until_said(node, "nothing")
    known = {user["name"] for user in ask(node, "/api/v1/users?limit=100")[1]["items"]}
    assert known >= {"alice", "carol", *(f"bob{each}" for each in range(number))}

    again(node, 2)  # a copy is made soon after a start
    copy = disk_of(node) / "store" / "good.sqlite"
    before = copy.stat().st_mtime_ns if copy.exists() else 0
    again(node, 3)
    while not copy.exists() or copy.stat().st_mtime_ns == before:
        created(node, f"more{len(ask(node, '/api/v1/users?limit=100')[1]['items'])}")
    damage(disk_of(node) / "store" / "store.sqlite")
    while created(node, "dave")[0] == 201 and ask(node, "/api/v1/users?limit=100")[0] == 200:
        pass
    until_said(node, "the store is damaged")
    again(node, 4)
    assert {"alice", "carol"} <= {user["name"] for user in ask(node, "/api/v1/users?limit=100")[1]["items"]}
    assert (disk_of(node) / "store" / "broken.sqlite").exists()


def test_the_data_key_changes_while_the_api_server_answers(node: Host) -> None:
    alice = logged_in(node, "alice", "viewer")
    refused = node.command("store", "rotate", "--store", str(disk_of(node) / "store"))
    assert refused.returncode == 75
    assert "appliance api store.rotate" in refused.stderr
    rotated = node.command("api", "store.rotate", "--json")
    assert json.loads(rotated.stdout)["data_key"] == 2, rotated.stderr
    assert ask(node, "/api/v1/users/profile", *alice, local=False)[1]["name"] == "alice"
    checked = node.command("store", "check", "--store", str(disk_of(node) / "store"), "--json")
    assert json.loads(checked.stdout)["rotation_ended"], checked.stderr
    again(node, 2)
    assert ask(node, "/api/v1/users/profile", *alice, local=False)[1]["name"] == "alice"


def again(host: Host, times: int) -> None:
    """Another API server."""
    os.kill(host.status()["management"]["pid"], signal.SIGKILL)
    host.hear(READY, times=times)


def damage(file: Path) -> None:
    """All pages but the first."""
    size = file.stat().st_size
    with file.open("r+b") as out:
        out.seek(4096)
        out.write(b"\xa5" * (size - 4096))
