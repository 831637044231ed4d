"""All addresses of a hub are its own, whatever prefix of a peer covers them.

near ── hub (192.0.2.1), which has a LAN besides: 192.168.7.1, 2001:db8:7::1
far  ── hub; far may send from everywhere, and gets what nobody else has
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

HUB = """profile: 1
name: hub
server: {{identity: file:1.key, listen: ["udp://0.0.0.0:8443"]}}
network: {{addresses: [10.8.0.1/24, "fd00:8::1/64"], forward: true, workers: 2}}
plugins: [transport-ip, crypto-standard, routing-static]
peers:
  - {{name: near, identity: {near}, allowed: [10.8.0.2/32, "fd00:8::2/128"]}}
  - {{name: far, identity: {far}, allowed: [10.8.0.3/32, "fd00:8::3/128", 0.0.0.0/0, "::/0"]}}
"""
SPOKE = """profile: 1
name: spoke
server: {{identity: file:{number}.key}}
network: {{addresses: [10.8.0.{number}/32, "fd00:8::{number}/128"]}}
plugins: [transport-ip, crypto-standard, routing-static]
peers:
  - name: hub
    identity: {hub}
    endpoints: ["udp://192.0.{number}.1:8443"]
    allowed: [10.8.0.0/24, "fd00:8::/64", 192.168.0.0/16, "2001:db8:7::/48"]
    keepalive: 1s
"""
LATER = "192.168.9.1"


@pytest.fixture
def star(tmp_path: Path) -> Iterator[tuple[Host, Host, Host]]:
    with Throwaway() as middle, Throwaway() as near, Throwaway() as far:
        middle.sh(
            "ip link add lan type veth peer name switch; ip link set lan addrgenmode none;"
            "ip link set lan up; ip link set switch up;"
            "ip addr add 192.168.7.1/24 dev lan; ip addr add 2001:db8:7::1/64 dev lan nodad"
        )
        hub, *spokes = (Host(space, tmp_path, number) for number, space in enumerate((middle, near, far), 1))
        for spoke in spokes:
            middle.sh(f"ip link add wire{spoke.number} type veth peer name wire netns {spoke.namespace.name}")
            middle.sh(f"ip addr add 192.0.{spoke.number}.1/24 dev wire{spoke.number}; ip link set wire{spoke.number} up")
            spoke.namespace.sh(f"ip addr add 192.0.{spoke.number}.2/24 dev wire; ip link set wire up")
            spoke.profile.write_text(SPOKE.format(number=spoke.number, hub=hub.identity.fingerprint))
        hub.profile.write_text(HUB.format(near=spokes[0].identity.fingerprint, far=spokes[1].identity.fingerprint))
        try:
            for host in (hub, *spokes):
                host.start()
            yield hub, spokes[0], spokes[1]
        finally:
            for host in (hub, *spokes):
                if host.process is not None:
                    host.stop()


def sent(host: Host) -> int:
    [session] = host.status()["sessions"]
    return int(session["tx_packets"])


def refused(hub: Host) -> int:
    return int(hub.status()["drops"].get("bad_source", 0))


def test_every_address_of_a_hub_is_its_own(star: tuple[Host, Host, Host]) -> None:
    hub, near, far = star
    for address in ("10.8.0.3", "192.168.7.1", "2001:db8:7::1"):
        assert near.pings(address)
    hub.namespace.sh(f"ip addr add {LATER}/24 dev lan")
    assert near.pings(LATER)
    for pid in hub.status()["worker"]["pids"]:
        os.kill(pid, signal.SIGKILL)
    assert near.pings(LATER), "also to workers that came later"
    before = sent(far)
    assert near.pings("192.168.7.1")
    assert sent(far) <= before + 1, "a keep-alive at most"

    hub.namespace.sh(f"ip addr del {LATER}/24 dev lan")
    far.namespace.sh(f"ip addr add {LATER}/32 dev lo")
    assert near.pings(LATER), "what is no more the hub's is whose prefix covers it"
    assert refused(hub) == 0


def test_nobody_speaks_as_the_hub(star: tuple[Host, Host, Host]) -> None:
    hub, _, far = star
    far.namespace.sh(
        "for address in 2001:db8:7::1/128 2001:db8:8::1/128; do ip addr add $address dev lo nodad; done;"
        "ip addr add 192.168.7.1/32 dev lo"
    )
    hub.namespace.sh("ip -6 route add 2001:db8:8::/48 dev llp0")
    assert far.pings("-I 2001:db8:8::1 fd00:8::1"), "it may send from everywhere"
    assert refused(hub) == 0
    before = sent(far)
    for source, address in (("2001:db8:7::1", "fd00:8::1"), ("192.168.7.1", "10.8.0.1")):
        assert "1 received" not in far.namespace.sh(f"ping -c 1 -w 1 -I {source} {address}", check=False)
    assert sent(far) >= before + 2
    assert refused(hub) >= 2
