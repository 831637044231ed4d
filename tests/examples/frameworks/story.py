"""What every sample has to do at a real node, whatever it is written in."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from examples.management import PASSWORD, Api

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@contextmanager
def application(command: list[str], folder: Path, api_server: str) -> Iterator[str]:
    """A sample that runs: where it is. It gets its place by variables and says "listening on PORT"."""
    places = {**os.environ, "API_SERVER": api_server, "PORT": "0", "NO_PROXY": "*"}
    with subprocess.Popen(command, cwd=folder, env=places, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            said = ""
            for line in running.stdout:
                said += line
                if "listening on" in line:
                    break
            else:
                raise AssertionError(f"it did not start: {said}")
            yield f"http://127.0.0.1:{line.split()[-1]}"
        finally:
            running.terminate()


def judge(url: str, port: int, code: str) -> None:
    """`port` and `code`: of `examples.management.trial`."""
    Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
    alice = Api(port).log_in("alice")
    alice.ask("POST", "/users", name="victor", password=PASSWORD, roles=["viewer"])
    alice_token, victor_token = (
        Api(port).ask("POST", "/auth/login", name=name, password=PASSWORD)["access_token"] for name in ("alice", "victor")
    )
    made = alice.ask("POST", "/tokens", name="backup", scopes=["node.read"])
    program = Api(port).ask(
        "POST", "/auth/token", grant_type="client_credentials", client_id=made["accessor"], client_secret=made["client_secret"]
    )["access_token"]

    def asked(path: str, token: str = "", verb: str = "GET", trace: str = "") -> httpx.Response:
        headers = {**({"authorization": f"Bearer {token}"} if token else {}), **({"traceparent": trace} if trace else {})}
        return httpx.request(verb, url + path, headers=headers, timeout=60, trust_env=False)

    def refused(answer: httpx.Response) -> list[Any]:
        assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
        assert answer.json()["hint"]
        return [answer.status_code, answer.json()["code"]]

    stranger = asked("/me")
    assert refused(stranger) == [401, "Unauthenticated"]
    assert stranger.headers["www-authenticate"] == "Bearer"
    for broken in (alice_token[:-8] + "AAAAAAAA", alice_token + "A", made["token"], "x"):
        assert refused(asked("/me", broken)) == [401, "Unauthenticated"]
    assert asked("/me", alice_token).json()["roles"] == ["admin"]
    assert asked("/peers", victor_token).json() == ["other"]
    assert asked("/peers", program).json() == ["other"]
    told = asked("/peers", victor_token, trace=TRACE).headers["traceparent"]
    assert told[:36] == TRACE[:36]
    assert told != TRACE
    assert refused(asked("/names/nobody", victor_token)) == [404, "NoSuchName"]
    assert refused(asked("/stop", victor_token, "POST")) == [403, "Forbidden"]
    assert refused(asked("/stop", program, "POST")) == [403, "Forbidden"]
    assert asked("/stop", alice_token, "POST").status_code in {200, 201}
    until = time.monotonic() + 120
    while (gone := asked("/peers", alice_token)).json() == ["other"] or gone.json()["code"] != "NodeGone":
        assert time.monotonic() < until, gone.text
    assert refused(gone) == [503, "NodeGone"]
