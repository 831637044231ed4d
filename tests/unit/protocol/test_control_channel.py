"""Two nodes ask and tell each other things over their sessions, in virtual time; and a third of the tests is a hostile one."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.peer_protocol import Limits
from appliance.errors import LocalFault
from appliance.protocol.agreeing import KIND as COMPRESSION
from appliance.protocol.control_channel import NotSent, Received
from appliance.protocol.events import Answered, AskFailed, PeerConnected, PeerGone, SessionConfirmed
from appliance.protocol.families import Family
from appliance.protocol.replies import REMEMBER_SECONDS
from appliance.protocol.requests import LONGEST, Failure
from appliance.testing.network import Network
from appliance.testing.pair import HOSTS, Pair
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire.control import ControlMessage, encode
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType

FACTS = Family("facts")


def speaking(network: Network | None = None, family: Family = FACTS, **more: Any) -> Pair:
    pair = Pair(network, **more)
    for host in (pair.a, pair.b):
        host.node.control.speak(family)
    return pair.connect()


def tell(pair: Pair, count: int = 1, kind: str = "facts.tell") -> None:
    for number in range(count):
        pair.a.node.control.send("b", kind, {"n": number}, b"raw", pair.network.now)
    pair.a.pump()
    pair.network.run(0.1)


def ask(pair: Pair, within: float = 10.0) -> int:
    number = pair.a.node.control.ask("b", "facts.ask", {"of": "moon"}, b"", within, pair.network.now)
    pair.a.pump()
    return number


def heard(host: SimulatedHost, family: str = "facts") -> list[Received]:
    messages = []
    while (received := host.node.control.next(family)) is not None:
        messages.append(received)
    return messages


def answer(pair: Pair) -> int:
    """Let b answer what waits. Returns how much that was."""
    waiting = heard(pair.b)
    for received in waiting:
        pair.b.node.control.answer(received, {"is": "full"}, b"\0", pair.network.now)
    pair.b.pump()
    return len(waiting)


def answers_at_once(pair: Pair) -> list[int]:
    """From now on b answers when something waits. Returns the count of what it answered, a number each."""
    answered: list[int] = []

    def hear(_event: object) -> None:
        pair.network.clock.call_later(0.0, lambda: answered.append(answer(pair)))

    pair.b.listener = hear
    return answered


def outcomes(pair: Pair) -> list[Answered | AskFailed]:
    return [event for event in pair.a.events if isinstance(event, Answered | AskFailed)]


def counted(host: SimulatedHost) -> dict[str, int]:
    return {name: number for name, number in host.node.counters.items() if name.startswith("control-")}


def inject(pair: Pair, encoded: bytes) -> None:
    """Let `encoded` come to b as a record of a's."""
    pair.b.node.handle_message(pair.session("b").index, PacketType.DATA, CHANNEL_CONTROL, encoded, pair.network.now)
    pair.b.pump()


# ---- messages ----


def test_a_message_waits_for_whoever_takes_it() -> None:
    pair = speaking()
    tell(pair)
    (received,) = heard(pair.b)
    assert received[:1] + received[2:] == ("a", "facts.tell", {"n": 0}, b"raw", None)
    assert pair.b.node.control.counters("facts") == {"received": 1}
    assert pair.a.node.control.counters("facts") == {"sent": 1}


def test_what_nobody_speaks_is_counted_and_dropped() -> None:
    pair = Pair().connect()
    pair.a.node.control.speak(FACTS)
    tell(pair)
    assert counted(pair.b) == {"control-unknown": 1}
    with pytest.raises(LocalFault):
        pair.b.node.control.send("a", "facts.tell", {}, b"", pair.network.now)


def test_without_a_session_nothing_is_sent() -> None:
    pair = Pair()
    pair.a.node.control.speak(FACTS)
    for deed in (
        lambda: pair.a.node.control.send("b", "facts.tell", {}, b"", 0.0),
        lambda: pair.a.node.control.ask("b", "facts.ask", {}, b"", 1.0, 0.0),
        lambda: pair.a.node.control.send("nobody", "facts.tell", {}, b"", 0.0),
    ):
        with pytest.raises(NotSent, match="no-session"):
            deed()


def test_we_send_no_more_than_a_peer_takes() -> None:
    pair = speaking(family=Family("facts", Limits(messages=5.0)))
    tell(pair, 5)
    with pytest.raises(NotSent, match="too-fast"):
        tell(pair)
    pair.network.run(1.0)
    tell(pair, 5)
    assert len(heard(pair.b)) == 10
    assert counted(pair.b) == {}


def test_peers_come_and_go() -> None:
    pair = speaking(a={"rotate_after": 20.0})
    pair.network.run(50.0)
    told = [event for event in pair.a.events if isinstance(event, PeerConnected | PeerGone)]
    assert told == [PeerConnected("b", proved=True)], "a renewed session is no news"
    assert sum(isinstance(event, SessionConfirmed) for event in pair.a.events) > 1
    pair.b.shutdown()
    pair.network.run(0.1)
    told = [event for event in pair.a.events if isinstance(event, PeerConnected | PeerGone)]
    assert told == [PeerConnected("b", proved=True), PeerGone("b")]


# ---- requests ----


def test_a_request_is_answered() -> None:
    pair = speaking()
    number = ask(pair)
    pair.network.run(0.1)
    assert answer(pair) == 1
    pair.network.run(0.1)
    assert outcomes(pair) == [Answered(number, "facts", {"is": "full"}, b"\0")]
    pair.network.run(LONGEST)
    assert len(outcomes(pair)) == 1


def test_a_request_is_refused() -> None:
    pair = speaking()
    number = ask(pair)
    pair.network.run(0.1)
    (received,) = heard(pair.b)
    pair.b.node.control.refuse(received, pair.network.now)
    pair.b.pump()
    pair.network.run(0.1)
    assert outcomes(pair) == [AskFailed(number, "facts", Failure.REFUSED)]


@pytest.mark.parametrize("seed", range(8))
def test_a_lossy_path_repeats_and_the_handler_runs_once(seed: int) -> None:
    pair = speaking(Network(seed, loss=0.3, repeats=0.1, jitter=0.05))
    answered = answers_at_once(pair)
    numbers = [ask(pair, within=LONGEST) for _ in range(5)]
    pair.network.run(LONGEST + 1)
    assert {event.number for event in outcomes(pair) if isinstance(event, Answered)} == set(numbers)
    assert sum(answered) == 5


def test_a_request_whose_answer_was_lost_is_answered_from_memory() -> None:
    pair = speaking()
    number = ask(pair)
    pair.network.run(0.1)
    pair.network.loss = 1.0
    answer(pair)
    pair.network.loss = 0.0
    pair.network.run(2.0)
    assert outcomes(pair) == [Answered(number, "facts", {"is": "full"}, b"\0")]
    assert counted(pair.b) == {"control-repeated": 1}


def test_nobody_answers_in_time() -> None:
    pair = speaking()
    number = ask(pair, within=5.0)
    pair.network.run(4.9)
    assert outcomes(pair) == []
    pair.network.run(0.2)
    assert outcomes(pair) == [AskFailed(number, "facts", Failure.TIMED_OUT)]
    answer(pair)
    pair.network.run(0.1)
    assert counted(pair.a) == {"control-late": 1}
    assert len(outcomes(pair)) == 1


def test_a_request_survives_new_keys() -> None:
    pair = speaking(a={"rotate_after": 5.0})
    before = pair.session("a").index
    number = ask(pair, within=30.0)
    pair.network.run(20.0)
    assert pair.session("a").index != before
    assert answer(pair) == 1
    pair.network.run(0.1)
    assert outcomes(pair) == [Answered(number, "facts", {"is": "full"}, b"\0")]


def test_a_request_goes_on_when_its_peer_is_started_anew() -> None:
    pair = speaking()
    number = ask(pair, within=30.0)
    pair.network.run(0.1)
    pair.b.kill()
    pair.b = pair.start("b")
    pair.b.node.control.speak(FACTS)
    pair.network.run(5.0)
    assert answer(pair) == 1
    pair.network.run(0.1)
    assert outcomes(pair) == [Answered(number, "facts", {"is": "full"}, b"\0")]


def test_a_request_goes_out_at_once_when_its_peer_has_another_session() -> None:
    pair = speaking(both=True, a={"idle": 300.0})
    before = pair.session("a").index
    pair.b.kill()
    ask(pair, within=60.0)
    pair.network.run(20.0)  # by now it is sent again each eight seconds
    pair.b = pair.start("b")
    pair.b.node.control.speak(FACTS)
    assert pair.network.run_until(lambda: pair.connected() and pair.session("a").index != before, 10.0)
    pair.network.run(0.1)
    assert answer(pair) == 1


@pytest.mark.parametrize("how", ["goodbye", "link"])
def test_a_request_ends_with_its_peers_last_session(how: str) -> None:
    pair = speaking(scheme="tcp")
    number = ask(pair)
    pair.network.run(0.1)
    if how == "goodbye":
        pair.b.shutdown()
    else:
        pair.network.close_streams(HOSTS["a"])
    pair.network.run(0.05)
    assert outcomes(pair) == [AskFailed(number, "facts", Failure.PEER_GONE)]


def test_a_request_that_nobody_wants_any_more_is_cancelled() -> None:
    pair = speaking()
    pair.a.node.control.cancel(ask(pair))
    pair.a.node.control.cancel(4711)
    pair.network.run(0.1)
    answer(pair)
    pair.network.run(LONGEST)
    assert outcomes(pair) == []
    assert counted(pair.a) == {"control-late": 1}


def test_requests_under_way_are_bounded() -> None:
    pair = speaking(family=Family("facts", Limits(requests=3)))
    for _ in range(3):
        ask(pair)
    with pytest.raises(NotSent, match="too-many"):
        ask(pair)
    pair.network.run(0.1)
    answer(pair)
    pair.network.run(0.1)
    ask(pair)


def test_a_family_that_ends_takes_its_requests_with_it() -> None:
    pair = speaking()
    ask(pair)
    pair.a.node.control.be_silent("facts")
    pair.network.run(LONGEST)
    assert outcomes(pair) == []
    pair.a.node.control.be_silent("facts")


# ---- a hostile peer ----


def test_a_flood_in_one_family_leaves_the_others_their_budgets() -> None:
    pair = speaking()
    pair.b.node.control.speak(Family("other"))
    for number in range(10_000):
        inject(pair, b'{"kind":"facts.tell","n":%d}' % number)
    inject(pair, b'{"kind":"other.tell"}')
    assert pair.b.node.control.waiting("facts") == Limits().waiting
    assert len(heard(pair.b, "other")) == 1
    took = counted(pair.b)
    assert took["control-full"] == 2 * Limits().messages - Limits().waiting
    assert sum(took.values()) == 10_000 - Limits().waiting


def test_a_flood_does_not_keep_compression_from_being_agreed_on() -> None:
    pair = speaking()
    pair.session("b").compression = True
    for _ in range(1000):
        inject(pair, b'{"kind":"facts.tell"}')
    inject(pair, encode(ControlMessage(COMPRESSION, {"accepts": ["zstd"], "answer": True})))
    assert pair.session("b").compressing


def test_new_keys_bring_no_new_budget() -> None:
    pair = speaking(a={"rotate_after": 5.0}, family=Family("facts", Limits(messages=0.01)))
    inject(pair, b'{"kind":"facts.tell"}')
    before = pair.session("b").index
    pair.network.run(20.0)
    assert pair.session("b").index != before
    inject(pair, b'{"kind":"facts.tell"}')
    assert counted(pair.b) == {"control-flood": 1}


def test_a_peer_that_has_proved_nothing_says_what_is_on_the_short_list_only() -> None:
    pair = speaking()
    for host in (pair.a, pair.b):
        host.node.control.speak(Family("certificates", before_membership=True))
    pair.session("b").proved = False
    inject(pair, b'{"kind":"facts.tell"}')
    inject(pair, b'{"kind":"certificates.mine"}')
    assert counted(pair.b) == {"control-unproved": 1}
    assert heard(pair.b) == []
    assert len(heard(pair.b, "certificates")) == 1
    with pytest.raises(NotSent, match="no-session"):
        pair.b.node.control.send("a", "facts.tell", {}, b"", pair.network.now)
    pair.b.node.control.send("a", "certificates.mine", {}, b"", pair.network.now)


def test_answers_to_nothing_are_counted() -> None:
    pair = speaking()
    for number in range(1, 6):
        inject(pair, encode(ControlMessage("facts.ask", {}, response=number)))
    assert counted(pair.b) == {"control-unasked": 5}


def test_an_answer_is_to_the_same_kind_of_question() -> None:
    pair = speaking()
    number = pair.b.node.control.ask("a", "facts.ask", {}, b"", 1.0, pair.network.now)
    inject(pair, encode(ControlMessage("facts.other", {}, response=number)))
    assert counted(pair.b) == {"control-unasked": 1}
    pair.network.run(2.0)
    assert [event.reason for event in pair.b.events if isinstance(event, AskFailed)] == [Failure.TIMED_OUT]


def test_a_number_that_is_used_again_is_not_answered_again() -> None:
    pair = speaking()
    inject(pair, encode(ControlMessage("facts.ask", {"of": "moon"}, request=7)))
    assert answer(pair) == 1
    inject(pair, encode(ControlMessage("facts.ask", {"of": "sun"}, request=7)))
    assert answer(pair) == 0
    assert counted(pair.b) == {"control-reused": 1}
    pair.network.run(REMEMBER_SECONDS)
    inject(pair, encode(ControlMessage("facts.ask", {"of": "sun"}, request=7)))
    assert answer(pair) == 1


def test_requests_that_never_end_fill_their_own_inbox_only() -> None:
    pair = speaking()
    for second in range(100):
        for number in range(1, 51):
            inject(pair, encode(ControlMessage("facts.ask", {}, request=second * 50 + number)))
        pair.network.run(1.0)
    assert pair.b.node.control.waiting("facts") == Limits().waiting
    assert len(pair.b.node.control._replies) <= Limits().waiting


def test_a_request_that_found_no_room_is_taken_when_it_comes_again() -> None:
    pair = speaking(family=Family("facts", Limits(waiting=1)))
    for number in (1, 2):
        inject(pair, encode(ControlMessage("facts.ask", {}, request=number)))
    assert counted(pair.b) == {"control-full": 1}
    assert answer(pair) == 1
    inject(pair, encode(ControlMessage("facts.ask", {}, request=2)))
    assert answer(pair) == 1


def test_a_request_of_a_peer_that_left_is_taken_when_it_comes_back() -> None:
    pair = speaking(scheme="tcp")
    number = ask(pair)
    pair.network.run(0.1)
    pair.network.close_streams(HOSTS["a"])
    pair.network.run(0.1)
    assert heard(pair.b) == []
    pair.connect()
    inject(pair, encode(ControlMessage("facts.ask", {"of": "moon"}, request=number)))
    assert answer(pair) == 1


def test_nothing_is_left_of_a_peer_that_left() -> None:
    pair = speaking()
    tell(pair, 10)
    pair.a.shutdown()
    pair.network.run(0.1)
    assert heard(pair.b) == []
    spoken = pair.b.node.control._spoken["facts"]
    assert not spoken.theirs
    assert not spoken.ours
