"""Nothing between two nodes but a foreign HTTP proxy, which connects to port 443 only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rigs.labs import reaches

from appliance.lab import tools
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host

pytestmark = [
    pytest.mark.netns,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("tinyproxy"), reason="needs tinyproxy (Debian package tinyproxy-bin)"),
]
SECONDS = 60.0
TINYPROXY = """\
Port 3128
Timeout 600
MaxClients 20
ConnectPort 443
BasicAuth laptop secret
"""


def definition(password: str) -> LabFile:
    """The proxy is on both wires and forwards nothing."""
    plugins = ["crypto-standard", "routing-static", "transport-ip", "transport-websocket"]
    proxy = f"http://laptop:{password}@192.168.0.1:3128"
    hosts: dict[str, Any] = {
        "proxy": {"addresses": ["10.81.0.3/24"]},
        "office": {
            "addresses": ["10.81.0.1/24"],
            "listen": ["wss://0.0.0.0:443/llp"],
            "peers": {"laptop": {}},
            "profile": {"plugins": plugins},
        },
        "laptop": {
            "addresses": ["10.81.0.2/24"],
            "peers": {"office": {"endpoints": ["wss://198.51.100.2/llp"]}},
            "profile": {"plugins": plugins, "transports": {"wss": {"verify": False, "proxy": proxy}}},
        },
    }
    links = [
        {"name": "lan", "hosts": ["proxy", "laptop"], "ipv4": "192.168.0.0/24"},
        {"name": "wan", "hosts": ["proxy", "office"], "ipv4": "198.51.100.0/24"},
    ]
    return LabFile.model_validate({"lab": 1, "name": "proxy", "links": links, "hosts": hosts})


@contextmanager
def running(host: Host, words: list[str]) -> Iterator[None]:
    """A program on a host."""
    process = subprocess.Popen(host.namespace.enter(words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


async def test_through_a_proxy_with_a_password_and_what_is_said_without() -> None:
    async with Lab(definition("guessed"), start=False) as lab:
        laptop, proxy = lab.host("laptop"), lab.host("proxy")
        config = proxy.directory / "tinyproxy.conf"
        config.write_text(TINYPROXY)
        with running(proxy, ["tinyproxy", "-d", "-c", str(config)]):
            lab.host("office").start()
            laptop.start()

            def last_error() -> str:
                (peer,) = (laptop.status() or {}).get("peers", [{}])
                return str(peer.get("last_error") or "")

            await lab.until(lambda: "wants a user and a password" in last_error(), SECONDS)
            assert "guessed" not in last_error()
            assert "guessed" not in laptop.log_tail(1000)

            laptop.profile.write_text(laptop.profile.read_text().replace("guessed", "secret"))
            await laptop.restart()
            await lab.wait_for_sessions()
            assert await reaches(laptop, "10.81.0.1", seconds=SECONDS)
            assert laptop.sessions()["office"]["endpoint"] == "wss://198.51.100.2/llp"
            assert lab.host("office").sessions()["laptop"]["endpoint"].startswith("wss://198.51.100.1:"), "as the proxy comes by"
            sent, received = await tools.transfer(laptop, lab.host("office"), 4, "1000000")
            assert sent["sha256"] == received["sha256"]
    assert lab.left_behind == []
