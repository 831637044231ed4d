"""One trace over two hosts: a program's stream to a service of another node, and a request to the API, as collectors see them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.netns.daemons import Host, pair
from tests.rigs.collector import Collector, Received, collecting

pytestmark = pytest.mark.netns

PORT = 4318
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
SECRET = "collectors-own-token"
SERVE = """
import asyncio
from appliance.sdk import Client

async def main():
    async with Client() as client, await client.listen("echo") as listener:
        print("serving", flush=True)
        async for connection in listener:
            async with connection:
                await connection.write(connection.traceparent.encode())

asyncio.run(main())
"""
CALL = """
import asyncio, sys
from appliance.sdk import Client
from appliance.sdk.tracing import continued

async def main():
    with continued(sys.argv[1]):
        async with Client() as client, await client.connect("other", "echo") as connection:
            print((await connection.readexactly(55)).decode())

asyncio.run(main())
"""


class Traced(NamedTuple):
    """Two hosts, each with a collector beside it."""

    hosts: tuple[Host, Host]
    collectors: tuple[Collector, Collector]


@pytest.fixture
def traced() -> Iterator[Traced]:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        headers = folder / "headers"
        headers.touch(0o600)
        headers.write_text(f"# of the collector\nAuthorization: Bearer {SECRET}\n")
        tracing = f"{{sample: 0, otlp: 'http://127.0.0.1:{PORT}', headers: {headers}}}"
        with pair(folder) as (first, second):
            first.write(second, more=f"management: {{tracing: {tracing}}}")
            second.write(first, endpoints='"udp://192.0.2.1:8443"', more=f"management: {{tracing: {tracing}}}")
            doors = [host.namespace.run(socket.create_server, ("127.0.0.1", PORT)) for host in (first, second)]
            with collecting(doors[0]) as one, collecting(doors[1]) as two:
                for host in (first, second):
                    host.start()
                    host.hear("the API server is ready")
                yield Traced((first, second), (one, two))


def by_name(spans: list[Received]) -> dict[str, Received]:
    return {span.name: span for span in spans}


def ask(host: Host, path: str, *more: str) -> Any:
    where = ["--unix-socket", host.status()["management"]["socket"], f"http://node{path}"]
    answer = subprocess.run([*host.entering, "curl", "-s", "--max-time", "60", *more, *where], capture_output=True, check=True)
    return json.loads(answer.stdout)


def called(host: Host, traceparent: str) -> str:
    """The traceparent that the service of the other host was given."""
    answer = subprocess.run(
        [*host.entering, sys.executable, "-P", "-c", CALL, traceparent], capture_output=True, text=True, timeout=60, check=True
    )
    return answer.stdout.strip()


def test_one_trace_has_the_steps_of_both_hosts_each_within_the_right_one(traced: Traced) -> None:
    (first, second), (there, here) = traced
    with subprocess.Popen([*first.entering, sys.executable, "-P", "-c", SERVE], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"serving\n"
            given = called(second, TRACEPARENT)
        finally:
            server.terminate()
    ask(second, "/api/v1/node/profile", "-H", f"traceparent: {TRACEPARENT}", "-H", "x-request-id: r-1")

    sent = by_name(here.wait(lambda spans: len(spans) >= 4 and spans))
    connect, request, question, answer = (
        sent[name] for name in ("connect echo", "GET /api/v1/node/profile", "ask profile", "node profile")
    )
    serve = by_name(there.wait(lambda spans: spans))["serve echo"]
    assert {span.trace for span in [*here.spans, *there.spans]} == {TRACE}
    assert connect.parent == request.parent == CALLER
    assert (question.parent, answer.parent) == (request.span, question.span)
    assert serve.parent == connect.span
    assert given == f"00-{TRACE}-{serve.span}-01", "the service's own steps come within the one that let its caller in"
    assert (connect.kind, serve.kind, request.kind, question.kind) == ("client", "server", "server", "client")
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["appliance.request.id"] == "r-1"
    assert (connect.resource["service.name"], request.resource["service.name"]) == ("appliance-node", "appliance-api")
    assert connect.resource["appliance.node.name"] == "host-2"
    assert serve.resource["appliance.node.name"] == "host-1"
    assert not any(span.failed for span in [*here.spans, *there.spans])

    whole = ask(second, f"/api/v1/traces/{TRACE}")
    assert [(step["depth"], step["name"]) for step in whole["items"]] == [
        (0, "connect echo"),
        (0, "GET /api/v1/node/profile"),
        (1, "ask profile"),
        (2, "node profile"),
    ]
    who = json.dumps({"name": "alice", "password": "correct horse battery", "roles": ["viewer"]})
    posted = ("-X", "POST", "-H", "content-type: application/json", "-d", who)
    assert ask(second, "/api/v1/users", *posted, "-H", f"traceparent: 00-{'1' * 32}-{CALLER}-01")["name"] == "alice"
    made = ask(second, f"/api/v1/traces/{'1' * 32}")
    assert {step["name"] for step in made["items"]} >= {"POST /api/v1/users", "hash a password", "commit"}
    assert made["where"] == "hash a password"
    assert "alice" not in json.dumps(made)

    assert here.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in second.heard.decode() + json.dumps(second.status()) + json.dumps(ask(second, "/api/v1/server"))
