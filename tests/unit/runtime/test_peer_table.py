"""Peers come, change and go in the table, and members make room for the profile."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.profile import Profile
from appliance.api.values import Endpoint, Network
from appliance.runtime.peers import table as module
from appliance.runtime.peers.prefixes import PrefixIndex
from appliance.runtime.peers.table import Change, Delta, Displaced, Origin, PeerEntry, PeerRefused, PeerTable, Refusal, of_profile
from tests.rigs.work import calls

OWN = ipaddress.ip_address("10.8.0.1")
net = ipaddress.ip_network


def entry(name: str, *allowed: str, identity: str = "", keepalive: float = 10.0, origin: Origin = Origin.PROFILE) -> PeerEntry:
    letter = identity or name[0]
    return PeerEntry(name, "llp1:" + letter * 51 + "a", allowed=tuple(map(net, allowed)), keepalive=keepalive, origin=origin)


def member(name: str, *allowed: str, identity: str = "", keepalive: float = 10.0) -> PeerEntry:
    return entry(name, *allowed, identity=identity, keepalive=keepalive, origin=Origin.MEMBER)


HUB, LAPTOP = entry("hub", "10.8.0.0/16", "fd00:8::/32"), entry("laptop", "10.9.0.2/32")


def table(*entries: PeerEntry) -> PeerTable:
    return PeerTable(entries or (HUB, LAPTOP), [OWN])


def names(peers: Iterable[PeerEntry]) -> list[str]:
    return [peer.name for peer in peers]


def test_a_profile_becomes_entries() -> None:
    peer = {
        "name": "hub",
        "identity": HUB.identity,
        "endpoints": ["udp://198.51.100.7:8443"],
        "allowed": ["10.8.0.0/16"],
        "keepalive": "3s",
        "compression": "zstd",
        "rate": "8Mbit",
    }
    [found] = of_profile(Profile.model_validate({"profile": 1, "network": {"addresses": ["10.8.0.1/24"]}, "peers": [peer]}).peers)
    endpoint = Endpoint("udp", "198.51.100.7", 8443)
    assert found == PeerEntry("hub", HUB.identity, (endpoint,), (net("10.8.0.0/16"),), 3.0, compression=True, rate=1_000_000)
    told = found.settings
    assert (told.name, told.identity, told.endpoints) == ("hub", HUB.identity, (endpoint,))
    assert (told.keepalive, told.compression) == (3.0, True)


def test_a_changed_profile_says_what_is_new_what_changed_and_what_is_gone() -> None:
    made, slower, phone = table(), LAPTOP._replace(keepalive=5.0), entry("phone")
    assert not made.use_profile([HUB, LAPTOP], [OWN])
    assert made.use_profile([phone, slower], [OWN]) == Delta([phone], [Change(LAPTOP, slower)], [HUB], [])
    assert names(made) == ["phone", "laptop"], "in the profile's order"
    assert made.of_identity(HUB.identity) is None
    assert made.of_identity(LAPTOP.identity) == slower


def test_identities_and_prefixes_may_change_places_within_one_profile() -> None:
    made = table()
    turned = [HUB._replace(identity=LAPTOP.identity), LAPTOP._replace(identity=HUB.identity, allowed=HUB.allowed)]
    assert [after for _, after in made.use_profile(turned, [OWN]).changed] == turned
    renamed = LAPTOP._replace(name="tablet")
    delta = made.use_profile([renamed], [OWN])
    assert (names(delta.added), names(delta.removed)) == (["tablet"], ["hub", "laptop"])
    assert made.of_identity(LAPTOP.identity) == renamed
    with pytest.raises(PeerRefused):
        made.add(member("phone", "10.9.0.2/32"))
    made.add(member("phone", "10.8.0.9/32"))


def test_a_member_comes_changes_and_goes() -> None:
    made, phone = table(), member("phone", "10.10.0.3/32")
    assert made.add(phone._replace(origin=Origin.PROFILE)) == Delta(added=(phone,))
    slower = phone._replace(keepalive=20.0, allowed=(net("10.10.0.4/32"),))
    assert made.change(slower) == Delta(changed=(Change(phone, slower),))
    assert not made.change(slower)
    assert made.get("phone") == made.of_identity(phone.identity) == slower
    made.add(member("tablet", "10.10.0.3/32"))
    assert made.drop("phone") == Delta(removed=(slower,))
    assert made.get("phone") is made.of_identity(phone.identity) is None
    assert names(made) == ["hub", "laptop", "tablet"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (member("hub"), Refusal.NAME_TAKEN),
        (member("known"), Refusal.NAME_TAKEN),
        (member("x", identity="h"), Refusal.IDENTITY_TAKEN),
        (member("x", "10.8.0.0/16"), Refusal.OWN_ADDRESS),
        (member("x", "10.8.0.1/32"), Refusal.OWN_ADDRESS),
        (member("x", "10.8.5.0/24"), Refusal.PREFIX_TAKEN),
        (member("x", "fd00:8:1::1/128"), Refusal.PREFIX_TAKEN),
        (member("x", "fd00::/8"), Refusal.PREFIX_TAKEN),
        (member("x", "10.9.0.2/32"), Refusal.PREFIX_TAKEN),
        (member("x", "10.9.0.0/24"), Refusal.PREFIX_TAKEN),
        (member("x", "10.10.0.0/16"), Refusal.PREFIX_TAKEN),
        (member("x", "192.0.2.1/32", "127.0.0.5/32"), Refusal.NOBODYS_PREFIX),
        (member("x", "fe80::1/128"), Refusal.NOBODYS_PREFIX),
        (member("x", "224.0.0.251/32"), Refusal.NOBODYS_PREFIX),
        (member("x", "192.0.2.1/32", "192.0.2.1/32"), Refusal.MALFORMED),
        (member("a b"), Refusal.MALFORMED),
        (member("x\n"), Refusal.MALFORMED),
        (member("x" * 64), Refusal.MALFORMED),
        (member("x", identity="1"), Refusal.MALFORMED),
        (member("x")._replace(identity="llp1:short"), Refusal.MALFORMED),
        (member("x")._replace(identity="llp1:" + "x" * 52), Refusal.MALFORMED),
        (member("x", keepalive=float("nan")), Refusal.MALFORMED),
        (member("x", keepalive=-1.0), Refusal.MALFORMED),
        (member("x")._replace(rate=-1), Refusal.MALFORMED),
        (member("x", *(f"192.0.2.{number}/32" for number in range(65))), Refusal.MALFORMED),
        (member("x")._replace(endpoints=tuple(Endpoint("udp", "192.0.2.1", port) for port in range(1, 66))), Refusal.MALFORMED),
    ],
    ids=str,
)
def test_a_member_that_may_not_be_is_refused_and_changes_nothing(wanted: PeerEntry, reason: Refusal) -> None:
    made = table()
    made.add(member("known", "10.10.0.3/32"))
    before = list(made)
    with pytest.raises(PeerRefused) as refused:
        made.add(wanted)
    assert refused.value.reason is reason
    assert list(made) == before
    made.add(member("x", "192.0.2.0/24"))


def test_a_change_is_judged_like_a_new_member_but_not_against_itself() -> None:
    made = table()
    made.add(member("phone", "10.10.0.0/24"))
    made.change(member("phone", "10.10.0.0/25"))
    for wanted, reason in (
        (member("nobody"), Refusal.UNKNOWN),
        (HUB._replace(keepalive=1.0), Refusal.FROM_PROFILE),
        (member("phone", identity="l"), Refusal.IDENTITY_TAKEN),
        (member("phone", "10.9.0.2/32"), Refusal.PREFIX_TAKEN),
    ):
        with pytest.raises(PeerRefused) as refused:
            made.change(wanted)
        assert refused.value.reason is reason
    for name, reason in (("nobody", Refusal.UNKNOWN), ("hub", Refusal.FROM_PROFILE)):
        with pytest.raises(PeerRefused) as refused:
            made.drop(name)
        assert refused.value.reason is reason
    made.change(member("phone", "10.10.0.0/25", identity="z"))
    assert made.of_identity("llp1:" + "p" * 51 + "a") is None


def test_a_full_table_takes_nobody_until_somebody_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PEERS", 3)
    made = table()
    made.add(member("phone"))
    with pytest.raises(PeerRefused) as refused:
        made.add(member("tablet"))
    assert refused.value.reason is Refusal.FULL
    made.drop("phone")
    made.add(member("tablet"))


def test_a_reload_wins_over_members() -> None:
    made = table()
    by_name, by_identity = member("phone", "10.10.0.1/32"), member("tablet", "10.10.0.2/32")
    by_prefix, by_address, unharmed = (
        member("car", "10.11.0.0/16"),
        member("desk", "10.12.0.0/16"),
        member("boat", "10.13.0.0/16"),
    )
    for each in (by_name, by_identity, by_prefix, by_address, unharmed):
        made.add(each)
    new = [entry("phone", identity="x"), entry("y", identity="t"), entry("z", "10.11.3.0/24")]
    delta = made.use_profile([HUB, LAPTOP, *new], [OWN, ipaddress.ip_address("10.12.0.9")])
    assert set(delta.displaced) == {
        Displaced(by_name, Refusal.NAME_TAKEN),
        Displaced(by_identity, Refusal.IDENTITY_TAKEN),
        Displaced(by_prefix, Refusal.PREFIX_TAKEN),
        Displaced(by_address, Refusal.OWN_ADDRESS),
    }
    assert (names(delta.added), set(names(delta.removed))) == (["y", "z"], {"tablet", "car", "desk"})
    assert delta.changed == [Change(by_name, new[0])]
    assert names(made) == ["hub", "laptop", "phone", "y", "z", "boat"]
    with pytest.raises(PeerRefused):
        made.drop("phone")
    made.add(member("tablet", "10.10.0.1/32", identity="q"))


def test_one_member_more_costs_the_same_among_a_hundred_and_among_ten_thousand() -> None:
    work = {}
    for number in (100, 10_000):
        peers = [
            PeerEntry(f"p{each}", f"llp1:{each:0>52}", allowed=(net(f"10.{64 + (each >> 8)}.{each & 255}.0/24"),))
            for each in range(number)
        ]
        made = PeerTable(peers, [OWN])
        made.add(member("first", "192.0.2.1/32"))
        work[number] = calls(lambda made=made: (made.add(member("x", "192.0.2.2/32")), made.drop("x")))  # type: ignore[misc]
    assert work[10_000] <= work[100] + 5


PREFIXES = st.tuples(st.integers(0, 255), st.integers(0, 8)).map(lambda drawn: net((drawn[0] << 24, drawn[1]), strict=False))


@given(st.lists(st.tuples(PREFIXES, st.booleans()), max_size=80), PREFIXES)
def test_the_index_finds_what_comparing_all_finds(steps: list[tuple[Network, bool]], asked: Network) -> None:
    index, known = PrefixIndex(), dict[Network, str]()
    index.add((prefix, str(prefix)) for prefix, _ in steps)
    known.update((prefix, str(prefix)) for prefix, _ in steps)
    for prefix, stays in steps:
        if not stays:
            index.remove([prefix])
            known.pop(prefix, None)
    assert set(index.overlapping(asked)) == {(prefix, owner) for prefix, owner in known.items() if prefix.overlaps(asked)}


# ---- prefixes within others ----


def test_who_has_all_that_is_for_nobody_else_may_be_around_everybody() -> None:
    made = table(entry("exit", "0.0.0.0/0"), LAPTOP)
    made.add(member("a", "10.10.0.3/32"))
    made.add(member("way", "::/0"))
    made.add(member("b", "fd00::3/128"))
    with pytest.raises(PeerRefused, match="overlaps one of peer 'exit'"):
        made.add(member("c", "0.0.0.0/0"))
    with pytest.raises(PeerRefused, match="overlaps one of peer 'way'"):
        made.add(member("c", "::/0"))


def test_members_have_what_the_profile_reserves_for_them_inside_of_wider_prefixes_of_its_peers() -> None:
    wide, inside = entry("site", "10.0.0.0/8"), entry("printer", "10.86.7.0/24")
    made = PeerTable([wide, inside], [OWN], [net("10.86.0.0/16")])
    made.add(member("a", "10.86.0.3/32"))
    for prefix in ("10.87.0.3/32", "10.86.7.9/32", "10.86.0.0/16"):
        with pytest.raises(PeerRefused, match="overlaps one of peer"):
            made.add(member("b", prefix))
    delta = made.use_profile([wide, inside, entry("late", "10.86.0.0/30")], [OWN], [net("10.86.0.0/16")])
    assert [each.entry.name for each in delta.displaced] == ["a"], "nearer than the range is the profile's word"


def test_a_range_that_a_peer_of_the_profile_has_itself_is_not_for_members() -> None:
    made = PeerTable([entry("site", "10.86.0.0/16")], [OWN], [net("10.86.0.0/16")])
    with pytest.raises(PeerRefused, match="overlaps one of peer 'site'"):
        made.add(member("a", "10.86.0.3/32"))


def test_a_range_that_is_for_members_no_more_is_taken_back_by_the_next_profile() -> None:
    wide = entry("site", "10.0.0.0/8")
    made = PeerTable([wide], [OWN], [net("10.86.0.0/16")])
    made.add(member("a", "10.86.0.3/32"))
    delta = made.use_profile([wide], [OWN], [])
    assert [each.entry.name for each in delta.displaced] == ["a"]
