"""Networks that let less and less pass: which transport carries the packets, and what the admin is told of the better ones."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from rigs.labs import reaches

from appliance.lab import tools
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]
SECONDS = 60.0


ALL = ("udp://office:8443", "quic://office:443", "tcp://office:8443", "wss://office/llp")


def definition(behind: str, endpoints: tuple[str, ...] = ALL) -> LabFile:
    """A laptop behind `behind` that calls an office."""
    return LabFile.model_validate(
        {
            "lab": 1,
            "name": "fallback",
            "links": [{"name": "wan", "hosts": ["office", "laptop"], "ipv4": "198.51.100.0/24"}],
            "each": {
                "profile": {
                    "plugins": ["crypto-standard", "routing-static", "transport-ip", "transport-quic", "transport-websocket"],
                    "transports": {"quic": {"verify": False}, "wss": {"verify": False}},
                }
            },
            "hosts": {
                "office": {
                    "addresses": ["10.83.0.1/24"],
                    "listen": ["udp://0.0.0.0:8443", "quic://0.0.0.0:443", "tcp://0.0.0.0:8443", "wss://0.0.0.0:443/llp"],
                    "peers": {"laptop": {}},
                },
                "laptop": {
                    "addresses": ["10.83.0.2/24"],
                    "behind": behind,
                    "peers": {"office": {"endpoints": list(endpoints), "keepalive": "1s"}},
                },
            },
        }
    )


def passed_over(host: Host) -> dict[str, str]:
    """By scheme, why it is not in use."""
    (peer,) = (host.status() or {})["peers"]
    return {each["endpoint"].partition("://")[0]: each["reason"] for each in peer["passed_over"]}


def carriers(host: Host) -> list[int]:
    """The processes that speak QUIC for a host: children of its daemon."""
    daemon = int((host.status() or {})["pid"])
    children = map(int, Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split())
    return [child for child in children if b"appliance_transport_quic.carrier" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.parametrize(
    ("behind", "carries", "not_by"),
    [("only-443", "quic", ("udp",)), ("udp-blocked", "tcp", ("udp", "quic")), ("web-only", "wss", ("udp", "quic", "tcp"))],
)
async def test_the_best_that_passes_carries_and_why_not_the_better_ones_is_told(
    behind: str, carries: str, not_by: tuple[str, ...]
) -> None:
    async with Lab(definition(behind)) as lab:
        laptop = lab.host("laptop")
        assert await reaches(laptop, "10.83.0.1", seconds=SECONDS)
        assert laptop.sessions()["office"]["transport"] == carries
        assert lab.host("office").sessions()["laptop"]["transport"] == carries
        why = passed_over(laptop)
        assert tuple(why) == not_by
        assert all(why.values())
        if "quic" in why:
            assert why["quic"] == "198.51.100.1:443 does not answer"
        told = (await laptop.appliance("ping", "office", "--count", "1")).out.splitlines()
        assert told[0].startswith(f"office (10.83.0.1) answers by {carries}://")
        assert [line.partition("://")[0] for line in told[1:]] == [f"not by {scheme}" for scheme in not_by]
        for command in ("peers", "status"):
            shown = (await laptop.appliance(command)).out
            assert all(scheme in shown and reason[:20] in shown for scheme, reason in why.items())
    assert lab.left_behind == []


async def test_quic_goes_on_after_both_ends_lost_the_process_that_speaks_it() -> None:
    async with Lab(definition("only-443", ("quic://office:443",))) as lab:
        laptop, office = lab.host("laptop"), lab.host("office")
        assert await reaches(laptop, "10.83.0.1", seconds=SECONDS)
        for host in (office, laptop):
            before = laptop.sessions()["office"]["session"]
            for process in carriers(host):
                os.kill(process, signal.SIGKILL)
            await lab.until(lambda before=before: laptop.sessions().get("office", {}).get("session", before) != before, SECONDS)  # type: ignore[misc]
            assert await reaches(laptop, "10.83.0.1", seconds=SECONDS)
        sent, received = await tools.transfer(laptop, office, 4, "1000000")
        assert sent["sha256"] == received["sha256"]
    assert lab.left_behind == []
