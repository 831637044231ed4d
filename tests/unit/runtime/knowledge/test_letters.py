"""Letters in real nodes: they make the session that they need, wait for who reads, and end with an answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.values import Endpoint
from appliance.control.conversation import Request
from appliance.runtime.knowledge import letter_questions
from appliance.runtime.knowledge import letters as module
from appliance.runtime.knowledge.hosting import Judged
from appliance.runtime.knowledge.letters import LetterNotTaken, LettersPart
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.runtime.plugins.routes import BadArguments
from appliance.testing.pair import PORT, identity_of
from tests.rigs.meshed import Meshed, run
from tests.unit.members.signed import certificate, grants

A, B = "198.51.100.1", "198.51.100.2"
NAMES = {name: identity_of(name).fingerprint for name in "abc"}


class Node:
    letters: LettersPart

    async def join(self, meshed: Meshed, name: str, address: str) -> None:
        signed = [certificate(each, grants=grants(f"10.7.0.{number}")) for number, each in enumerate("abc", 1)]
        self.host = await meshed.add(name, address, *signed, more=self._kinds)

    def _kinds(self, runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
        self.letters = LettersPart(SimpleNamespace(mesh=runtime.mesh, judged=Judged()))  # type: ignore[arg-type]
        return tuple(self.letters.kinds())


def asked(**arguments: Any) -> Request:
    return Request(Principal("api-server", "api-server"), arguments)


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_letter_makes_its_session_and_waits_for_its_reader(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b = Node(), Node()
        await a.join(meshed, "a", A)
        await b.join(meshed, "b", B)
        a.host.mesh.reach(NAMES["b"], [Endpoint("udp", B, PORT)])
        async with aclosing(letter_questions.read(b.letters, asked(server="signalling"))) as reading:
            assert await anext(reading) == {"from": "", "content": ""}
            first = asyncio.ensure_future(anext(reading))
            sending = asyncio.ensure_future(
                letter_questions.send(a.letters, asked(server="signalling", to=NAMES["b"], content=text(b"hello")))
            )
            await meshed.until(sending.done)
            assert sending.result() == {}
            await meshed.until(first.done)
            assert first.result() == {"from": NAMES["a"], "content": text(b"hello")}
            assert b.letters.status()["servers"] == ["signalling"]
        assert b.letters.status()["servers"] == []
        for to in "bc":
            lost = asyncio.ensure_future(a.letters.send("signalling", NAMES[to], b"hello"))
            await meshed.until(lost.done, 60.0)
            assert isinstance(lost.exception(), LetterNotTaken), "nobody reads there, or nobody is there"

    run(story, tmp_path)


def test_of_letters_that_nobody_takes_out_so_many_wait_and_the_newest_reader_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def story(meshed: Meshed) -> None:
        a, b = Node(), Node()
        await a.join(meshed, "a", A)
        await b.join(meshed, "b", B)
        a.host.mesh.reach(NAMES["b"], [Endpoint("udp", B, PORT)])
        old = b.letters.read("x")
        waiting = asyncio.ensure_future(anext(old))
        await asyncio.sleep(0)
        fresh = b.letters.read("x")
        taking = asyncio.ensure_future(anext(fresh))
        await asyncio.sleep(0)
        done = [asyncio.ensure_future(a.letters.send("x", NAMES["b"], bytes([n]))) for n in range(4)]
        await meshed.until(lambda: all(each.done() for each in done), 60.0)
        assert taking.result() == (NAMES["a"], b"\0")
        assert 1 <= sum(each.exception() is not None for each in done) <= 2, "two waited"
        assert not waiting.done()
        waiting.cancel()
        for reading in (old, fresh):
            with pytest.raises((asyncio.CancelledError, StopAsyncIteration)):
                await waiting
            await reading.aclose()

    run(story, tmp_path)


def test_when_the_part_ends_who_sends_and_who_reads_is_told(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        await a.join(meshed, "a", A)
        reading = asyncio.ensure_future(anext(a.letters.read("x")))
        sending = asyncio.ensure_future(a.letters.send("x", NAMES["b"], b"hello"))
        await asyncio.sleep(0)
        await a.letters.close()
        told = await asyncio.gather(reading, sending, return_exceptions=True)
        assert [type(each) for each in told] == [StopAsyncIteration, LetterNotTaken]
        with pytest.raises(LetterNotTaken):
            await a.letters.send("x", NAMES["b"], b"after the end")

    run(story, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "x", "to": "nobody", "content": ""},
        {"server": "x", "to": NAMES["a"], "content": "?"},
        {"server": "", "to": NAMES["a"], "content": ""},
        {"server": "ü", "to": NAMES["a"], "content": ""},
        {"server": "x", "to": NAMES["a"], "content": text(bytes(13_000))},
        {},
    ],
)
def test_what_is_no_letter_is_the_askers_mistake(wrong: dict[str, Any], tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        await a.join(meshed, "a", A)
        with pytest.raises(BadArguments):
            await letter_questions.send(a.letters, asked(**wrong))

    run(story, tmp_path)
