"""A log-in by a provider at a real node: the API server's process is nobody, and the client's secret is root's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.netns.browser import Browser
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway
from tests.rigs.oidc_provider import CLIENT, SECRET

pytestmark = pytest.mark.netns

READY = "the API server is ready"
PROVIDER = 8600
ROOT = Path(__file__).parents[2]


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        secret = folder / "secret"
        secret.touch(0o600)
        secret.write_text(f"{SECRET}\n")
        namespace.sh("ip link set lo up")
        host, other = Host(namespace, folder, 1), Host(namespace, folder, 2)
        host.write(
            other,
            plugins="login-oidc",
            more=f"""
management:
  logins:
    oidc:
      issuer: "http://127.0.0.1:{PROVIDER}"
      client_id: {CLIENT}
      client_secret: "file:{secret}"
      roles: {{staff: [viewer]}}
      create: true
""",
        )
        with provider(host):
            host.start()
            try:
                host.hear(READY)
                yield host
            finally:
                host.stop()


@contextmanager
def provider(node: Host) -> Iterator[None]:
    """One in the node's namespace."""
    command = [*node.entering, sys.executable, "-m", "tests.rigs.oidc_provider", str(PROVIDER)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        yield
        running.kill()


def test_somebody_logs_in_and_root_sees_who_it_was(node: Host) -> None:
    def asked(*words: str) -> str:
        """With the cookies of one browser."""
        command = ["curl", "-s", "--max-time", "60", "-b", "cookies", "-c", "cookies", *words]
        return subprocess.run(
            [*node.entering, *command], check=True, capture_output=True, text=True, cwd=node.profile.parent
        ).stdout

    def sent_on(url: str) -> str:
        return asked("-o", "/dev/null", "-w", "%{redirect_url}", url)

    end = time.monotonic() + 60
    api = "http://127.0.0.1:8470"
    back = sent_on(sent_on(f"{api}/login/oidc"))
    code = sent_on(back).partition("#log-in=")[2]
    body = json.dumps({"code": code})
    told: Any = json.loads(asked("-H", "content-type: application/json", "-d", body, f"{api}/api/v1/auth/logins/exchange"))
    assert (told["user"]["name"], told["user"]["roles"]) == ("alice", ["viewer"])
    status = json.loads(asked("-H", f"authorization: Bearer {told['access_token']}", f"{api}/api/v1/status"))
    assert status["name"] == "host-1"
    users = json.loads(node.command("api", "users.list", "--json").stdout)
    assert [user["name"] for user in users["items"]] == ["alice"]
    while not noted(node):
        assert time.monotonic() < end
    code_and_secret = (code, SECRET)
    said = node.heard.decode() + node.command("audit", "show", "--json").stdout
    assert not [secret for secret in code_and_secret if secret in said]


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: packaging/setup.sh")
def test_a_browser_goes_there_and_back_and_is_in_the_dashboard(node: Host) -> None:
    with Browser(node.entering) as browser:
        browser.call("Page.navigate", url="http://127.0.0.1:8470/")
        browser.wait("document.querySelector('a[href=\"/login/oidc\"]') !== null")
        browser.run("document.querySelector('a[href=\"/login/oidc\"]').click()")
        browser.wait("document.querySelector('.who')?.textContent.includes('alice') === true")
        assert "log-in=" not in browser.run("location.href")
        browser.call("Page.navigate", url="http://127.0.0.1:8470/health")
        browser.wait("location.pathname === '/health'")
        browser.run("sessionStorage.clear()")
        browser.call("Page.navigate", url="http://127.0.0.1:8470/dashboard/#log-in=made-up")
        browser.wait("document.body?.textContent.includes('nobody waits for this log-in') === true")
        assert browser.run("location.hash") == "#/"


def noted(node: Host) -> bool:
    """Has the audit log the log-in? It is told in batches."""
    return "by oidc" in node.command("audit", "show", "--json").stdout
