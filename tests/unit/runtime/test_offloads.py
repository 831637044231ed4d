"""Links whose datagrams the kernel does not cut: said once, asked again, forgotten with the link."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from appliance.runtime.links.table import Links
from appliance.runtime.node import offloads
from appliance.runtime.node.offloads import Offloads
from appliance.runtime.workers.pool import WorkerPool


class Asked:
    """A worker that is asked to try again."""

    def __init__(self) -> None:
        self.links: list[int] = []
        self.heard = asyncio.Event()

    def try_offload(self, link: int) -> None:
        self.links.append(link)
        self.heard.set()


def made(worker: Asked, *links: int) -> Offloads:
    return Offloads(cast("Links", set(links)), lambda: cast("WorkerPool", worker))


def test_the_kernel_is_asked_again_while_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offloads, "AGAIN", 0.0)

    async def story() -> None:
        worker = Asked()
        told = made(worker, 1, 2)
        told.changed(1, "EIO")
        for _ in range(2):
            await asyncio.wait_for(worker.heard.wait(), 60)
            worker.heard.clear()
        assert set(worker.links) == {1}
        assert told.of(1) == "EIO"
        told.changed(1, "")
        assert told.of(1) == ""
        worker.links.clear()
        told.try_again()
        assert worker.links == []
        told.close()

    asyncio.run(story())


def test_a_link_that_is_gone_is_not_asked_about() -> None:
    async def story() -> None:
        worker: Any = Asked()
        told = made(worker, 1)
        for link in (1, 2):
            told.changed(link, "EIO")
        told.try_again()
        assert worker.links == [1]
        assert told.of(2) == ""
        told.close()

    asyncio.run(story())
