"""What a worker says, and what it may say without harm."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.runtime.workers.hearing import MOST_LOCALS, Hearing, Spoken
from appliance.worker import reports
from appliance.worker.messages import Message
from appliance.worker.reports import REPORTS

FAR = ("192.0.2.2", 2000)


class Listener:
    """Keeps what it hears; raises where it is told to."""

    def __init__(self, raises: str = "") -> None:
        self.heard: list[tuple[Any, ...]] = []
        self._raises = raises

    def __getattr__(self, name: str) -> Any:
        def hear(*arguments: object) -> None:
            self.heard.append((name, *arguments))
            if name == self._raises:
                raise LookupError("no such session")

        return hear


def ears(raises: str = "") -> tuple[Listener, Spoken, Any]:
    listener, spoken = Listener(raises), Spoken()
    hearing = Hearing(listener, spoken)  # type: ignore[arg-type]

    def say(report: Message) -> None:
        hearing.hear(REPORTS.encode(report)[0])

    return listener, spoken, say


@pytest.mark.parametrize(
    ("report", "heard"),
    [
        (reports.Packet(1, FAR, None, b"hello"), ("on_packet", 1, FAR, b"hello")),
        (reports.Message(5, 1, 1, b"{}"), ("on_message", 5, 1, 1, b"{}")),
        (reports.Want("a"), ("on_want", "a")),
        (reports.Moved(5, 1, None, None), ("on_moved", 5, 1, None)),
        (reports.Stalled(5), ("on_stalled", 5)),
        (reports.LinkLoss(1, 0.25), ("on_loss", 1, 0.25)),
        (reports.LinkClosed(1), ("on_link_closed", 1)),
        (reports.LinkLimited(1, 1200), ("on_link_limited", 1, 1200)),
        (reports.LinkOffloads(1, "EIO"), ("on_link_offload", 1, "EIO")),
        (reports.ChannelClosed("a", 7, 3), ("on_channel_closed", "a", 7, 3)),
        (reports.TunLost(77), ("on_tun_lost", 77)),
        (reports.Fault("a.b:C", "ValueError in f", 3), ("on_fault", "a.b:C", "ValueError in f", 3)),
        (reports.Raised("error at loop.py:7", 2), ("on_raised", "error at loop.py:7", 2)),
    ],
)
def test_each_report_is_one_call(report: Message, heard: tuple[Any, ...]) -> None:
    listener, _, say = ears()
    say(report)
    assert listener.heard == [heard]


def test_which_of_our_addresses_was_spoken_to_is_known_before_the_packet_is_heard() -> None:
    listener, spoken, say = ears()
    say(reports.Packet(1, FAR, "203.0.113.2", b"hello"))
    say(reports.Moved(5, 1, FAR, "203.0.113.3"))
    assert spoken == {(1, FAR): "203.0.113.3"}
    assert len(listener.heard) == 2


def test_far_ends_without_number_fill_no_memory() -> None:
    _, spoken, say = ears()
    for port in range(MOST_LOCALS + 10):
        say(reports.Packet(1, ("192.0.2.2", port), "203.0.113.2", b""))
    assert len(spoken) == MOST_LOCALS
    assert (1, ("192.0.2.2", 0)) not in spoken


def test_nonsense_is_heard_as_such_and_ends_nothing() -> None:
    listener, spoken = Listener(), Spoken()
    hearing = Hearing(listener, spoken)  # type: ignore[arg-type]
    for packet in (b"", b"nonsense", b'["Exec","rm"]\n', b'["Ready",true,{}]\n', b'["Stalled",[[]]]\n'):
        hearing.hear(packet)
    assert [name for name, _ in listener.heard] == ["on_misheard"] * 5


def test_a_mistake_with_one_report_keeps_no_other_from_being_heard() -> None:
    listener, _, say = ears(raises="on_stalled")
    say(reports.Stalled(5))
    say(reports.Stalled(6))
    assert [name for name, *_ in listener.heard] == ["on_stalled", "on_misheard", "on_stalled", "on_misheard"]
