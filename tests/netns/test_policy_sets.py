"""Peers come and go: the kernel knows soon, without another plan, and nobody who stays is denied for a moment."""

from __future__ import annotations

import asyncio

import pytest

from appliance.api.access import What
from appliance.api.profile import Profile
from appliance.linux import nftables
from appliance.planning import own
from appliance.runtime.policy.access import Access
from tests.netns.throwaway import Throwaway
from tests.rigs.judged import OVERLAY, OWN, PARTIES, Kernel, Packet

pytestmark = pytest.mark.netns

SSH = What.parse("tcp/22")


def test_a_member_that_goes_is_denied_and_one_that_comes_is_let_in(namespace: Throwaway) -> None:
    namespace.run(come_and_go)


def come_and_go() -> None:
    policy = {"allow": [{"from": ["members", "tag:slow", "lapdog"], "what": ["tcp/22"]}]}
    network = {"addresses": [f"{address}/64" if ":" in address else f"{address}/16" for address in OWN]}
    with Kernel() as kernel:
        access = kernel.use(Profile.model_validate({"profile": 1, "network": network, "policy": policy}))
        assert kernel.passed(asking()) == {2, 3, 4, 5}, "and not who is no member"
        entry = kernel.table.get("peer2")
        assert entry is not None
        kernel.table.drop("peer2")
        asyncio.run(told(access, gone="10.8.0.2"))
        assert (asyncio.run(access.shown()) or {})["nobody"] == ["lapdog"]
        assert kernel.passed(asking()) == {3, 4, 5}
        kernel.table.add(entry)
        asyncio.run(told(access, there="10.8.0.2"))
        assert kernel.passed(asking()) == {2, 3, 4, 5}


def asking() -> list[Packet]:
    """One packet of each party, numbered by the last part of its address."""
    found = (str(party.addresses[0]) for party in PARTIES)
    return [Packet(OVERLAY, source, OWN[0], SSH, int(source.rpartition(".")[2])) for source in found]


async def told(access: Access, *, gone: str = "", there: str = "") -> None:
    """Peers changed: wait until the kernel's set has no more, or has, that address."""
    access.peers_changed()
    members: list[str] = []
    for _ in range(600):
        entries = await nftables.read(own.TABLE) or []
        members = next(entry["set"].get("elem", []) for entry in entries if entry.get("set", {}).get("name") == "members_4")
        if gone not in members and (not there or there in members):
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError(members)
    await access.close()
