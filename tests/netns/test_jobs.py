"""A job on a real node: it changes the node, outlives nothing it must not, and tells all of it to who comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from typing import Any

import pytest

from tests.netns.daemons import Host
from tests.netns.test_management import READY, ask, node

__all__ = ["node"]

pytestmark = pytest.mark.netns


def post(host: Host, path: str, **body: Any) -> tuple[int, Any]:
    return ask(host, path, "-X", "POST", "-H", "content-type: application/json", "-d", json.dumps(body))


def change(host: Host) -> None:
    """The profile on disk is another one."""
    host.profile.write_text(host.profile.read_text().replace("mtu: 1400", "mtu: 1300"))


def stream(host: Host, path: str, until: str, after: int = 0) -> list[tuple[int, str, Any]]:
    """Events behind a cursor, up to one whose line has these words."""
    place = host.status()["management"]["socket"]

    def read() -> str:
        said = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(place)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: node\r\nLast-Event-ID: {after}\r\n\r\n".encode())
            while not re.search(until, said.decode()):
                more = connection.recv(65536)
                assert more, said
                said += more
        return said.decode()

    found = re.findall(r"^id: (\d+)\nevent: (\S+)\ndata: (.*)", host.namespace.run(read), re.MULTILINE)
    return [(int(number), kind, json.loads(data)) for number, kind, data in found]


def test_a_kill_in_the_middle_leaves_a_job_that_says_so_and_cursors_that_are_good(node: Host) -> None:
    change(node)
    status, begun = post(node, "/api/v1/templates/execute", template="reload-with-confirm", parameters={"settle": 600})
    assert status == 202
    path = f"/api/v1/templates/stream/{begun['id']}"
    before = stream(node, path, '"state": "done".*\\n')
    heard = stream(node, "/api/v1/events", r"jobs.running\ndata.*\n")
    os.kill(node.status()["management"]["pid"], signal.SIGKILL)
    node.hear(READY, times=2)
    after = stream(node, path, r'"interrupted".*\n', before[-1][0])
    assert [event[0] for event in (*before, *after)] == list(range(1, len(before) + len(after) + 1))
    _, ended = ask(node, f"/api/v1/templates/status/{begun['id']}")
    assert (ended["state"], [step["state"] for step in ended["steps"]]) == ("interrupted", ["done", "skipped", "skipped"])
    assert node.status()["confirm_by"] is not None, "the node itself takes the profile back when nobody confirms it"
    more = stream(node, "/api/v1/events", r"jobs.interrupted\ndata.*\n", heard[-1][0])
    numbers = [event[0] for event in (*heard, *more)]
    assert numbers == sorted(set(numbers))
    assert [kind for _, kind, _ in (*heard, *more) if kind.startswith("jobs.")] == [
        "jobs.queued",
        "jobs.running",
        "jobs.interrupted",
    ]
    assert any(kind == "node.health" for _, kind, _ in (*heard, *more))


def test_a_profile_is_brought_into_force_and_confirmed_by_a_job(node: Host) -> None:
    change(node)
    _, begun = post(node, "/api/v1/templates/execute", template="reload-with-confirm", parameters={"settle": 0})
    told = stream(node, f"/api/v1/templates/stream/{begun['id']}", r'"state": "(succeeded|failed)", "error.*\n')
    assert told[-1][2]["state"] == "succeeded", told
    assert node.status()["confirm_by"] is None


def test_a_profile_that_is_in_force_already_is_none_to_confirm_and_nothing_is_rolled_back(node: Host) -> None:
    _, begun = post(node, "/api/v1/templates/execute", template="reload-with-confirm", parameters={"settle": 0})
    stream(node, f"/api/v1/templates/stream/{begun['id']}", r'"state": "(succeeded|failed)", "error.*\n')
    _, ended = ask(node, f"/api/v1/templates/status/{begun['id']}")
    assert (ended["state"], [step["state"] for step in ended["steps"]]) == ("succeeded", ["done", "skipped", "skipped"]), ended
    assert (
        ask(node, "/api/v1/node/rollback", "-X", "POST", "-H", "content-type: application/json", "-d", '{"unconfirmed": true}')[0]
        != 200
    )
    assert ask(node, "/api/v1/node/health")[1]["ok"]


def test_a_hundred_open_streams_keep_nobody_from_ending(node: Host) -> None:
    status = node.status()["management"]

    def followed() -> int:
        """How many of a hundred streams begin, and end when the API server is told to."""
        streams = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        for stream in streams:
            stream.settimeout(60)
            stream.connect(status["socket"])
            stream.sendall(b"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: node\r\n\r\n")
        begun = [b"200 OK" in stream.recv(65536) for stream in streams]
        os.kill(status["pid"], signal.SIGTERM)
        for stream in streams:
            while stream.recv(65536):
                pass
            stream.close()
        return sum(begun)

    assert node.namespace.run(followed) == 100
    node.hear(READY, times=2)
