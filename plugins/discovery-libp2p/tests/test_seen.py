"""At which address a node believes to be seen."""

from __future__ import annotations

from appliance_discovery_libp2p.seen import MOST_WITNESSES, Seen


def test_one_witness_is_believed_until_there_are_more() -> None:
    seen = Seen()
    assert seen.hosts() == ()
    seen.told(b"a", "198.51.100.7", asked=True)
    assert seen.hosts() == ("198.51.100.7",)
    seen.told(b"b", "203.0.113.9", asked=True)
    assert seen.hosts() == ()
    seen.told(b"c", "198.51.100.7", asked=True)
    seen.told(b"c", "2001:db8::7", asked=True)
    assert seen.hosts() == ("198.51.100.7", "2001:db8::7")


def test_a_liar_has_one_vote_however_often_it_speaks_and_witnesses_are_bounded() -> None:
    seen = Seen()
    for peer in (b"a", b"b"):
        seen.told(peer, "198.51.100.7", asked=True)
    for number in range(100):
        seen.told(b"liar", f"203.0.113.{number}", asked=True)
    assert seen.hosts() == ("198.51.100.7",)
    for number in range(1000):
        seen.told(b"%d" % number, "203.0.113.9", asked=True)
    assert len(seen._asked) == MOST_WITNESSES


def test_addresses_that_nobody_else_can_call_and_nonsense_do_not_count() -> None:
    seen = Seen()
    for host in ("127.0.0.1", "0.0.0.0", "::1", "nonsense"):
        seen.told(b"a", host, asked=True)
    assert seen.hosts() == ()


def test_callers_are_witnesses_only_while_nobody_else_is() -> None:
    seen = Seen()
    for caller in (b"x", b"y", b"z"):
        seen.told(caller, "203.0.113.9", asked=False)
    assert seen.hosts() == ("203.0.113.9",)
    seen.told(b"a", "198.51.100.7", asked=True)
    assert seen.hosts() == ("198.51.100.7",)
