"""A TUN that cannot be read any more, or gives nothing, ends the turn and is told: it would be readable without end."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from appliance.dataplane.counters import size_bytes
from appliance.dataplane.outbound import TRANSMIT_BYTES, Outbound, Read, compile_outbound
from appliance.dataplane.peers import World
from appliance.dataplane.scheduled import Scheduling, compile_scheduled
from appliance.wire.entries import VNET_BYTES


def plain(world: World, read: Read) -> Outbound:
    return compile_outbound(world, read, memoryview(bytearray(TRANSMIT_BYTES)))


def scheduled(world: World, read: Read) -> Outbound:
    return compile_scheduled(world, read, plain(world, read), Scheduling(), lambda: 0.0).outbound


@pytest.mark.parametrize("made", [plain, scheduled])
@pytest.mark.parametrize(("answer", "told"), [(errno.EBADFD, errno.EBADFD), (errno.EIO, errno.EIO), (0, 0)])
@pytest.mark.parametrize("before", [0, VNET_BYTES])
def test_it_is_told_once_and_not_read_again(made: Callable[[World, Read], Outbound], answer: int, told: int, before: int) -> None:
    world = World(memoryview(bytearray(size_bytes(1))).cast("Q"), lambda _peer: None, lambda _link: None)
    heard: list[int] = []
    reads: list[int] = []
    world.tun_failed = heard.append

    def read(room: memoryview) -> int:
        reads.append(len(room))
        if answer:
            raise OSError(answer, "gone")
        return before

    assert made(world, read).pump()
    assert heard == [told]
    assert len(reads) == 1
