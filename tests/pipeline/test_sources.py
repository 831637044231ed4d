"""Whose an address is: the peer's with the longest allowed prefix, this node's own, or nobody's."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from rigs.dataplane import Host, Wire, carry, join
from rigs.packets import udp4, udp6

from appliance.dataplane.nobodys import is_nobodys_v4, is_nobodys_v6
from appliance.profile.checks import NOBODYS
from appliance.wire.envelope import PacketType

EVERYTHING = ("0.0.0.0/0", "::/0")
OWN = ("10.8.0.2/24", "fd00:8::2/64")


def node(**peers: tuple[str, ...]) -> tuple[Host, dict[str, tuple[Host, Wire, Wire]]]:
    """Host b with these peers and their prefixes, and for each the far host with the wires to b and back."""
    b = Host("b")
    for name, prefixes in peers.items():
        b.peer(name, prefixes)
    b.route({prefix: name for name, prefixes in peers.items() for prefix in prefixes}, OWN)
    far = {}
    for index, name in enumerate(peers, 5):
        host = Host(name)
        host.peer("b", EVERYTHING)
        host.route(dict.fromkeys(EVERYTHING, "b"))
        far[name] = (host, *join(host, b, index=index))
    return b, far


def say(b: Host, far: tuple[Host, Wire, Wire], *packets: bytes) -> None:
    host, out, back = far
    host.send(*packets)
    carry(out, b, back)


def packets(source4: str, source6: str) -> tuple[bytes, bytes]:
    return udp4(9, source=source4), udp6(9, source=source6)


OTHERS = packets("10.8.0.9", "fd00:8::9")


def test_who_may_send_from_everywhere_may_not_speak_as_another_peer() -> None:
    b, far = node(exit=EVERYTHING, laptop=("10.8.0.9/32", "fd00:8::9/128"))
    elsewhere = packets("192.0.2.1", "2001:db8::1")
    say(b, far["exit"], *OTHERS, *elsewhere)
    assert b.packets == [*elsewhere]
    assert b.drops == {"bad_source": 2}
    say(b, far["laptop"], *OTHERS)
    assert b.packets[2:] == [*OTHERS]


def test_peers_with_the_same_prefix_may_both() -> None:
    b, far = node(one=("10.8.0.0/24", "fd00:8::/64"), other=("10.8.0.0/24", "fd00:8::/64"))
    say(b, far["one"], *OTHERS)
    say(b, far["other"], *OTHERS)
    assert b.packets == [*OTHERS, *OTHERS]


def test_a_prefix_given_to_another_is_refused_at_once_and_taken_back_allowed_again() -> None:
    b, far = node(exit=EVERYTHING, laptop=())
    say(b, far["exit"], *OTHERS)
    b.allow("laptop", ["10.8.0.9/32", "fd00:8::9/128"])
    say(b, far["exit"], *OTHERS)
    b.allow("laptop", [])
    say(b, far["exit"], *OTHERS)
    assert b.packets == [*OTHERS, *OTHERS]
    assert b.drops == {"bad_source": 2}


NEVER = {
    "unspecified": ("0.0.0.0", "::"),
    "this network": ("0.1.2.3", "::1"),
    "loopback": ("127.0.0.1", "::1"),
    "link-local": ("169.254.3.4", "fe80::1"),
    "the end of link-local": ("169.254.255.255", "febf:ffff::1"),
    "multicast": ("224.0.0.1", "ff02::1"),
    "the end of multicast": ("239.255.255.255", "ffff::1"),
    "broadcast and mapped": ("255.255.255.255", "::ffff:10.8.0.9"),
    "our own": ("10.8.0.2", "fd00:8::2"),
}


@pytest.mark.parametrize("sources", NEVER.values(), ids=NEVER.keys())
def test_some_addresses_are_no_peers_whatever_its_prefixes_are(sources: tuple[str, str]) -> None:
    b, far = node(exit=(*EVERYTHING, *(f"{source}/{128 if ':' in source else 32}" for source in sources)))
    say(b, far["exit"], *packets(*sources))
    assert b.packets == []
    assert b.drops == {"bad_source": 2}


@pytest.mark.parametrize("network", NOBODYS, ids=str)
def test_what_a_profile_may_not_give_is_what_no_peer_may_send_from(network: IPv4Network | IPv6Network) -> None:
    for address in (network[0], network[-1]):
        judged = is_nobodys_v4(int(address)) if address.version == 4 else is_nobodys_v6(address.packed)
        assert judged, address


NEARLY = [
    ("1.0.0.0", "::2"),
    ("126.0.0.1", "fec0::1"),
    ("169.253.0.1", "fe7f::1"),
    ("240.0.0.1", "feff::1"),
    ("223.0.0.1", "64::"),
]


@pytest.mark.parametrize("sources", NEARLY)
def test_and_their_neighbours_are(sources: tuple[str, str]) -> None:
    b, far = node(exit=EVERYTHING)
    say(b, far["exit"], *packets(*sources))
    assert len(b.packets) == 2


def test_an_address_that_becomes_ours_is_refused_at_once() -> None:
    b, far = node(exit=EVERYTHING)
    say(b, far["exit"], *OTHERS)
    b.route(dict.fromkeys(EVERYTHING, "exit"), ["10.8.0.9/24", "fd00:8::9/64"])
    say(b, far["exit"], *OTHERS)
    assert b.packets == [*OTHERS]
    assert b.drops == {"bad_source": 2}


def test_an_address_of_another_interface_is_ours_as_long_as_it_is_there() -> None:
    b, far = node(exit=EVERYTHING)
    say(b, far["exit"], *OTHERS)
    b.hold("10.8.0.9", "10.8.0.9", "fd00:8::9")
    say(b, far["exit"], *OTHERS)
    b.route(dict.fromkeys(EVERYTHING, "exit"), OWN)
    say(b, far["exit"], *OTHERS, *packets("10.8.0.2", "fd00:8::2"))
    assert b.packets == [*OTHERS], "a new table takes nothing away"
    assert b.drops == {"bad_source": 6}
    b.hold()
    say(b, far["exit"], *OTHERS, *packets("10.8.0.2", "fd00:8::2"))
    assert b.packets[2:] == [*OTHERS], "what is in the overlay stays ours"


# ---- where our own packets go ----


def to(destination4: str, destination6: str, source: int = 9) -> tuple[bytes, bytes]:
    return (
        udp4(9, source=f"10.8.0.{source}", destination=destination4),
        udp6(9, source=f"fd00:8::{source}", destination=destination6),
    )


FOR_US = to("10.8.0.2", "fd00:8::2")


def test_a_hub_keeps_what_is_for_itself_whatever_prefix_covers_it() -> None:
    b, far = node(exit=EVERYTHING, laptop=("10.8.0.9/32", "fd00:8::9/128"))
    b.world.hub = True
    from_exit = udp4(9, source="192.0.2.1"), udp6(9, source="2001:db8::1")
    say(b, far["laptop"], *FOR_US)
    say(b, far["exit"], *from_exit)
    assert b.packets == [*FOR_US, *from_exit]
    assert (far["exit"][2].records, b.drops) == ([], {})


def test_a_hub_leaves_what_is_behind_its_sender_to_the_kernel() -> None:
    """The prefix may be wider than what is there: a network of this host's lies in it, which only the kernel knows."""
    b, far = node(exit=EVERYTHING)
    b.world.hub = True
    packets = to("192.168.7.1", "2001:db8:7::1")
    say(b, far["exit"], *packets)
    assert b.packets == [*packets]
    assert b.drops == {}


def test_a_hub_that_gets_another_address_keeps_what_is_for_that() -> None:
    b, far = node(exit=EVERYTHING, laptop=("10.8.0.9/32", "fd00:8::9/128"))
    b.world.hub = True
    moved = to("10.8.0.3", "fd00:8::3")
    say(b, far["laptop"], *moved)
    assert b.packets == []
    b.route(dict.fromkeys(EVERYTHING, "exit"), ["10.8.0.3/24", "fd00:8::3/64"])
    say(b, far["laptop"], *moved)
    assert b.packets == [*moved]


def test_nothing_is_sent_to_a_peer_that_is_for_ourselves() -> None:
    b, far = node(exit=EVERYTHING)
    b.send(*FOR_US)
    assert far["exit"][2].records == []
    assert b.drops == {"no_route": 2}


def test_a_stranger_on_probation_has_no_prefix_so_nothing_of_his_is_a_packet_here() -> None:
    b, far = node(stranger=(), laptop=("10.8.0.9/32", "fd00:8::9/128"))
    say(b, far["stranger"], *OTHERS, *packets("192.0.2.1", "2001:db8::1"))
    assert b.packets == []
    assert b.drops == {"bad_source": 4}
    host, out, back = far["stranger"]
    session = host.world.peers["b"].session
    assert session is not None
    for channel in (2, 255):
        host.outbound.message(session, PacketType.DATA, channel, b"into a socket?")
        carry(out, b, back)
    assert b.drops == {"bad_source": 4, "no_channel": 2}
