"""What every server does: answer several at a time, bear whatever comes, and let all go when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance.api.server_settings import ServerSettings, for_the_core
from appliance.api.servers import Server, ServerKind, ServerServices
from appliance.testing.api_parts import FakeServerServices
from appliance.testing.conformance.kinds import KindConformance

GARBAGE: Final = (b"", b"\0" * 70_000, b"\xff" * 10, b"GET / HTTP/1.1\r\n" * 3000, bytes(range(256)) * 64)
CLOSE_SECONDS: Final = 3.0
"""How long a server may take to end its connections."""

Story = Callable[[Server, int], Awaitable[None]]
"""Gets a server, and the port of loopback at which it is reached."""


class ServerConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind and settings."""

    noun = "server"

    def kind(self) -> ServerKind:
        """The kind to try."""
        raise NotImplementedError

    def services(self) -> ServerServices:
        """What it is opened with."""
        return FakeServerServices()

    def told(self, story: Story) -> None:
        """Let something happen with an open server."""

        async def tell() -> None:
            services = self.services()
            async with self.opened(services) as server:
                listener = await asyncio.get_running_loop().create_server(server.connection, "127.0.0.1", 0)
                try:
                    await story(server, listener.sockets[0].getsockname()[1])
                finally:
                    listener.close()
            if isinstance(services, FakeServerServices):
                assert not services.failures, services.failures
                self.check_figures(server, services)
                await services.close()

        asyncio.run(tell())

    def test_its_settings_say_where_it_listens(self) -> None:
        model = self.kind().settings
        assert model is not None
        assert issubclass(model(), ServerSettings), "the model derives from api.server_settings.ServerSettings"
        assert for_the_core(model().model_validate(self.settings())).listen

    def test_each_connection_has_a_protocol_of_its_own(self) -> None:
        async def story(server: Server, _port: int) -> None:
            assert server.connection() is not server.connection()

        self.told(story)

    def test_what_makes_no_sense_harms_nobody_else(self) -> None:
        async def story(_server: Server, port: int) -> None:
            _reader, other = await asyncio.open_connection("127.0.0.1", port)
            for garbage in GARBAGE:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(garbage)
                if writer.can_write_eof() and garbage:
                    writer.write_eof()
                await asyncio.sleep(0)
                writer.transport.abort()
            await (await asyncio.open_connection("127.0.0.1", port))[1].drain()
            assert not other.transport.is_closing()
            other.transport.abort()

        self.told(story)

    def test_when_it_is_closed_its_connections_end(self) -> None:
        ended: list[bytes] = []

        async def read(reader: asyncio.StreamReader) -> None:
            try:
                ended.append(await reader.read())
            except ConnectionError:
                ended.append(b"")

        async def tell() -> None:
            services = self.services()
            async with self.opened(services) as server:
                accepted = asyncio.Semaphore(0)

                def connection() -> Any:
                    asyncio.get_running_loop().call_soon(accepted.release)
                    return server.connection()

                listener = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
                port = listener.sockets[0].getsockname()[1]
                pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
                reading = [asyncio.ensure_future(read(reader)) for reader, _ in pairs]
                for _ in pairs:
                    await accepted.acquire()
                await asyncio.sleep(0)
                listener.close()
            await asyncio.wait_for(asyncio.gather(*reading), CLOSE_SECONDS)
            for _, writer in pairs:
                writer.close()
            if isinstance(services, FakeServerServices):
                await services.close()

        asyncio.run(tell())
        assert len(ended) == 3

    def test_it_can_be_opened_again(self) -> None:
        async def story(_server: Server, port: int) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()

        self.told(story)
        self.told(story)
