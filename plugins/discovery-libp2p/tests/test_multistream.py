"""Which protocol is spoken."""

from __future__ import annotations

import pytest

from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.multistream import LONGEST, MOST_PROPOSALS, Dialer, Listener, Negotiation
from appliance_discovery_libp2p.wire.varint import framed


def talk(dialer: Negotiation, listener: Negotiation) -> None:
    for _ in range(10):
        for speaker, hearer in ((dialer, listener), (listener, dialer)):
            said = bytes(speaker.out)
            speaker.out.clear()
            hearer.receive(said)


def test_the_best_that_both_know_is_spoken() -> None:
    dialer, listener = Dialer(["/new", "/old"]), Listener({"/old", "/older"})
    talk(dialer, listener)
    assert (dialer.chosen, listener.chosen) == ("/old", "/old")


def test_what_stands_behind_the_choice_belongs_to_the_protocol() -> None:
    listener = Listener({"/echo"})
    listener.receive(framed(b"/multistream/1.0.0\n") + framed(b"/echo\n") + b"first words")
    assert (listener.chosen, bytes(listener.rest)) == ("/echo", b"first words")


def test_a_dialer_whose_protocols_nobody_knows_gives_up() -> None:
    with pytest.raises(Malformed, match="no common protocol"):
        talk(Dialer(["/a", "/b"]), Listener({"/c"}))


def test_a_dialer_takes_no_protocol_that_it_did_not_propose() -> None:
    dialer = Dialer(["/a"])
    with pytest.raises(Malformed):
        dialer.receive(framed(b"/multistream/1.0.0\n") + framed(b"/b\n"))


@pytest.mark.parametrize(
    "said",
    [b"\xff\x7f", framed(b"/multistream/1.0.0"), framed(b"x" * LONGEST + b"\n"), framed(b"\xc3\xa9\n"), framed(b"ls\n")],
    ids=["length", "no newline", "long", "no ascii", "no greeting"],
)
def test_what_is_no_message_is_refused(said: bytes) -> None:
    with pytest.raises(Malformed):
        Listener({"/a"}).receive(said)


def test_proposals_without_end_are_refused_and_answers_to_them_are_few() -> None:
    listener = Listener({"/a"})
    with pytest.raises(Malformed):
        listener.receive(framed(b"/multistream/1.0.0\n") + framed(b"ls\n") * 10_000)
    assert len(listener.out) <= 20 + 4 * MOST_PROPOSALS
