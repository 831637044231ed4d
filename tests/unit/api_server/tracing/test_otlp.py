"""Spans as a real collector has them, over real HTTP."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from appliance.api_server.edge.certificates import made
from appliance.api_server.tracing.otlp import OtlpCollector
from appliance.management.tracing.span import Kind, Process, Span
from tests.rigs.collector import collecting

ABOUT = {"service.version": "1.0", "appliance.node.name": "gateway"}
OUTER = Span(
    "a" * 32, "b" * 16, "c" * 16, "GET /x", Kind.SERVER, Process.API, 1e9, 0.5, "", {"http.route": "/x", "well": True, "n": 7}
)
INNER = Span("a" * 32, "d" * 16, "b" * 16, "node x", Kind.INTERNAL, Process.NODE, 1e9, 0.25, "bug", {})


def test_a_span_arrives_with_all_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=of-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with collecting() as collector:
        sender = OtlpCollector(f"http://127.0.0.1:{collector.port}/", {"x-token": "1"}, None, ABOUT)
        assert sender.send([OUTER, INNER]) == ""
        sender.hurry()
    request, inner = collector.spans
    assert (request.trace, request.span, request.parent) == OUTER[:3]
    assert (request.name, request.kind, request.failed, request.seconds) == ("GET /x", "server", False, 0.5)
    assert request.attributes == {"http.route": "/x", "well": True, "n": 7}
    assert request.resource == {"service.name": "appliance-api", **ABOUT}
    assert (inner.resource["service.name"], inner.failed, inner.attributes) == ("appliance-node", True, {"error.type": "bug"})
    (headers,) = collector.headers
    assert headers["x-token"] == "1"
    assert "authorization" not in headers, "the profile alone says what is sent where"
    assert "OTEL_EXPORTER_OTLP_HEADERS" not in os.environ


def test_why_it_was_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        sender = OtlpCollector(f"http://127.0.0.1:{collector.port}/v1/traces", {}, None, ABOUT)
        for status in (400, 302):
            collector.status = status
            assert sender.send([OUTER]) == f"it answers {status}"
        collector.status = 200
        assert sender.send([OUTER]) == ""
    monkeypatch.setattr("appliance.api_server.tracing.otlp.SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert OtlpCollector(f"http://127.0.0.1:{port}", {}, None, ABOUT).send([OUTER]) == "it does not answer in time"
    assert OtlpCollector(f"http://127.0.0.1:{port}", {}, None, ABOUT).send([OUTER]) == "it cannot be reached"


def test_a_collector_is_believed_by_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(made(key, ["127.0.0.1"], dt.datetime.now(dt.UTC)))
    both = tmp_path / "both.pem"
    both.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with collecting(context=context) as collector:
        url = f"https://127.0.0.1:{collector.port}"
        with monkeypatch.context() as short:
            short.setattr("appliance.api_server.tracing.otlp.SECONDS", 1.0)  # it is tried again and again
            assert OtlpCollector(url, {"a": "secret"}, None, ABOUT).send([OUTER]) == "its certificate is not vouched for"
        assert not collector.headers
        assert OtlpCollector(url, {"a": "secret"}, str(certificate), ABOUT).send([OUTER]) == ""
        assert collector.headers[0]["a"] == "secret"


def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        collector.more_pieces = 1 << 14  # a gigabyte
        assert OtlpCollector(f"http://127.0.0.1:{collector.port}", {}, None, ABOUT).send([OUTER]) == ""
        assert collector.cut_off.wait(60)
        assert len(collector.spans) == 1


def test_authorities_that_are_not_there_are_told_at_once() -> None:
    with pytest.raises(OSError, match="nowhere"):
        OtlpCollector("https://127.0.0.1", {}, "/nowhere/authorities.pem", ABOUT)
