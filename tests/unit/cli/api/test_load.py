"""Load on a real server in this process, which answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from appliance.cli import main
from appliance.cli.api.connection import Asked, Target
from appliance.cli.api.load import BROKEN, measure


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("authorization", ""))
        status = 503 if "busy" in self.path else 200
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Answers.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_so_many_at_even_times_with_the_token(url: str) -> None:
    found = measure(Target(url, "secret"), Asked("GET", "/x"), 4, 200, 0.2)
    assert found.requests == 40
    assert found.answers == {"200": 40}
    assert set(Answers.seen) == {"Bearer secret"}
    assert 0 < found.p50_ms <= found.p90_ms <= found.p99_ms <= found.slowest_ms


def test_as_many_as_can_be_until_the_time_is_over(url: str) -> None:
    found = measure(Target(url), Asked("GET", "/x"), 2, 0, 0.2)
    assert found.requests == sum(found.answers.values()) > 2


def test_where_nobody_answers_that_is_told() -> None:
    found = measure(Target("http://127.0.0.1:1"), Asked("GET", "/x"), 2, 20, 0.2)
    assert found.answers == {BROKEN: 4}


def test_the_command(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "status", "--url", url, "--rate", "50", "--during", "100ms", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answers"] == {"200": 5}
    assert main(["load", "events.follow", "--url", url]) == 2
    assert main(["load", "status", "--url", url, "--rate", "many"]) == 2
    assert main(["load", "lookup", "name=busy", "--url", url, "--rate", "50", "--during", "100ms"]) == 1
