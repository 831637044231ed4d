"""The gateways of docs/api-gateways.md, each as the page has it, but for ports and files: nginx here, Envoy in `make clients`."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from websockets.sync.client import connect

from tests.docs.markdown import ROOT, blocks
from tests.docs.test_reverse_proxies import NGINX, TEMPORARY, answers, certified, free_port, running
from tests.rigs.edge import until
from tests.rigs.whole_api import PASSWORD, first_user, whole_api

NAME = "api.example.net"
PAGE = {block.text.splitlines()[0]: block.text for block in blocks(ROOT / "docs/api-gateways.md")}
SECTION = {"names": [NAME], "proxy": ["127.0.0.1/32"]}
ALICE = {"name": "alice", "password": PASSWORD}


class Stage(NamedTuple):
    """A gateway, and what is behind it."""

    gateway: httpx.Client
    tokens: list[str]
    """Of alice at node 1, and of alice at node 2."""
    front: int
    trusted: ssl.SSLContext


@contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[list[int], list[str]]]:
    """Their ports, and the tokens of a user of each."""
    for name in ("1", "2"):
        (folder / name).mkdir()
    with whole_api(folder / "1", SECTION, "1" * 64) as one, whole_api(folder / "2", SECTION, "2" * 64) as two:
        yield [int(each.rpartition(":")[2]) for each in (one, two)], [first_user(each) for each in (one, two)]


def placed(text: str, folder: Path, ports: list[int]) -> str:
    """The page's text, with the ports and files of this test."""
    for shown, port in zip(("8470", "8471"), ports, strict=True):
        text = text.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{port}").replace(f"port_value: {shown}", f"port_value: {port}")
    return text.replace("/etc/ssl/", f"{folder}/")


@contextmanager
def before(folder: Path, front: int, tokens: list[str]) -> Iterator[Stage]:
    """A gateway that runs at that port, and its client."""
    trusted = ssl.create_default_context(cadata=(folder / "api.pem").read_text())
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    address = f"https://127.0.0.1:{front}"
    with httpx.Client(base_url=address, verify=trusted, headers={"host": NAME}, timeout=60, trust_env=False) as gateway:
        gateway.event_hooks = {"request": [lambda request: request.extensions.update(sni_hostname=NAME)]}
        yield Stage(gateway, tokens, front, trusted)


def passes(stage: Stage) -> None:
    """What every gateway of the page does: each node by its path, with everything that the API has."""
    for node, (own, other) in enumerate((stage.tokens, stage.tokens[::-1]), 1):
        who = {"authorization": f"Bearer {own}"}
        known = stage.gateway.get(f"/node{node}/api/v1/users/profile", headers=who)
        assert known.json().get("name") == "alice", known.text
        foreign = stage.gateway.get(f"/node{node}/api/v1/users/profile", headers={"authorization": f"Bearer {other}"})
        assert foreign.status_code == 401, "a token is good at its own node only"
        assert stage.gateway.get(f"/node{node}/health").json() == {"status": "ok"}
        assert len(stage.gateway.get(f"/node{node}/api/v1/users?limit=1", headers=who).json()["items"]) == 1
        job = stage.gateway.post(f"/node{node}/api/v1/templates/execute", headers=who, json={"template": "health-check"}).json()
        with stage.gateway.stream("GET", f"/node{node}/api/v1/templates/stream/{job['id']}", headers=who) as events:
            assert "event: state" in set(events.iter_lines())
        url = f"wss://{NAME}/node{node}/api/v1/ws"
        wire = socket.create_connection(("127.0.0.1", stage.front))
        with connect(url, sock=wire, ssl=stage.trusted, additional_headers=who, proxy=None) as spoken:
            assert '"welcome"' in str(spoken.recv(60))
    assert stage.gateway.get("/node3/health").status_code == 404
    attempts: list[int] = []
    while 429 not in attempts:  # one more is let in every 12 seconds, however slow this machine is
        attempts.append(stage.gateway.post("/node1/api/v1/auth/login", json=ALICE).status_code)
    assert len(attempts) > 5
    assert set(attempts) == {200, 429}


def test_nginx_knows_nodes_by_paths_and_slows_down_log_ins(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        pytest.skip("needs nginx (packaging/setup.sh)")
    certified(tmp_path, "api", NAME)
    front = free_port()
    with two_nodes(tmp_path) as (ports, tokens):
        page = placed(PAGE["# nginx, in sites-enabled/"], tmp_path, ports).replace("listen 443", f"listen 127.0.0.1:{front}")
        configuration = NGINX.format(folder=tmp_path, temporary=TEMPORARY.format(folder=tmp_path), page=page)
        with running(nginx, "nginx", configuration, tmp_path):
            asyncio.run(until(lambda: answers(front)))
            with before(tmp_path, front, tokens) as stage:
                passes(stage)
