"""Scores and blocks in real nodes: deeds come in, sessions end, and the disk remembers."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.knowledge.effects import Deed
from appliance.knowledge.scores import blocks
from appliance.knowledge.scores.blocks import FIRST_SECONDS
from appliance.members.network import digest_of_text
from appliance.runtime.knowledge import scores_file, scores_questions
from appliance.runtime.knowledge.around import Around
from appliance.runtime.knowledge.hosting import Judged
from appliance.runtime.knowledge.scores import COUNT_SECONDS, HELD, LOOK_SECONDS, CannotBlock, NoSuchPeer, Scores
from appliance.runtime.members.mesh_runtime import MeshRuntime
from appliance.testing.pair import identity_of
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import NOW, certificate, grants, revocation

A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"
ADDRESSES = {"a": A, "b": B, "c": C}


class Node:
    """One with scores."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []

    async def join(self, meshed: Meshed, name: str, statements: Iterable[object], **words: Any) -> MeshedHost:
        self.host = await meshed.add(name, ADDRESSES[name], *statements, more=self._with, **words)
        await self.scores.start()
        return self.host

    def _with(self, runtime: MeshRuntime) -> Iterable[PeerProtocolKind]:
        self.judged = Judged()
        runtime.gossip.listeners.append(lambda event, fields: self.told.append((event, fields)))
        self.scores = Scores(Around(runtime.mesh, runtime.gossip, self.judged))
        return tuple(self.scores.kinds())

    def sees(self, name: str, what: str, points: float, times: int = 1) -> None:
        for _ in range(times):
            self.judged.tell("test", Deed(digest_of_text(identity_of(name).fingerprint), what, points))

    def events(self) -> list[tuple[str, str]]:
        return [(event, fields["peer"]) for event, fields in self.told if event.startswith("peer-")]

    async def anew(self, meshed: Meshed) -> None:
        """The process ends in order, and another one begins."""
        await self.scores.close()
        await self.host.stop()
        self.host.start()
        await self.host.begin()
        await self.scores.start()


def members() -> list[Any]:
    return [certificate(name, grants=grants(f"10.7.0.{number}")) for number, name in enumerate("abc", 1)]


async def three(meshed: Meshed, **words: Any) -> Node:
    """b and c call a, which keeps scores."""
    a = Node()
    await a.join(meshed, "a", members(), **words)
    for name in "bc":
        await meshed.add(name, ADDRESSES[name], *members(), first=[("a", A)])
    await meshed.until(lambda: [host.connected()[:1] for host in meshed.hosts] == [["b"], ["a"], ["a"]])
    await meshed.until(lambda: a.host.connected() == ["b", "c"])
    return a


def test_a_member_that_forges_is_cut_off_for_a_while_and_the_others_are_not(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        a.sees("b", "forged-statement", -10.0, times=8)
        assert a.host.connected() == ["c"]
        assert a.events() == [("peer-blocked", "b")]
        assert a.host.knows() == ["b", "c"], "it stays a peer: nobody takes its name"
        await meshed.pause(FIRST_SECONDS - 60.0)
        assert a.host.connected() == ["c"]
        await meshed.until(lambda: a.host.connected() == ["b", "c"], 300.0)
        assert a.events()[-1] == ("peer-unblocked", "b")
        await a.scores.close()

    run(story, tmp_path)


def test_one_that_makes_room_for_a_block_by_hand_can_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(meshed: Meshed) -> None:
        monkeypatch.setattr(blocks, "MOST", 1)
        a = await three(meshed)
        a.sees("b", "forged-record", -10.0, 12)
        assert a.host.connected() == ["c"]
        await a.scores.block("c", "root", "", None)
        assert a.events() == [("peer-blocked", "b"), ("peer-unblocked", "b"), ("peer-blocked", "c")]
        await meshed.until(lambda: a.host.connected() == ["b"], 600.0)

    run(story, tmp_path)


def test_by_hand_it_holds_across_a_restart_another_certificate_and_a_reload(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        await a.scores.block("b.home", "root", "it floods", None)
        await a.anew(meshed)
        await meshed.until(lambda: a.host.connected() == ["c"])
        await meshed.pause(120.0)
        renewed = certificate("b", serial=90, since=NOW, not_before=NOW + 5, grants=grants("10.7.0.2"))
        a.host.mesh.take(renewed.encoded)
        a.host.mesh.use(a.host.profile)
        await meshed.pause(120.0)
        assert a.host.connected() == ["c"]
        assert a.scores.blocks()[identity_of("b").fingerprint].reason == "it floods"
        await a.scores.unblock("b")
        await meshed.until(lambda: a.host.connected() == ["b", "c"], 120.0)
        with pytest.raises(CannotBlock, match="not blocked"):
            await a.scores.unblock("b")
        await a.scores.close()

    run(story, tmp_path)


def test_one_that_is_revoked_while_it_is_blocked_can_be_unblocked_by_its_identity(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        await a.scores.block("b", "root", "", 3600.0)
        a.host.mesh.take(revocation("b").encoded)
        assert a.host.knows() == ["c"]
        with pytest.raises(NoSuchPeer):
            await a.scores.unblock("b")
        assert await a.scores.unblock(identity_of("b").fingerprint) == identity_of("b").fingerprint
        await meshed.pause(60.0)
        assert a.host.connected() == ["c"], "it is no member"
        await a.scores.close()

    run(story, tmp_path)


def test_a_peer_of_the_profile_is_blocked_by_hand_only(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        named = {"name": "friend", "identity": identity_of("b").fingerprint, "allowed": ["10.7.0.2/32"]}
        a = await three_with_friend(meshed, named)
        a.sees("b", "forged-statement", -10.0, times=20)
        assert a.host.connected() == ["c", "friend"]
        await a.scores.block("friend", "root", "", None)
        assert a.host.connected() == ["c"]
        await a.scores.close()

    async def three_with_friend(meshed: Meshed, named: dict[str, Any]) -> Node:
        a = Node()
        await a.join(meshed, "a", members(), peers=[named])
        for name in "bc":
            await meshed.add(name, ADDRESSES[name], *members(), first=[("a", A)])
        await meshed.until(lambda: a.host.connected() == ["c", "friend"])
        return a

    run(story, tmp_path)


def test_the_only_way_into_the_network_is_not_blocked_by_the_node_and_may_be_by_a_person(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        await meshed.add("a", A, *members())
        b = Node()
        await b.join(meshed, "b", members(), first=[("a", A)])
        await meshed.until(lambda: b.host.connected() == ["a"])
        b.sees("a", "forged-statement", -10.0, times=50)
        assert b.host.connected() == ["a"]
        assert set(b.scores.book.held_off.values()) == {"last-way-in"}
        assert not b.scores.problem, "an admin is told in the scores"
        await b.scores.block("a", "root", "", 600.0)
        assert b.host.connected() == []
        await meshed.until(lambda: b.host.connected() == ["a"], 700.0)
        await b.scores.close()

    run(story, tmp_path)


def test_a_flapping_member_is_doubtful_and_goes_on(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        for _ in range(200):
            a.sees("b", "unanswered", -1.0)
            a.sees("b", "answered", 1.0)
            a.sees("b", "session-lost", -1.0)
        assert a.host.connected() == ["b", "c"]
        assert not a.events()
        await a.scores.close()

    run(story, tmp_path)


def test_being_there_speaks_for_a_member(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        await meshed.pause(LOOK_SECONDS)
        history = a.scores.book.histories[digest_of_text(identity_of("b").fingerprint)]
        assert history.reasons[HELD].count == 1
        await a.scores.close()

    run(story, tmp_path)


def test_with_scores_switched_off_nothing_is_written_down_and_blocks_by_hand_hold(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed, mesh={"scores": False})
        a.sees("b", "forged-statement", -10.0, times=20)
        assert a.host.connected() == ["b", "c"]
        assert not a.scores.book.histories
        await a.scores.block("b", "root", "", None)
        assert a.host.connected() == ["c"]
        await a.scores.close()

    run(story, tmp_path)


def test_a_full_disk_is_told_and_the_block_holds_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        await a.scores.block("c", "root", "", None)
        with monkeypatch.context() as broken:
            broken.setattr(scores_file, "write_whole", _full)
            await a.scores.block("b", "root", "", None)
        assert a.host.connected() == []
        assert "No space left" in a.scores.problem
        document = json.loads((a.host.folder.path / "scores").read_bytes())
        assert list(document["members"]) == [identity_of("c").fingerprint], "what was there before is whole"
        await a.scores.unblock("c")
        assert not a.scores.problem
        await a.scores.close()

    run(story, tmp_path)


def _full(_path: Path, _data: bytes) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_damaged_file_is_put_aside_and_told(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = Node()
        folder = tmp_path / "mesh-a"
        folder.mkdir()
        (folder / "scores").write_bytes(b"{")
        await a.join(meshed, "a", members())
        assert "were lost" in a.scores.problem
        assert (folder / "scores.damaged").read_bytes() == b"{"
        await a.scores.close()

    run(story, tmp_path)


def test_nobody_else_is_called_so(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        for name in ("d", "a", identity_of("a").fingerprint, "", "llp1:x"):
            with pytest.raises(NoSuchPeer):
                await a.scores.block(name, "root", "", None)
        assert a.scores.find(identity_of("b").fingerprint) == identity_of("b").fingerprint
        await a.scores.close()

    run(story, tmp_path)


def test_figures_and_status_tell_how_many_are_what_and_who_is_blocked(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        assert a.judged.standings() == {"good": 0, "usual": 0, "doubtful": 0, "blocked": 0}
        a.sees("b", "odd", -10.0, times=2)
        await a.scores.block("c", "root", "it floods", None)
        assert a.judged.standings()["blocked"] == 0, "it is looked at now and then"
        await meshed.pause(COUNT_SECONDS)
        assert a.judged.standings() == {"good": 0, "usual": 0, "doubtful": 1, "blocked": 1}
        assert a.scores.status()["peers"] == [{"name": "c", "reason": "it floods", "by": "root"}]
        (worst, *_) = scores_questions.table(a.scores)
        assert (worst["name"], worst["standing"]) == ("c", "blocked")
        doubtful = scores_questions.table(a.scores)[1]
        assert [reason["what"] for reason in doubtful["reasons"]] == ["test-odd"], "of which family it is"
        await a.scores.close()

    run(story, tmp_path)


def test_the_load_is_shared_over_good_members_and_nobody_asks_a_blocked_one(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        b, c = (identity_of(name).fingerprint for name in "bc")
        firsts = [a.host.mesh.order([b, c])[0] for _ in range(200)]
        assert {b, c} == set(firsts), "both have a share"
        a.sees("b", "odd", -10.0, times=3)
        assert {tuple(a.host.mesh.order([b, c])) for _ in range(200)} == {(c, b)}, "a doubtful one comes last"
        assert [a.host.mesh.last_choice(each) for each in (b, c)] == [True, False]
        await a.scores.block("c", "root", "", None)
        assert a.host.mesh.order([b, c]) == [b]
        await a.scores.close()

    run(story, tmp_path)


def test_parts_are_told_whom_the_node_doubts(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        b = digest_of_text(identity_of("b").fingerprint)
        assert not a.judged.doubts(b)
        a.sees("b", "slow", -1.0, times=40)
        assert a.judged.doubts(b)

    run(story, tmp_path)
