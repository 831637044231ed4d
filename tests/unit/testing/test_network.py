"""The simulated network keeps its promises, so that tests on it mean something."""

from __future__ import annotations

import pytest

from appliance.testing.network import Network, VirtualClock

A, B = ("198.51.100.1", 1), ("203.0.113.2", 2)
Got = list[tuple[float, tuple[str, int], bytes]]


def receiving(network: Network, address: tuple[str, int]) -> Got:
    got: Got = []
    network.bind(address, lambda source, payload: got.append((network.now - 1000.0, source, payload)))
    return got


def test_time_passes_in_order_and_only_when_told() -> None:
    clock, seen = VirtualClock(now=0.0), list[str]()
    clock.call_later(2.0, lambda: seen.append("late"))
    clock.call_later(1.0, lambda: seen.append("early"))
    assert clock.advance(1.5)
    assert not clock.advance(1.5)
    assert (clock.now, seen) == (1.5, ["early"])


def test_a_datagram_takes_its_latency() -> None:
    network = Network(latency=0.25)
    got = receiving(network, B)
    network.bind(A, lambda source, payload: None).send(B, b"x")
    network.run(1.0)
    assert got == [(0.25, A, b"x")]


@pytest.mark.parametrize(("loss", "repeats", "low", "high"), [(0.2, 0.0, 750, 850), (0.0, 0.2, 1150, 1250)])
def test_loss_and_repeats_are_what_was_asked_for(loss: float, repeats: float, low: int, high: int) -> None:
    network = Network(1, loss=loss, repeats=repeats)
    got = receiving(network, B)
    socket = network.bind(A, lambda source, payload: None)
    for _ in range(1000):
        socket.send(B, b"x")
    network.run(1.0)
    assert low < len(got) < high


def test_jitter_reorders_and_a_seed_repeats_it() -> None:
    def order(seed: int) -> list[bytes]:
        network = Network(seed, jitter=0.1)
        got = receiving(network, B)
        socket = network.bind(A, lambda source, payload: None)
        for number in range(20):
            socket.send(B, bytes((number,)))
        network.run(1.0)
        return [payload for _, _, payload in got]

    assert order(1) == order(1) != sorted(order(1))
    assert order(1) != order(2)


def test_long_datagrams_and_hosts_that_are_down_get_nothing() -> None:
    network = Network(mtu=1000)
    got = receiving(network, B)
    socket = network.bind(A, lambda source, payload: None)
    socket.send(B, bytes(973))
    network.take_down(B[0])
    socket.send(B, b"x")
    network.run(1.0)
    network.bring_up(B[0])
    socket.send(B, bytes(972))
    network.run(1.0)
    assert [len(payload) for _, _, payload in got] == [972]


def test_a_nat_hides_lets_answers_in_and_forgets() -> None:
    network = Network()
    nat = network.nat(A[0], "192.0.2.200")
    inside, outside = receiving(network, A), receiving(network, B)
    network.bind((A[0], 77), lambda source, payload: None)
    network.deliver(A, B, b"out")
    network.run(1.0)
    ((_, seen, _),) = outside
    assert seen[0] == "192.0.2.200"
    network.deliver(B, seen, b"back")
    network.deliver(("203.0.113.99", 9), seen, b"stranger")
    network.run(1.0)
    assert [payload for _, _, payload in inside] == [b"back"]
    nat.rebind()
    network.deliver(B, seen, b"late")
    network.deliver(A, B, b"again")
    network.run(1.0)
    assert len(inside) == 1
    assert outside[1][1] != seen


def test_streams_keep_order_under_jitter_and_tell_of_their_end() -> None:
    network, got, ends = Network(3, jitter=0.5), list[bytes](), list[str]()

    def accept(end: object, source: object) -> None:
        end.receive = got.append  # type: ignore[attr-defined]
        end.closed = lambda: ends.append("far")  # type: ignore[attr-defined]

    network.listen(B, accept)
    near = network.connect(A[0], B)
    assert near is not None
    for number in range(20):
        near.send(bytes((number,)))
    network.run(5.0)
    assert got == [bytes((number,)) for number in range(20)]
    near.close()
    network.run(5.0)
    assert ends == ["far"]
    assert network.connect(A[0], ("203.0.113.2", 99)) is None


def test_an_address_is_bound_once() -> None:
    network = Network()
    socket = network.bind(A, lambda source, payload: None)
    with pytest.raises(OSError, match="in use"):
        network.bind(A, lambda source, payload: None)
    socket.close()
    network.bind(A, lambda source, payload: None)
