"""Events of a node reach somebody else, whatever ends in between."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

READY = "the API server is ready"
HOOK = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open(sys.argv[1], "ab") as file:
            file.write(body + b"\\n")
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", 8600), Handler).serve_forever()
"""


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        secret = folder / "secret"
        secret.touch(0o600)
        secret.write_text("0123456789abcdef0123456789abcdef\n")
        namespace.sh("ip link set lo up")
        host, other = Host(namespace, folder, 1), Host(namespace, folder, 2)
        host.write(
            other,
            plugins="export-webhook",
            more=f"""
management:
  exports:
    webhook: {{url: "http://127.0.0.1:8600/", secret: "file:{secret}", kinds: [jobs]}}
""",
        )
        host.start()
        try:
            host.hear(READY)
            yield host
        finally:
            host.stop()


@contextmanager
def hook(node: Host, program: Path, file: Path) -> Iterator[None]:
    """The web server."""
    running = subprocess.Popen([*node.entering, sys.executable, str(program), str(file)])
    try:
        yield
    finally:
        running.kill()
        running.wait()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def trouble(node: Host) -> str:
    """What `appliance status` says of the plugin."""
    facts = json.loads(node.command("plugins", "--json").stdout)["plugins"]
    return next(str(fact["problem"]) for fact in facts if fact["name"] == "export-webhook")


def told(file: Path) -> list[str]:
    """The kinds of all events that came, each once, in order."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    found = {event["id"]: str(event["event"]) for line in lines for event in json.loads(line)["events"]}
    assert list(found) == sorted(found)
    return list(found.values())


def job(node: Host) -> None:
    """Run one."""
    ran = node.command("api", "templates.execute", "template=health-check", "--json")
    assert ran.returncode == 0, ran.stderr


def test_events_wait_for_a_web_server_that_is_away_and_the_admin_is_told(node: Host, tmp_path: Path) -> None:
    job(node)
    until(lambda: "cannot be reached" in trouble(node))
    file = tmp_path / "events"
    program = tmp_path / "hook.py"
    program.write_text(HOOK)
    with hook(node, program, file):
        until(lambda: told(file)[-1:] == ["jobs.succeeded"])
        until(lambda: trouble(node) == "")
        node.namespace.sh(f"kill -9 {node.status()['management']['pid']}")
        node.hear(READY, 2)
        before = len(told(file))
        job(node)
        until(lambda: told(file)[-1:] == ["jobs.succeeded"] and len(told(file)) > before)
