"""Somebody who watches both ends, as Prometheus would, only more often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.request import ProxyHandler, build_opener

from appliance.lab.host import Host
from appliance.lab.machines.machine import LabFailure
from tests.perf.bench.rig import MONITORING, Rig

EVERY_SECONDS = 1.0
"""Prometheus asks each 15 s or more seldom."""
SIGN = b"appliance_peers_connected"


@asynccontextmanager
async def scraped(rig: Rig) -> AsyncIterator[None]:
    """Both ends of a monitored rig are scraped all the while; nothing happens to one that is not. Raises LabFailure."""
    if not rig.contender.monitored:
        yield
        return
    asking = [asyncio.create_task(_ask_on(host)) for host in rig.hosts]
    try:
        yield
        if failed := [task for task in asking if task.done()]:
            raise LabFailure(f"{rig.contender.name}: no figures any more") from failed[0].exception()
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def _ask_on(host: Host) -> None:
    while True:
        page = await asyncio.to_thread(host.namespace.call, scrape)
        if SIGN not in page:
            raise LabFailure(f"{host.name}: that is no page of figures: {page[:80]!r}")
        await asyncio.sleep(EVERY_SECONDS)


def scrape() -> bytes:
    """The page of the node in this namespace. Raises OSError."""
    with build_opener(ProxyHandler({})).open(f"http://{MONITORING}/metrics", timeout=5) as answer:
        page: bytes = answer.read()
    return page
