"""The log with its heads and those of others, as callers and peers meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.api.peer_protocol import TimedOut
from appliance.control.conversation import Request
from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.head import Head, SignedHead, sign
from appliance.management.audit.keeping import Taken
from appliance.protocol.identity import Identity
from appliance.runtime.audit.heads import NoHead
from appliance.runtime.audit.opened import OpenAudit
from appliance.runtime.audit.segment_writer import Keep
from appliance.runtime.audit.told import Told
from appliance.runtime.plugins.routes import BadArguments

NODE, PEER = (Identity.from_seeds(bytes([number]) * 32, bytes([number + 1]) * 32) for number in (1, 3))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[OpenAudit]:
    peers = {"office": PEER.fingerprint}
    audit = OpenAudit(Told(folder, NODE, lambda: None, lambda name: peers.get(name, ""), lambda: False), Keep(1 << 30, 1e9))
    await audit.open()
    try:
        yield audit
    finally:
        await audit.close()


async def ask(audit: OpenAudit, op: str, **args: Any) -> Any:
    return await audit.operations()[op].handler(Request(Principal("local", "root", 0), args))  # type: ignore[misc]


def peers_head(number: int, time: int) -> SignedHead:
    return sign(Head("0b" * 16, number, bytes(32), time), PEER)


async def test_own_heads_and_those_of_others_are_shown(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as audit:
        assert await ask(audit, "audit_heads") == {"heads": [], "others": []}
        audit.log.note(Entry("a", Outcome.DONE))
        audit.take("office", peers_head(7, 7))
        shown = await ask(audit, "audit_heads")
        assert [head["node"] for head in shown["heads"] + shown["others"]] == [NODE.fingerprint, PEER.fingerprint]
        assert audit.kept(PEER.fingerprint).last_heard == 7


async def test_a_peer_whose_log_went_back_is_recorded(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as audit:
        taken = [audit.take("office", peers_head(*each)) for each in ((7, 7), (9, 9), (3, 12))]
        assert taken == [Taken.NEW, Taken.NEW, Taken.CONTRADICTS]
        (entry,) = (await ask(audit, "audit"))["entries"]
    assert (entry["what"], entry["target"], entry["reason"]) == ("peer.head", "office", "contradicts")


async def test_what_a_peer_keeps_of_this_node(tmp_path: Path) -> None:
    class Family:
        answer: Any = ()

        async def ask(self, _peer: str) -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    async with opened(tmp_path / "a") as audit:
        assert await ask(audit, "audit_heads", peer="office") == {"heads": []}
        audit.family = family = Family()  # type: ignore[assignment]  # all that is asked of it
        family.answer = [sign(Head("0b" * 16, 1, bytes(32), 0), NODE)]
        assert [head["number"] for head in (await ask(audit, "audit_heads", peer="office"))["heads"]] == [1]
        family.answer = TimedOut("late")
        with pytest.raises(NoHead, match="office gives no heads"):
            await ask(audit, "audit_heads", peer="office")
        for nobody in ("nobody", 3):
            with pytest.raises(BadArguments):
                await ask(audit, "audit_heads", peer=nobody)
