"""A log-in at a provider of somebody else's making, which is certified for OpenID Connect (oidc-provider, by npm)."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from appliance.api_server.plugins.kinds import Brought
from appliance_login_oidc.plugin import appliance_logins
from tests.clients.driver import done
from tests.rigs.oidc_provider import CLIENT, SECRET
from tests.rigs.whole_api import whole_api

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm: run packaging/setup.sh clients"),
]

PROVIDER = "oidc-provider@9"
PROGRAM = Path(__file__).parent / "oidc_provider.mjs"
KINDS = {"logins": {"oidc": Brought("login-oidc", next(iter(appliance_logins())))}}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def certified(folder: Path, port: int, callback: str) -> Iterator[None]:
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, PROVIDER], folder)
    program = folder / PROGRAM.name
    program.write_bytes(PROGRAM.read_bytes())
    command = ["node", program, str(port), callback, CLIENT, SECRET]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        while running.stdout.readline().strip() != b"ready":
            assert running.poll() is None
        yield
        running.kill()


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    section = {
        "issuer": f"http://127.0.0.1:{port}",
        "client_id": CLIENT,
        "client_secret": "file:/secret",
        "roles": {"staff": ["viewer"]},
        "create": True,
        "devices": True,
    }
    npm = tmp_path / "npm"
    npm.mkdir()
    with (
        whole_api(tmp_path / "api", {"logins": {"oidc": section}}, kinds=KINDS, secrets={"file:/secret": SECRET}) as base,
        certified(npm, port, f"{base}/login/oidc/callback"),
    ):
        yield base


def walked(browser: httpx.Client, answer: httpx.Response, name: str, until: str, code: str = "") -> httpx.Response:
    """Go on as somebody in front of the provider's pages does, until an address or a page that has that."""
    for _ in range(20):
        if answer.is_redirect:
            address = urljoin(str(answer.url), answer.headers["location"])
            if address.startswith(until):
                return answer
            answer = browser.get(address)
            continue
        if code and until in answer.text:
            return answer
        assert answer.status_code == 200, answer.text
        form = re.search(r'action="([^"]+)"', answer.text)
        assert form is not None, answer.text
        fields = dict(re.findall(r'name="(\w+)"[^>]*value="([^"]*)"', answer.text))
        fields |= {"user_code": code} if 'name="user_code"' in answer.text else {}
        fields |= {"prompt": "login", "login": name, "password": "any"} if 'name="login"' in answer.text else {}
        answer = browser.post(urljoin(str(answer.url), form[1]), data=fields)
    raise AssertionError(answer.text)


def begun(browser: httpx.Client, base: str) -> httpx.Response:
    """The provider was looked for before it was there, and is looked for again."""
    end = time.monotonic() + 60
    while not (answer := browser.get(f"{base}/login/oidc")).is_redirect:
        assert time.monotonic() < end, answer.text
        time.sleep(0.5)
    return answer


def test_somebody_logs_in_at_a_certified_provider(base: str) -> None:
    with httpx.Client(timeout=60) as browser:
        back = walked(browser, begun(browser, base), "carol", f"{base}/login/oidc/callback")
        arrived = browser.get(back.headers["location"])
        assert arrived.status_code == 303, arrived.text
        code = arrived.headers["location"].partition("#log-in=")[2]
        tokens = browser.post(f"{base}/api/v1/auth/logins/exchange", json={"code": code}).json()
    assert (tokens["user"]["name"], tokens["user"]["roles"]) == ("carol", ["viewer"])


def test_a_program_without_a_browser_logs_in_at_it(base: str) -> None:
    with httpx.Client(timeout=60) as program, httpx.Client(timeout=60) as browser:
        end = time.monotonic() + 60
        while (answer := program.post(f"{base}/api/v1/auth/logins/oidc/device")).status_code != 201:
            assert time.monotonic() < end, answer.text
            time.sleep(0.5)
        begun = answer.json()
        asked = {"device": begun["device"]}
        assert program.post(f"{base}/api/v1/auth/logins/device", json=asked).json()["code"] == "LogInPending"
        walked(browser, browser.get(begun["url"]), "dave", "Sign-in Success", begun["code"])
        while (answer := program.post(f"{base}/api/v1/auth/logins/device", json=asked)).status_code == 409:
            assert time.monotonic() < end
            time.sleep(1)
        assert answer.json()["user"]["name"] == "dave"
