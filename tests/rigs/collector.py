"""A collector of OpenTelemetry's traces: takes OTLP over HTTP, as protobuf in gzip, and remembers the spans and who sent them."""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

PATIENCE = 60.0
"""Seconds that a crowded machine may take."""
KINDS = {1: "internal", 2: "server", 3: "client"}


class Received(NamedTuple):
    """A span, as the collector has it."""

    trace: str
    span: str
    parent: str
    name: str
    kind: str
    resource: dict[str, Any]
    attributes: dict[str, Any]
    failed: bool
    seconds: float


class Collector:
    """What came. `status`: what it answers."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.headers: list[dict[str, str]] = []
        self.requests = 0
        self.status = 200
        self.more_pieces = 0
        """Of 64 KiB, that follow its answer."""
        self.cut_off = Event()
        """Somebody did not want all of them."""
        self._came = Condition()
        self.port = 0

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        with self._came:
            self.headers.append(headers)
            self.requests += 1
            if self.status == 200:
                self.spans += _read(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
            self._came.notify_all()
            return self.status

    def wait(self, well: Any) -> Any:
        """Until `well(spans)` gives something, which is returned."""
        with self._came:
            assert self._came.wait_for(lambda: well(self.spans), PATIENCE), [span[:5] for span in self.spans]
            return well(self.spans)

    def asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        with self._came:
            assert self._came.wait_for(lambda: self.requests >= times, PATIENCE), self.requests


@contextmanager
def collecting(listener: socket.socket | None = None, context: ssl.SSLContext | None = None) -> Iterator[Collector]:
    """One at a port of loopback, or at that socket, which may have been made in another network; by TLS with `context`."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = (
                collector.take(body, {name.lower(): value for name, value in self.headers.items()})
                if self.path == "/v1/traces"
                else 404
            )
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer) + (collector.more_pieces << 16)))
            self.end_headers()
            self.wfile.write(answer)
            try:
                for _ in range(collector.more_pieces):
                    self.wfile.write(bytes(1 << 16))
            except ConnectionError:
                collector.cut_off.set()

        def log_message(self, *_args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=listener is None)
    if listener is not None:
        server.socket.close()
        server.socket = listener
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    collector.port = server.socket.getsockname()[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="collector")
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _read(body: bytes) -> Iterator[Received]:
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _values(of_resource.resource.attributes)
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    KINDS[span.kind],
                    resource,
                    _values(span.attributes),
                    span.status.code == 2,
                    (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
