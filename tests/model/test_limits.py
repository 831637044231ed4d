"""A node with room for one session: who is there stays, who comes too late waits for room."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.protocol.events import Refused
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SimulatedHost

HUB = Endpoint("udp", "203.0.113.2", 8443)


def caller(network: Network, name: str, host: str) -> SimulatedHost:
    hub = PeerSettings("hub", identity_of("hub").fingerprint, (HUB,))
    at = Endpoint("udp", host, 8443)
    return SimulatedHost(network, host, NodeSettings(), identity_of(name), peers=(hub,), listen=(at,))


def test_the_second_peer_comes_in_when_the_first_has_left() -> None:
    network = Network()
    peers = tuple(PeerSettings(name, identity_of(name).fingerprint) for name in ("a", "c"))
    settings = NodeSettings(max_sessions=1, rotate_after=20.0)
    hub = SimulatedHost(network, HUB.host, settings, identity_of("hub"), peers=peers, listen=(HUB,))

    first = caller(network, "a", "198.51.100.1")
    assert network.run_until(lambda: hub.connected("a") and first.connected("hub"), 10.0)
    began = hub.sending["a"]
    second = caller(network, "c", "198.51.100.3")
    network.run(60.0)
    assert not hub.connected("c")
    assert Refused(None, "session-limit") in hub.events
    assert hub.connected("a")
    assert hub.sending["a"] != began, "a session is renewed though there is no room for another"

    first.shutdown()
    assert network.run_until(lambda: hub.connected("c") and second.connected("hub"), 120.0)
    second.send("hub", b"at last")
    network.run(1.0)
    assert ("c", b"at last") in hub.received
