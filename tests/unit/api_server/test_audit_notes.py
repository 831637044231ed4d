"""What users did is told to the audit log: in batches, repetitions once, and nothing is lost while the node does not take it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import KEEP, Append, Put, StoreBroken, Tail
from appliance.api_server.audit_notes import LOG, MOST_AT_A_TIME, MOST_WAITING, AuditNotes
from appliance.api_server.iam.tools import Note
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.foundation.entropy import random_bytes
from appliance.store.envelope import Place
from appliance.store.keys import Keys
from appliance.store.memory import MemoryStore
from appliance.store.sealed import SealedStore, ValueUnopened


class Node:
    """Takes entries, or does not."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.takes = True

    async def ask(self, op: str, arguments: dict[str, Any], whose: OnBehalf | None, _seconds: float, /) -> Any:
        assert (op, whose) == ("audit_add", None), "the API server speaks for itself"
        if not self.takes:
            raise ApplianceError("too many")
        assert 0 < len(arguments["entries"]) <= MOST_AT_A_TIME
        self.entries += arguments["entries"]
        return {"added": len(arguments["entries"])}


async def name_of(user: str) -> str:
    return {"a1": "alice", "b1": "bob"}.get(user, user)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=lambda: 0.0)


@pytest.fixture
def notes(node: Node, store: MemoryStore) -> AuditNotes:
    return AuditNotes(node.ask, name_of, store)


async def test_a_log_in_is_told_with_who_and_from_where(notes: AuditNotes, node: Node) -> None:
    notes.note(Note("user.login", "a1", detail="a browser", address="192.0.2.1"))
    assert await notes.tell()
    assert node.entries == [
        {
            "what": "user.login",
            "outcome": "done",
            "who": {"kind": "api", "name": "alice"},
            "target": "",
            "times": 1,
            "more": {"address": "192.0.2.1", "detail": "a browser"},
        }
    ]


async def test_what_somebody_does_to_another_has_both(notes: AuditNotes, node: Node) -> None:
    notes.note(Note("user.session.replayed", "b1", "a1"))
    notes.note(Note("user.login", "gone", denied=True))
    await notes.tell()
    assert [(one["who"]["name"], one["target"], one["outcome"]) for one in node.entries] == [
        ("alice", "bob", "done"),
        ("gone", "", "denied"),
    ]


async def test_what_repeats_itself_is_told_once(notes: AuditNotes, node: Node) -> None:
    for _ in range(5000):
        notes.note(Note("user.login", denied=True, address="192.0.2.1"))
    await notes.tell()
    assert [one["times"] for one in node.entries] == [5000]
    assert await notes.tell()
    assert len(node.entries) == 1


async def test_nothing_is_lost_while_the_node_takes_nothing(notes: AuditNotes, node: Node) -> None:
    node.takes = False
    notes.note(Note("user.login", "a1"))
    assert not await notes.tell()
    notes.note(Note("user.login", "a1"))
    node.takes = True
    assert await notes.tell()
    assert [one["times"] for one in node.entries] == [2]


async def test_what_comes_while_a_batch_is_told_is_told_next(notes: AuditNotes, node: Node) -> None:
    note = Note("user.login", "a1")
    taken = node.ask

    async def slow(*arguments: Any) -> Any:
        notes.note(note)
        return await taken(*arguments)

    notes._ask = slow
    notes.note(note)
    await notes.tell()
    notes._ask = taken
    await notes.tell()
    assert [one["times"] for one in node.entries] == [1, 1]


async def test_a_flood_of_different_notes_is_bounded_and_counted(notes: AuditNotes, node: Node) -> None:
    for number in range(MOST_WAITING + 500):
        notes.note(Note("user.login", denied=True, address=f"2001:db8::{number:x}"))
    while len(node.entries) < MOST_WAITING + 1:
        assert await notes.tell()
    assert sum(one["times"] for one in node.entries) == MOST_WAITING + 500
    assert [one["times"] for one in node.entries if one["what"] == "user.several"] == [500]


async def test_what_is_left_is_told_at_the_end(notes: AuditNotes, node: Node) -> None:
    for number in range(250):
        notes.note(Note("user.login", str(number)))
    await notes.close()
    assert len(node.entries) == 250
    node.takes = False
    notes.note(Note("user.login", "a1"))
    await notes.close()


CHANGED = Note("user.changed", "b1", "a1", "roles")


async def test_a_change_is_told_though_its_api_server_was_killed_before_it_could(
    notes: AuditNotes, node: Node, store: MemoryStore
) -> None:
    await store.commit(Put("users", "b1", b""), notes.keep(CHANGED))
    again = AuditNotes(node.ask, name_of, store)
    assert await again.tell()
    assert [(one["what"], one["who"]["name"], one["target"]) for one in node.entries] == [("user.changed", "alice", "bob")]
    assert await AuditNotes(node.ask, name_of, store).tell()
    assert len(node.entries) == 1, "and once"


async def test_changes_wait_in_the_store_while_the_node_takes_nothing(notes: AuditNotes, node: Node, store: MemoryStore) -> None:
    node.takes = False
    for number in range(250):
        await store.commit(notes.keep(CHANGED._replace(detail=str(number))))
        notes.note(CHANGED)
    assert not await notes.tell()
    node.takes = True
    for _ in range(3):
        assert await notes.tell()
    assert [one["more"]["detail"] for one in node.entries] == [str(number) for number in range(250)]


async def test_a_change_that_comes_while_others_are_told_is_told_next(notes: AuditNotes, node: Node, store: MemoryStore) -> None:
    running = asyncio.get_running_loop().create_task(notes.run())
    await store.commit(notes.keep(CHANGED))
    notes.note(CHANGED)
    taken = node.ask

    async def slow(*arguments: Any) -> Any:
        notes._ask = taken
        await store.commit(notes.keep(CHANGED))
        notes.note(CHANGED)
        return await taken(*arguments)

    notes._ask = slow
    async with asyncio.timeout(60):
        while len(node.entries) < 2:  # noqa: ASYNC110  nobody tells when it is told
            await asyncio.sleep(0.05)
    running.cancel()


async def test_of_more_than_are_kept_the_number_is_told(notes: AuditNotes, node: Node, store: MemoryStore) -> None:
    for _ in range(KEEP // 100 + 1):
        await store.commit(*(notes.keep(CHANGED) for _ in range(100)))
    await notes.tell()
    assert [one["times"] for one in node.entries if one["what"] == "user.several"] == [100]
    while len(node.entries) <= KEEP:
        assert await notes.tell()
    await store.commit(notes.keep(CHANGED))
    notes.note(CHANGED)
    assert await notes.tell()
    assert [one["times"] for one in node.entries if one["what"] == "user.several"] == [100], "what was told is not missing"
    assert len(node.entries) == KEEP + 2


async def test_api_servers_of_one_store_tell_each_its_own_node(notes: AuditNotes, node: Node, store: MemoryStore) -> None:
    other = AuditNotes(node.ask, name_of, store, ".llp1:other")
    await store.commit(notes.keep(CHANGED))
    await other.tell()
    assert not node.entries
    await notes.tell()
    assert len(node.entries) == 1


async def test_who_was_refused_is_told_though_the_store_is_broken(
    node: Node, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await store.commit(Append(LOG, json.dumps(CHANGED).encode()))
    notes = AuditNotes(node.ask, name_of, store)

    async def broken(*_: object) -> Tail:
        raise StoreBroken("the file is gone", hint="")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(store, "tail", broken)
        for number in range(3):
            notes.note(Note("user.login", denied=True, address=str(number)))
            assert not await notes.tell()
    assert [one["outcome"] for one in node.entries] == ["denied"] * 3
    assert caplog.text.count("the file is gone") <= 1
    assert await notes.tell()
    assert [one["what"] for one in node.entries[3:]] == ["user.changed"]


async def test_notes_that_were_tampered_with_are_counted_and_hold_up_none(node: Node, store: MemoryStore, tmp_path: Path) -> None:
    sealed = await SealedStore.open(store, Keys(tmp_path, entropy=random_bytes), entropy=random_bytes, clock=lambda: 0.0)
    notes = AuditNotes(node.ask, name_of, sealed)
    for number in range(6):
        await sealed.commit(notes.keep(CHANGED._replace(detail=str(number))))
    values = [entry.value for entry in (await store.tail(LOG)).entries]
    tampered = {values[0]: b"", values[3]: b"no seal at all", values[4]: values[4][:-1] + bytes([values[4][-1] ^ 1])}
    await store.rewrite(lambda kept: tampered.get(kept.value), "", 100)
    node.takes = False
    assert not await notes.tell()
    node.takes = True
    for _ in range(4):
        assert await notes.tell()
    told = [one["more"].get("detail", one["what"]) for one in node.entries]
    assert told == ["user.several", "1", "2", "user.several", "user.several", "5"]
    assert sum(one["times"] for one in node.entries) == 6
    assert await AuditNotes(node.ask, name_of, sealed).tell()
    assert len(node.entries) == 6, "and once"


async def test_a_note_that_does_not_open_while_keys_change_is_read_again(
    notes: AuditNotes, node: Node, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.commit(notes.keep(CHANGED))
    sound = store.tail

    async def once(*_: object) -> Tail:
        monkeypatch.setattr(store, "tail", sound)
        raise ValueUnopened(Place(b"L", LOG, ""))

    monkeypatch.setattr(store, "tail", once)
    assert await notes.tell()
    assert [one["what"] for one in node.entries] == ["user.changed"]


async def test_what_cannot_be_read_is_counted(notes: AuditNotes, node: Node, store: MemoryStore) -> None:
    await store.commit(Append(LOG, b"{"), Append(LOG, b'["user.changed", 1, 2, 3, 4, 5, 6, 7]'))
    await notes.tell()
    assert [one["what"] for one in node.entries] == ["user.several"] * 2
    assert await notes.tell()
    assert len(node.entries) == 2
