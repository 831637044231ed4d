"""A machine of shared knowledge in real nodes: it is told of sessions, and what it wants is done."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.api.values import Endpoint
from appliance.knowledge.effects import Ask, Deed
from appliance.knowledge.scores.breakers import FAILURES
from appliance.members.effects import Hold, Release, Say
from appliance.members.network import digest_of_text
from appliance.members.row import Digest
from appliance.runtime.knowledge.hosting import SESSION_SECONDS, Hosted, Judged
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.testing.pair import PORT, identity_of
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import certificate, grants

A, B = "198.51.100.1", "198.51.100.2"


def of(name: str) -> Digest:
    return digest_of_text(identity_of(name).fingerprint)


class Echo:
    """Answers what it is asked, and remembers what it is told."""

    def __init__(self) -> None:
        self.said: list[Say] = []
        self.asked: list[Ask] = []
        self.wishes: list[Hold | Release] = []
        self.deeds: list[Deed] = []
        self.there: set[Digest] = set()
        self.heard: list[tuple[Digest, str, bytes]] = []
        self.answers: dict[int, bytes | None] = {}
        self.alarm = float("inf")
        self.rang = 0

    def connected(self, member: Digest, now: float) -> None:
        self.there.add(member)

    def gone(self, member: Digest, now: float) -> None:
        self.there.discard(member)

    def take(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> None:
        self.heard.append((member, kind, body))

    def answer(self, member: Digest, kind: str, body: bytes, now: float, wall: float) -> bytes | None:
        self.deeds.append(Deed(member, "asked", 1.0))
        return body[::-1] if kind == "turn" else None

    def answered(self, number: int, body: bytes | None, now: float, wall: float) -> None:
        self.answers[number] = body

    def due(self, now: float, wall: float) -> None:
        self.rang += 1
        self.alarm = float("inf")

    def next_due(self) -> float:
        return self.alarm


class Node:
    """One with an echo."""

    def __init__(self) -> None:
        self.echo, self.judged, self.deeds = Echo(), Judged(), list[Deed]()
        self.judged.listeners.append(lambda _family, deed: self.deeds.append(deed))

    async def join(self, meshed: Meshed, name: str, address: str, *statements: object, **words: object) -> MeshedHost:
        self.host = await meshed.add(name, address, *statements, more=self._kinds, **words)
        return self.host

    def _kinds(self, runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
        self.hosted = Hosted("echo", self.echo, runtime.mesh, self.judged)
        return (self.hosted.kind,)

    def ask(self, number: int, member: Digest, kind: str, body: bytes) -> None:
        self.hosted.do(lambda _now, _wall: self.echo.asked.append(Ask(number, member, kind, body, 5.0)))


def members() -> list[object]:
    return [certificate(name, grants=grants(f"10.7.0.{number}")) for number, name in enumerate("abc", 1)]


def test_messages_questions_and_deeds_travel_between_members(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b = Node(), Node()
        await a.join(meshed, "a", A, *members()[:2])
        await b.join(meshed, "b", B, *members()[:2], first=[("a", A)])
        await meshed.until(lambda: a.echo.there == {of("b")} and b.echo.there == {of("a")})
        a.hosted.do(lambda _now, _wall: a.echo.said.append(Say(of("b"), "news", b"hello")))
        a.ask(1, of("b"), "turn", b"abc")
        a.ask(2, of("b"), "other", b"abc")
        await meshed.until(lambda: len(a.echo.answers) == 2)
        assert b.echo.heard == [(of("a"), "news", b"hello")]
        assert a.echo.answers == {1: b"cba", 2: None}, "what has no answer is refused"
        assert b.deeds == [Deed(of("a"), "asked", 1.0)] * 2
        await b.host.stop()
        await meshed.until(lambda: not a.echo.there, 600.0)
        meshed.hosts.remove(b.host)

    run(story, tmp_path)


def test_a_question_makes_the_session_that_it_needs_and_gives_up_without_one(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a, b = Node(), Node()
        await a.join(meshed, "a", A, *members())
        await b.join(meshed, "b", B, *members())
        assert not a.echo.there
        a.host.mesh.reach(identity_of("b").fingerprint, [Endpoint("udp", B, PORT)])
        a.ask(1, of("b"), "turn", b"xyz")
        a.ask(2, of("c"), "turn", b"xyz")
        before = meshed.network.now
        await meshed.until(lambda: len(a.echo.answers) == 2, SESSION_SECONDS + 5.0)
        assert a.echo.answers == {1: b"zyx", 2: None}
        assert meshed.network.now >= before + SESSION_SECONDS

    run(story, tmp_path)


def test_who_ends_holds_nobody_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        await a.join(meshed, "a", A, *members())
        a.hosted.do(lambda _now, _wall: a.echo.wishes.extend([Hold(of("b")), Hold(of("c")), Release(of("b"))]))
        released: list[tuple[str, str]] = []
        monkeypatch.setattr(a.host.mesh.wanted, "release", lambda *told: released.append(told))
        a.hosted.close()
        assert released == [(identity_of("c").fingerprint, "echo")]

    run(story, tmp_path)


def test_a_machine_is_called_when_it_said_and_earlier_if_it_says_so_then(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        await a.join(meshed, "a", A, *members())
        now = meshed.network.now
        a.hosted.do(lambda _now, _wall: setattr(a.echo, "alarm", now + 100.0))
        a.hosted.do(lambda _now, _wall: setattr(a.echo, "alarm", now + 5.0))
        await meshed.pause(4.0)
        assert a.echo.rang == 0
        await meshed.pause(2.0)
        assert a.echo.rang == 1
        a.hosted.close()

    run(story, tmp_path)


def test_one_that_cannot_be_reached_is_not_asked_for_a_while(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        await a.join(meshed, "a", A, *members())
        for number in range(FAILURES):
            a.ask(number, of("c"), "turn", b"xyz")
            await meshed.until(lambda number=number: number in a.echo.answers)  # type: ignore[misc]
        before = meshed.network.now
        a.ask(10, of("c"), "turn", b"xyz")
        await meshed.until(lambda: 10 in a.echo.answers)
        assert meshed.network.now == before, "it is not even called"
        assert a.hosted.counters["not-asked-of-one-that-fails"] == 1
        assert not a.deeds, "it is away, which is no fault"
        await meshed.add("c", "198.51.100.3", *members(), first=[("a", A)], more=_echoes)
        await meshed.until(lambda: of("c") in a.echo.there)
        a.ask(11, of("c"), "turn", b"xyz")
        await meshed.until(lambda: 11 in a.echo.answers)
        assert a.echo.answers[11] == b"zyx", "a new session is worth a question"
        a.judged.blocked = {of("c")}
        a.ask(12, of("c"), "turn", b"xyz")
        await meshed.until(lambda: 12 in a.echo.answers)
        assert a.echo.answers[12] is None

    run(story, tmp_path)


def _echoes(runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
    return (Hosted("echo", Echo(), runtime.mesh, Judged()).kind,)


def test_one_that_is_there_and_says_nothing_is_not_asked_for_a_while_and_that_speaks_against_it(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        await a.join(meshed, "a", A, *members()[:2])
        b = await meshed.add("b", B, *members()[:2], first=[("a", A)])  # it speaks nothing of echoes
        await meshed.until(lambda: a.echo.there == {of("b")} and bool(b.connected()))
        for number in range(FAILURES + 1):
            a.ask(number, of("b"), "turn", b"xyz")
            await meshed.until(lambda number=number: number in a.echo.answers)  # type: ignore[misc]
        assert set(a.echo.answers.values()) == {None}
        assert a.deeds == [Deed(of("b"), "unanswered", -1.0)] * FAILURES
        assert a.hosted.counters["not-asked-of-one-that-fails"] == 1

    run(story, tmp_path)
