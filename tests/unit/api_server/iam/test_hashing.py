"""Hashing: two at a time, so many wait, and who is too much is told at once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from appliance.api_server.iam import hashing
from appliance.api_server.iam.hashing import HashingThreads, TooManyLogIns
from appliance.management.iam import passwords
from tests.rigs.recording import recorded
from tests.unit.api_server.iam.rig import CHEAP, PASSWORD, Rig


@pytest.fixture
def hasher() -> Iterator[HashingThreads]:
    hasher = HashingThreads(CHEAP, threads=1, waiting=1)
    yield hasher
    hasher.close()


async def test_a_password_is_hashed_and_compared(hasher: HashingThreads) -> None:
    with hasher.place(), recorded() as kept:
        phc = await hasher.hashed(PASSWORD, bytes(16))
        assert await hasher.matches(PASSWORD, phc)
        assert not await hasher.matches("another password", phc)
    assert [(span.name, span.attributes) for span in kept] == [("hash a password", {})] * 3, "which takes most of a log-in's time"


async def test_whoever_finds_no_place_is_told_at_once_and_may_come_again(hasher: HashingThreads) -> None:
    with hasher.place(), hasher.place():
        with pytest.raises(TooManyLogIns) as told, hasher.place():
            raise AssertionError
        assert told.value.retryable
        assert told.value.retry_after == 1
    with hasher.place():
        pass


async def test_a_place_is_free_again_after_a_failure(hasher: HashingThreads) -> None:
    for _ in range(5):
        with pytest.raises(ValueError, match="mine"), hasher.place():
            raise ValueError("mine")
    with hasher.place(), hasher.place():
        pass


async def test_a_flood_of_log_ins_counts_for_nobody_who_was_not_judged() -> None:
    """A hundred at once: eighteen are looked at, the others are told to come again, and none of those counts as a failure."""
    rig = Rig()
    names = [f"user{number}" for number in range(100)]
    for name in names[:5]:
        await rig.user(name)
    outcomes = await asyncio.gather(*(rig.log_in(name) for name in names), return_exceptions=True)
    refused = sum(isinstance(outcome, TooManyLogIns) for outcome in outcomes)
    assert refused == 100 - hashing.THREADS - hashing.WAITING
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 5
    assert len(await rig.store.scan("iam.attempts")) == 13
    rig.accounts.close()


async def test_the_event_loop_goes_on_while_passwords_are_hashed(hasher: HashingThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(*_: object) -> str:
        assert go_on.wait(60)
        return f"a hash at {os.getpriority(os.PRIO_PROCESS, threading.get_native_id())}"

    monkeypatch.setattr(passwords, "hashed", slow)
    with hasher.place():
        waiting = asyncio.get_running_loop().create_task(hasher.hashed(PASSWORD, bytes(16)))
        await asyncio.sleep(0)
        go_on.set()
        assert await waiting == f"a hash at {hashing.NICE}"
