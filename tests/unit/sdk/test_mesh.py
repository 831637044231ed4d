"""A mesh of applications: who is there, messages to all and to one, and what a hostile or silent peer can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.village import Village, village

from appliance.errors import PeerFault
from appliance.sdk import Client, ConnectionLost, SDKError, ServiceTaken, UnknownPeer
from appliance.sdk.mesh import Mesh, MeshConfig, Presence
from appliance.sdk.mesh_frames import HEAD_BYTES, MOST_MESSAGE, Kind, frame, head_of

QUICK = MeshConfig(look_s=0.05, heartbeat_s=30)


@pytest.fixture
async def three() -> AsyncIterator[Village]:
    async with village("ada", "bob", "eve") as made:
        yield made


@asynccontextmanager
async def joined(made: Village, *names: str, config: MeshConfig = QUICK) -> AsyncIterator[list[Mesh]]:
    """Applications of these hosts that all know each other."""
    async with AsyncExitStack() as stack:
        meshes = []
        for name in names:
            client: Client = await stack.enter_async_context(made[name].client())
            meshes.append(await stack.enter_async_context(client.mesh("chat", config)))
        async with asyncio.timeout(60):
            for mesh, name in zip(meshes, names, strict=True):
                await there(mesh, *(set(names) - {name}))
        yield meshes


async def there(mesh: Mesh, *names: str) -> None:
    """Wait until exactly these are there."""
    async with aclosing(mesh.presence()) as presence:
        here: set[str] = set()
        if not names and not mesh.peers():
            return
        async for peer, is_there, _ in presence:
            here ^= {peer} if (peer in here) is not is_there else set()
            if here == set(names):
                return


async def test_each_sends_to_all_and_to_one(three: Village) -> None:
    async with joined(three, "ada", "bob", "eve") as (ada, bob, eve), asyncio.timeout(60):
        assert ada.peers() == ("bob", "eve")
        delivery = await ada.broadcast(b"hello")
        assert (delivery.sent, delivery.failed) == (("bob", "eve"), {})
        assert await bob.receive() == await eve.receive() == ("ada", b"hello")
        await eve.send("bob", b"psst")
        assert await bob.receive() == ("eve", b"psst")
        with pytest.raises(UnknownPeer) as unknown:
            await eve.send("zoe", b"?")
        assert unknown.value.hint == "there are: ada, bob"
        assert (ada.counted["sent"], bob.counted["received"]) == (2, 2)


async def test_messages_of_one_peer_come_in_order_and_whole(three: Village) -> None:
    messages = [bytes([number]) * (number * 997) for number in range(100)] + [bytes(MOST_MESSAGE)]
    async with joined(three, "ada", "bob") as (ada, bob), asyncio.timeout(60):

        async def send() -> None:
            for message in messages:
                await ada.send("bob", message)

        sending = asyncio.create_task(send())
        assert [(await bob.receive()).data for _ in messages] == messages
        await sending
        with pytest.raises(ValueError, match="at most"):
            await ada.send("bob", bytes(MOST_MESSAGE + 1))


async def test_who_leaves_is_gone_at_once_and_may_come_back(three: Village) -> None:
    async with joined(three, "ada", "bob") as (ada, bob), asyncio.timeout(60), aclosing(ada.presence()) as presence:
        assert await anext(presence) == Presence("bob", here=True)
        await bob.leave()
        gone = await anext(presence)
        assert (gone.peer, gone.here) == ("bob", False)
        assert ada.peers() == ()
        async with three["bob"].client() as client, client.mesh("chat", QUICK):
            assert await anext(presence) == Presence("bob", here=True)


async def test_callbacks_hear_of_it_too(three: Village) -> None:
    heard: list[str] = []

    async def left(peer: str) -> None:
        heard.append(f"{peer} left")

    async with three["ada"].client() as client, three["bob"].client() as other, asyncio.timeout(60):
        ada = client.mesh("chat", QUICK, on_join=lambda peer: heard.append(f"{peer} joined"), on_leave=left)
        async with ada:
            async with other.mesh("chat", QUICK):
                await there(ada, "bob")
            await there(ada)
            while len(heard) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert heard == ["bob joined", "bob left"]


async def test_who_has_left_receives_the_end(three: Village) -> None:
    async with joined(three, "ada", "bob") as (ada, bob), asyncio.timeout(60):
        waiting = asyncio.create_task(bob.receive())
        await asyncio.sleep(0)
        await bob.leave()
        with pytest.raises(SDKError, match="was left"):
            await waiting
        assert [message async for message in bob] == []
        await bob.leave()
        del ada


async def test_one_host_is_in_a_mesh_once(three: Village) -> None:
    async with joined(three, "ada", "bob"), three["ada"].client() as second:
        with pytest.raises(ServiceTaken):
            await second.mesh("chat").join()


async def test_peers_without_a_network_are_those_that_the_program_names() -> None:
    async with village("ada", "bob", members=False) as made, made["ada"].client() as one, made["bob"].client() as other:
        named = MeshConfig(peers=["bob"], look_s=0.05)
        async with one.mesh("chat", named) as ada, other.mesh("chat", QUICK) as bob, asyncio.timeout(60):
            await there(ada, "bob")
            await there(bob, "ada")
            await bob.send("ada", b"you called")
            assert await ada.receive() == ("bob", b"you called")


async def test_one_that_never_reads_holds_up_nobody_else(three: Village) -> None:
    config = MeshConfig(look_s=0.05, send_s=1.0)
    async with joined(three, "ada", "bob", config=config) as (ada, bob), three["eve"].client() as client, asyncio.timeout(60):
        deaf = await client.service("mesh.chat").register()  # takes streams and never reads
        await there(ada, "bob", "eve")
        while True:
            delivery = await ada.broadcast(bytes(MOST_MESSAGE))
            if "bob" in delivery.sent:
                assert (await bob.receive()).peer == "ada"
            if "eve" in delivery.failed:
                break
        await deaf.close()


async def test_what_is_no_message_ends_the_stream_and_is_counted(three: Village) -> None:
    async with joined(three, "ada", "bob") as (ada, bob), three["eve"].client() as client, asyncio.timeout(60):
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(5), b"\xff" * 5):
            async with await client.connect("ada", "mesh.chat") as connection:
                await connection.write(garbage)
                with pytest.raises(ConnectionLost):
                    await connection.readexactly(1)
        assert ada.counted["malformed"] == 3
        await bob.send("ada", b"unharmed")
        assert await ada.receive() == ("bob", b"unharmed")


async def test_a_silent_peer_is_gone_after_three_heartbeats(three: Village) -> None:
    config = MeshConfig(look_s=0.05, heartbeat_s=0.05)
    async with three["ada"].client() as client, client.mesh("chat", config) as ada, asyncio.timeout(60):
        async with three["eve"].client() as silent, await silent.connect("ada", "mesh.chat") as connection:
            with pytest.raises(SDKError):
                await connection.readexactly(1)
        assert ada.peers() == ()


def test_a_frame_is_read_as_it_was_written() -> None:
    framed = frame(Kind.MESSAGE, b"abc")
    assert head_of(framed[:HEAD_BYTES]) == (Kind.MESSAGE, 3)
    assert framed[HEAD_BYTES:] == b"abc"
    assert head_of(b"\0\0\0\x04\x77").kind is None, "of a later version"


@given(st.binary(min_size=HEAD_BYTES, max_size=HEAD_BYTES))
def test_any_five_bytes_are_a_head_or_a_fault(five: bytes) -> None:
    try:
        assert 0 <= head_of(five).length <= MOST_MESSAGE
    except PeerFault:
        assert not 1 <= int.from_bytes(five[:4], "big") <= 1 + MOST_MESSAGE
