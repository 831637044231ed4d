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
SPANS = f"""
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider(resource=Resource({{"service.name": "program"}}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter("http://127.0.0.1:{PORT}/v1/traces")))
trace.set_tracer_provider(provider)
"""
SERVE = f"""{SPANS}
import asyncio
from appliance.sdk import Client
from appliance.sdk.spans import served

async def handle(connection):
    await connection.write(connection.traceparent.encode())

async def main():
    async with Client() as client:
        await client.serve("echo", served(handle), begun=lambda: print("serving", flush=True))

asyncio.run(main())
"""
CALL = f"""{SPANS}
import asyncio, sys
from appliance.sdk import Client, continued
from appliance.sdk.spans import calls

async def main():
    with continued(sys.argv[1]):
        async with Client(interceptors=[calls()]) as client, await client.connect("other", "echo") as connection:
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
            received = by_name(there.wait(lambda spans: len(spans) >= 2 and spans))
        finally:
            server.terminate()
    ask(second, "/api/v1/node/profile", "-H", f"traceparent: {TRACEPARENT}", "-H", "x-request-id: r-1")

    sent = by_name(here.wait(lambda spans: len(spans) >= 5 and spans))
    call, connect, request, question, answer = (
        sent[name] for name in ("call echo", "connect echo", "GET /api/v1/node/profile", "ask profile", "node profile")
    )
    serve, handle = received["serve echo"], received["handle echo"]
    assert {span.trace for span in [*here.spans, *there.spans]} == {TRACE}
    assert call.parent == request.parent == CALLER
    assert (question.parent, answer.parent) == (request.span, question.span)
    assert (connect.parent, serve.parent, handle.parent) == (call.span, connect.span, serve.span)
    assert given == f"00-{TRACE}-{serve.span}-01"
    assert (connect.kind, serve.kind, request.kind, question.kind) == ("client", "server", "server", "client")
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["appliance.request.id"] == "r-1"
    assert (call.resource["service.name"], handle.resource["service.name"]) == ("program", "program")
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
    assert "alice" not in json.dumps(made)

    here.status = 400
    ask(second, "/api/v1/node/profile", "-H", f"traceparent: 00-{'2' * 32}-{CALLER}-01")
    second.hear("the collector of traces takes nothing")
    figures = ask(second, "/api/v1/server")["tracing"]
    assert figures["problem"] == "it answers 400"
    assert figures["dropped"]["not-taken"] >= 1

    assert {headers.get("authorization", "") for headers in here.headers} == {f"Bearer {SECRET}", ""}, (
        "the nodes', and the program's"
    )
    assert SECRET not in second.heard.decode() + json.dumps(second.status()) + json.dumps(ask(second, "/api/v1/server"))
