"""A hub whose peer has a prefix that covers everything, the hub's own addresses too: what is for the hub stays there."""

from __future__ import annotations

import pytest

from tests.netns.daemons import Host

pytestmark = pytest.mark.netns


def test_a_hub_and_a_peer_that_may_send_from_everywhere_reach_each_other(hosts: tuple[Host, Host]) -> None:
    hub, exit_ = hosts
    hub.write(exit_, network="forward: true")
    text = hub.profile.read_text()
    own = 'allowed: [10.8.0.2/32, "fd00:8::2/128"]'
    assert own in text
    hub.profile.write_text(text.replace(own, 'allowed: [0.0.0.0/0, "::/0"]'))
    hub.start()
    exit_.start()
    for host, address in ((exit_, "10.8.0.1"), (exit_, "fd00:8::1"), (hub, "10.8.0.2"), (hub, "fd00:8::2")):
        assert host.pings(address), address
    for host in hosts:
        assert set(host.status()["drops"]) <= {"multicast"}
