"""Tables that change prefix by prefix are what one would compute anew, also where the pipeline has remembered something."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from appliance.dataplane.counters import drops, size_bytes
from appliance.dataplane.forwarding import ForwardingTable
from appliance.dataplane.nobodys import NOBODY
from appliance.dataplane.peers import Network, Peer, World
from tests.rigs.work import calls

net = ipaddress.ip_network
PREFIXES = st.sampled_from(
    [net(text) for text in ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "fd00::/16", "fd00::1/128")]
)
ASKED = ("10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "192.0.2.1", "fd00::1", "fd00::2", "2001:db8::1")
NAMES = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("allow"), NAMES, st.lists(PREFIXES, max_size=4, unique=True)),
    st.tuples(st.just("route"), NAMES, st.lists(PREFIXES, max_size=4, unique=True)),
    st.tuples(st.just("drop"), NAMES, st.lists(PREFIXES, max_size=2, unique=True)),
    st.tuples(st.just("forget"), NAMES, st.just([])),
)


def world() -> World:
    made = World(memoryview(bytearray(size_bytes(1))).cast("Q"), lambda _peer: None, lambda _link: None)
    for name in "abc":
        made.peers[name] = Peer(name)
    return made


def longest(table: dict[Network, set[str]], text: str) -> set[str]:
    address = ipaddress.ip_address(text)
    around = [prefix for prefix in table if address.version == prefix.version and address in prefix]
    return table[max(around, key=lambda prefix: prefix.prefixlen)] if around else set()


def sends(made: World, peer: Peer, text: str) -> bool:
    """As the pipeline asks: first what it remembers."""
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return int(address) in peer.known_v4 or made.may_send_v4(peer, int(address))
    return address.packed in peer.known_v6 or made.may_send_v6(peer, address.packed)


def found(made: World, text: str) -> str | None:
    address = ipaddress.ip_address(text)
    if address.version == 4:
        peer = made.hosts_v4.get(int(address)) or made.find_v4(int(address))
    else:
        peer = made.hosts_v6.get(address.packed) or made.find_v6(address.packed)
    return peer.name if peer is not None else None


@given(st.lists(STEPS, max_size=20))
def test_changes_add_up_to_the_tables_made_anew(steps: list[tuple[str, str, list[Network]]]) -> None:
    made = world()
    allowed, routes = dict[str, list[Network]](), dict[Network, str]()
    for deed, name, prefixes in steps:
        if deed == "allow":
            allowed[name] = prefixes
            made.allow(made.peers[name], prefixes)
        elif deed == "route":
            routes |= dict.fromkeys(prefixes, name)
            made.route([(prefix, made.peers[name]) for prefix in prefixes])
        elif deed == "drop":
            for prefix in prefixes:
                routes.pop(prefix, None)
            made.route([], prefixes)
        else:
            gone = [prefix for prefix, peer in routes.items() if peer == name]
            routes = {prefix: peer for prefix, peer in routes.items() if peer != name}
            made.route([], gone)
            made.forget(name)
            allowed.pop(name, None)
            made.peers[name] = Peer(name)
        senders: dict[Network, set[str]] = {}
        for peer, its in allowed.items():
            for prefix in its:
                senders.setdefault(prefix, set()).add(peer)
        for address in ASKED:
            assert found(made, address) == next(iter(longest({prefix: {peer} for prefix, peer in routes.items()}, address)), None)
            for peer in "abc":
                assert sends(made, made.peers[peer], address) is (peer in longest(senders, address))


def test_what_waits_for_a_peer_that_goes_is_dropped_and_counted() -> None:
    made = world()
    made.keep(made.peers["a"], b"packet")
    made.keep(made.peers["a"], b"another")
    made.forget("a")
    made.forget("nobody")
    assert drops(made.counters) == {"no_session": 2}


def test_one_peer_more_costs_the_same_among_ten_and_among_ten_thousand() -> None:
    def crowded(number: int) -> Callable[[], object]:
        made = world()
        for each in range(number):
            peer = made.peers[f"p{each}"] = Peer(f"p{each}")
            prefix = net(f"10.{64 + (each >> 8)}.{each & 255}.0/24")
            made.allow(peer, [prefix])
            made.route([(prefix, peer)])
        prefix, new = net("192.0.2.1/32"), Peer("new")

        def come_and_go() -> None:
            made.peers["new"] = new
            made.allow(new, [prefix])
            made.route([(prefix, new)])
            made.route([], [prefix])
            made.forget("new")

        return come_and_go

    assert calls(crowded(10_000)) <= calls(crowded(10)) + 20


def test_an_empty_prefix_length_costs_no_look_up() -> None:
    table: ForwardingTable[str] = ForwardingTable([(net("10.0.0.0/8"), "wide"), (net("10.1.0.0/16"), "narrow")])
    table.drop(net("10.1.0.0/16"))
    table.drop(net("10.1.0.0/16"))
    assert len(table.v4._levels) == 1
    assert table.v4.lookup(int(ipaddress.ip_address("10.1.0.1"))) == "wide"
    assert list(table.around(net("10.1.0.0/16"))) == ["wide"]


def test_what_is_reserved_for_members_and_none_has_is_not_behind_who_has_everything() -> None:
    made = world()
    a, b, nobody = made.peers["a"], made.peers["b"], Peer(NOBODY)
    made.allow(a, [net("0.0.0.0/0"), net("::/0")])
    made.allow(b, [net("10.1.2.3/32")])
    made.allow(nobody, [net("10.1.0.0/16"), net("fd00::/16")])
    routes = [("0.0.0.0/0", a), ("::/0", a), ("10.1.2.3/32", b), ("10.1.0.0/16", nobody), ("fd00::/16", nobody)]
    made.route((net(prefix), peer) for prefix, peer in routes)
    for _ in range(2):  # the second time from memory
        assert [found(made, text) for text in ("192.0.2.1", "10.1.2.3", "10.1.2.4", "fd00::1", "2001:db8::1")] == [
            *("a", "b", None, None, "a")
        ]
        assert [sends(made, a, text) for text in ("192.0.2.1", "10.1.2.3", "10.1.2.4", "fd00::1")] == [True, False, False, False]
    assert sends(made, b, "10.1.2.3")
    made.route((), [net("10.1.2.3/32")])
    made.forget("b")
    assert (found(made, "10.1.2.3"), sends(made, a, "10.1.2.3")) == (None, False), "a member that left is not spoken for"
