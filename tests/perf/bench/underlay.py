"""Random loss on the wire below an overlay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.lab.host import Host

TABLE = "bench_loss"
PARTS = 10_000
OFFLOADS = ("tso", "gso", "tx-udp-segmentation")
RULES = f"""
table inet {TABLE} {{{{
  chain arriving {{{{
    type filter hook input priority -300
    iifname {{device}} numgen random mod {PARTS} < {{part}} counter drop
  }}}}
}}}}
"""


@asynccontextmanager
async def lossy(hosts: tuple[Host, ...], device: str, percent: float) -> AsyncIterator[None]:
    """Drop that part of what arrives at each host, and carry packets singly meanwhile: otherwise the wire would carry, and lose,
    forty datagrams as one. Raises LabFailure."""
    try:
        await asyncio.gather(*(_lose(host, device, percent) for host in hosts))
        yield
    finally:
        for host in hosts:
            await host.run(["nft", "delete", "table", "inet", TABLE])
            await host.run(["ethtool", "-K", device, *_offloads("on")])


async def _lose(host: Host, device: str, percent: float) -> None:
    (await host.run(["ethtool", "-K", device, *_offloads("off")])).must_work()
    rules = RULES.format(device=device, part=round(percent * PARTS / 100))
    (await host.run(["nft", "-f", "-"], stdin=rules.encode())).must_work()


def _offloads(state: str) -> list[str]:
    return [word for name in OFFLOADS for word in (name, state)]
