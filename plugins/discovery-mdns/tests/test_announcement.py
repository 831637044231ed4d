"""What an announcement says, and who can tell whose it is."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_mdns.announcement import Announcement, announced, properties, read, tag
from appliance_discovery_mdns.recognition import HASHES_PER_SECOND, MOST_REMEMBERED, OWN, Busy, Recognition

A, B = "llp1:" + "a" * 52, "llp1:" + "b" * 52
NONCE = bytes(range(8))
PORTS = (("udp", 8443), ("tcp", 443))


def texts(said: Announcement, **other: str) -> dict[bytes, bytes | None]:
    return {key.encode(): value.encode() for key, value in (properties(said) | other).items()}


def test_it_is_read_as_it_was_said_and_holds_no_identity() -> None:
    said = announced(A, NONCE, PORTS)
    assert read(texts(said)) == said
    assert not any("llp1" in value or "aaaa" in value for value in properties(said).values())
    assert said.tag != announced(A, NONCE[::-1], PORTS).tag, "on another network it is another one"


@pytest.mark.parametrize(
    "other",
    [{"v": "2"}, {"n": "00"}, {"t": "x"}, {"p": ""}, {"p": "udp:0"}, {"p": "udp:65536"}, {"p": "http:80"}, {"p": "udp:1," * 9},
     {"p": "udp:" + "1" * 90}, {"t": "ü"}],
)  # fmt: skip
def test_what_is_none_is_refused(other: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(texts(announced(A, NONCE, PORTS), **other))


@given(st.dictionaries(st.sampled_from([b"v", b"n", b"t", b"p"]), st.none() | st.binary(max_size=80)))
def test_nothing_that_anybody_sends_raises_anything_else(found: dict[bytes, bytes | None]) -> None:
    with suppress(ValueError):
        read({b"v": b"1", **found})


def test_a_peer_is_recognised_by_those_who_know_its_identity() -> None:
    known = Recognition()
    known.use(A, {"laptop": B})
    assert known.whose(announced(B, NONCE, PORTS)) == "laptop"
    assert known.whose(announced(A, NONCE, PORTS)) == OWN
    assert known.whose(announced("llp1:c", NONCE, PORTS)) is None
    known.use(A, {})
    assert known.whose(announced(B, NONCE, PORTS)) is None


def test_a_flood_costs_so_much_a_second_and_no_more() -> None:
    known = Recognition()
    known.use(A, {f"peer-{number}": f"llp1:{number}" for number in range(999)})
    heard = [Announcement(number.to_bytes(8, "big"), bytes(16), PORTS) for number in range(HASHES_PER_SECOND // 1000 + 1)]
    assert [known.whose(one) for one in heard[:-1]] == [None] * (len(heard) - 1)
    with pytest.raises(Busy):
        known.whose(heard[-1])
    assert known.whose(Announcement((0).to_bytes(8, "big"), bytes(16), PORTS)) is None, "what was heard before costs nothing"
    known.refill()
    honest = announced("llp1:7", NONCE, PORTS)
    assert known.whose(honest) == "peer-7"


def test_more_peers_than_hashes_are_still_asked_one_announcement_a_second() -> None:
    known = Recognition()
    known.use(A, {f"peer-{number}": f"llp1:{number}" for number in range(HASHES_PER_SECOND)})
    assert known.whose(announced("llp1:5", NONCE, PORTS)) == "peer-5"
    with pytest.raises(Busy):
        known.whose(announced("llp1:6", NONCE, PORTS))


def test_memory_is_bounded() -> None:
    known = Recognition()
    known.use(A, {})
    for number in range(2 * MOST_REMEMBERED):
        known.refill()
        known.whose(Announcement(number.to_bytes(8, "big"), tag(B, NONCE), PORTS))
    assert len(known._known) == MOST_REMEMBERED
