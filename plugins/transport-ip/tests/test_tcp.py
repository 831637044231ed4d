"""Accepting: who is not welcome is gone at once, and nothing of it is kept."""

from __future__ import annotations

import socket

import pytest

from appliance.api.values import Endpoint
from appliance.testing.transport import FakeTransportServices
from appliance_transport_ip.tcp import Tcp


async def test_who_is_not_welcome_is_reset_and_the_next_is_taken() -> None:
    services = FakeTransportServices()
    transport = Tcp(services)
    try:
        local = await transport.listen(Endpoint("tcp", "127.0.0.1", 0))
        services.unwelcome.add("127.0.0.2")
        with socket.socket() as unwelcome, socket.socket() as welcome:
            for sock, host in ((unwelcome, "127.0.0.2"), (welcome, "127.0.0.1")):
                sock.bind((host, 0))
                sock.settimeout(60)
                sock.connect((local.host, local.port))
            adopted = await services.wait_for(0)
            assert adopted.remote == Endpoint("tcp", *welcome.getsockname())
            with pytest.raises(ConnectionResetError):
                unwelcome.recv(1)
        assert services.asked == 2
        figures = transport.stats()
        assert (figures["listening"], figures["accepted"], figures["refused"]) == (1, 1, 1)
        assert services.failures == []
    finally:
        await transport.close()
        await services.close()
