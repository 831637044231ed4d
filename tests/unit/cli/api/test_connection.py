"""What an API server may answer, right or wrong, from a real one on a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from appliance.cli.api.connection import ApiError, Asked, Target, ask, follow
from appliance.errors import ApplianceError, ExitCode, NoDaemon

ANSWERS = {
    "/good": (200, "application/json", b'{"a": 1}'),
    "/empty": (200, "application/json", b""),
    "/broken": (200, "application/json", b"{"),
    "/busy": (503, "application/problem+json", b'{"code": "StoreFull", "detail": "full", "hint": "wait", "retryable": true}'),
    "/proxy": (502, "text/html", b"<html>"),
    "/items": (200, "text/event-stream", b'id: 1\ndata: {"a": 1}\n\n: still here\n\nid: 2\ndata: {"a": 2}\n\n'),
}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, kind, body = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-token", self.headers.get("authorization", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Target(f"http://127.0.0.1:{server.server_port}", "secret")
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer(target: Target) -> None:
    assert ask(target, Asked("GET", "/good")) == {"a": 1}
    assert ask(target, Asked("GET", "/empty")) is None


def test_the_items_of_a_stream(target: Target) -> None:
    assert list(follow(target, Asked("GET", "/items"))) == [{"a": 1}, {"a": 2}]


def test_a_refusal_says_why_and_whether_to_try_again(target: Target) -> None:
    with pytest.raises(ApiError) as refused:
        ask(target, Asked("GET", "/busy"))
    assert (refused.value.code, refused.value.hint, refused.value.exit_code) == ("StoreFull", "wait", ExitCode.RETRY)


def test_an_answer_that_is_somebody_else_s(target: Target) -> None:
    with pytest.raises(ApiError) as refused:
        ask(target, Asked("GET", "/proxy"))
    assert "502" in refused.value.message
    with pytest.raises(NoDaemon):
        ask(target, Asked("GET", "/broken"))


@pytest.mark.parametrize("url", ["ftp://x", "http://", "localhost:8470", "x"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ApplianceError) as refused:
        ask(Target(url), Asked("GET", "/"))
    assert refused.value.exit_code == ExitCode.INVALID


def test_nobody_there() -> None:
    with pytest.raises(NoDaemon):
        ask(Target("http://127.0.0.1:1"), Asked("GET", "/"))
