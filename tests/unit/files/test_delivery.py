"""A transfer that is tried until it is done, or nobody can do it."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.errors import ApplianceError
from appliance.files import delivery as delivery_module
from appliance.files.delivery import Delivery
from appliance.files.errors import CannotSend, TransferLost, TransferRefused
from appliance.files.inbox import Inbox
from appliance.files.progress import Progress
from appliance.files.source import Source
from appliance.sdk import ServiceNotFound
from appliance.transfer.faults import Reason
from appliance.transfer.tree import CHUNK_BYTES
from tests.unit.files.joined import ByHand, contents, nothing, random_file, taking

Dialled = Callable[[], Awaitable[socket.socket]]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "FIRST_PAUSE", 0.0)


def line_to(inbox: Inbox, streams: list[socket.socket]) -> Dialled:
    """Each dial is a new stream to the inbox; the near ends are collected."""

    async def dial() -> socket.socket:
        near, far = socket.socketpair()
        streams.append(near)
        taking(inbox, far)
        return near

    return dial


async def test_it_goes_on_over_as_many_connections_as_it_takes(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    size = len(random_file(out / "file", 8 * CHUNK_BYTES))
    streams: list[socket.socket] = []
    errors: list[ApplianceError] = []

    def cut(progress: Progress) -> None:
        if len(streams) < 4 and progress.done >= 2 * len(streams) * CHUNK_BYTES:
            streams[-1].shutdown(socket.SHUT_RDWR)

    delivery = Delivery(Source([out]), line_to(inbox, streams), cut, lambda error, _pause: errors.append(error))
    sent = await delivery.run()
    assert (sent.bytes, len(streams)) == (size, 4)
    assert sent.there >= CHUNK_BYTES
    assert [type(error) for error in errors] == [TransferLost] * 3
    assert contents(tmp_path / "in" / "left" / "out") == contents(out)


async def test_a_peer_that_served_once_is_waited_for_and_one_that_never_did_is_not(out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 2 * CHUNK_BYTES)
    streams: list[socket.socket] = []
    dial, missing = line_to(inbox, streams), [False, True, True, False]

    async def sometimes() -> socket.socket:
        if missing.pop(0):
            raise ServiceNotFound("nothing there")
        return await dial()

    def cut(progress: Progress) -> None:
        if len(streams) == 1:
            streams[0].shutdown(socket.SHUT_RDWR)

    await Delivery(Source([out]), sometimes, cut).run()
    assert missing == []
    missing.append(True)
    with pytest.raises(ServiceNotFound):
        await Delivery(Source([out]), sometimes).run()


async def test_what_a_person_has_to_mend_is_not_tried_again(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 5)
    (tmp_path / "in" / "left" / "out").mkdir(parents=True)
    (tmp_path / "in" / "left" / "out" / "file").write_text("another")
    streams: list[socket.socket] = []
    with pytest.raises(TransferRefused) as refused:
        await Delivery(Source([out]), line_to(inbox, streams)).run()
    assert refused.value.reason is Reason.EXISTS
    assert len(streams) == 1


async def test_a_source_that_is_gone_ends_it(out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 4 * CHUNK_BYTES)
    streams: list[socket.socket] = []

    def vanish(progress: Progress) -> None:
        (out / "file").unlink(missing_ok=True)
        streams[-1].shutdown(socket.SHUT_RDWR)

    with pytest.raises(CannotSend):
        await Delivery(Source([out / "file"]), line_to(inbox, streams), vanish).run()


async def test_patience_ends_when_nothing_moves(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_file(out / "file", 5)
    tries: list[float] = []
    half_minutes = (30.0 * number for number in itertools.count())  # the clock is read twice a try
    monkeypatch.setattr(delivery_module, "clock", SimpleNamespace(monotonic=lambda: next(half_minutes)))

    async def dial() -> socket.socket:
        near, far = socket.socketpair()
        far.close()
        return near

    with pytest.raises(TransferLost):
        await Delivery(Source([out]), dial, nothing, lambda _error, pause: tries.append(pause)).run()
    assert len(tries) == 5, "one a minute, for five minutes"


async def test_cancelled_it_leaves_its_stream(out: Path) -> None:
    random_file(out / "file", 5)
    receiver = ByHand()

    async def dial() -> socket.socket:
        return receiver.far

    running = asyncio.create_task(Delivery(Source([out]), dial).run())
    await asyncio.to_thread(receiver.hear)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(AssertionError, match="hung up"):
        await asyncio.to_thread(receiver.hear_until, TransferLost)  # whatever it said, then the end
