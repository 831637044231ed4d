"""What every transport does, on real sockets over the loopback: one half listens and dials, the other moves records."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import zip_longest

import pytest

from appliance.api.records import HEADER_BYTES, MAX_BODY_BYTES, Record
from appliance.api.transport import AdaptiveDriver, Driver, Transport, TransportKind
from appliance.api.values import Endpoint
from appliance.testing.conformance.kinds import KindConformance
from appliance.testing.conformance.limits import missing, open_descriptors
from appliance.testing.imports import heavy_imports
from appliance.testing.transport import (
    PATIENCE,
    FakeTransportServices,
    TransportPair,
    driver_class,
    handshake_packet,
    record,
)
from appliance.wire.envelope import PacketType, pack

ENOUGH_TO_CONGEST = 2000
"""Records of the largest size: 130 MB, more than any socket buffer."""

Story = Callable[[TransportPair], None]


class TransportConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind."""

    noun = "transport"
    hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    """Where the loopback is; take one out when the transport does not know its family."""

    def kind(self) -> TransportKind:
        """The kind to try."""
        raise NotImplementedError

    def play(self, story: Story, host: str = "", datagram_bytes: int | None = None) -> None:
        """Run `story` with a pair of connected ends; what a control half's task raised fails the test."""

        async def run() -> None:
            async with TransportPair(self.kind(), host or self.hosts[0], datagram_bytes, self.settings()) as pair:
                story(pair)
            assert not [*pair.client.failures, *pair.server.failures]

        asyncio.run(run())

    # ---- moving records ----

    def test_records_of_many_sizes_arrive_as_they_were(self) -> None:
        def story(pair: TransportPair) -> None:
            for near, far in ((pair.near, pair.far), (pair.far, pair.near)):
                if near is pair.listener:
                    continue
                for number, size in enumerate(_sizes(near.driver.whole_bytes, near.driver.record_bytes), 1):
                    sent = record(number, random.Random(size).randbytes(size), whole_bytes=near.driver.whole_bytes)
                    near.transmit(sent)
                    _arrived(far.take(number, near)[number - 1 :], [sent])
                assert not near.dropped + far.dropped

        for host in self.hosts:
            self.play(story, host)

    def test_records_in_a_row_keep_their_borders(self) -> None:
        def story(pair: TransportPair) -> None:
            sizes = [random.Random(7).choice((1, 60, 500, pair.near.driver.whole_bytes)) for _ in range(60)]
            sent = [record(n, bytes([n]) * min(size, 1400)) for n, size in enumerate(sizes, 1)]
            for one in sent:
                pair.near.transmit(one)
            _arrived(pair.far.take(len(sent), pair.near), sent)

        self.play(story)

    def test_long_and_short_records_mix(self) -> None:
        def story(pair: TransportPair) -> None:
            whole = pair.near.driver.whole_bytes
            for number in range(1, 21):
                size = 40 if number % 2 else min(whole * 5 + 1, 60_000)
                sent = record(number, bytes([number]) * size, whole_bytes=whole)
                pair.near.transmit(sent)
                _arrived(pair.far.take(number, pair.near)[number - 1 :], [sent])

        self.play(story)

    def test_a_record_that_was_not_authentic_stops_nothing(self) -> None:
        def story(pair: TransportPair) -> None:
            pair.far.authentic = False
            pair.near.transmit(record(1, b"forged"))
            pair.far.take(1, pair.near)
            pair.far.authentic = True
            good = record(2, b"good")
            pair.near.transmit(good)
            assert pair.far.take(2, pair.near)[1] == good

        self.play(story)

    def test_a_small_datagram_size_is_kept(self) -> None:
        def story(pair: TransportPair) -> None:
            whole = pair.near.driver.whole_bytes
            assert not pair.kind.datagram or whole <= 548 - HEADER_BYTES
            sent = record(1, bytes(range(250)) * 40, whole_bytes=whole)
            pair.near.transmit(sent)
            assert pair.far.take(1, pair.near) == [sent]

        self.play(story, datagram_bytes=548)

    def test_congestion_is_said_and_nothing_arrives_damaged(self) -> None:
        def story(pair: TransportPair) -> None:
            near, far = pair.near, pair.far
            size = min(near.driver.record_bytes, MAX_BODY_BYTES)
            sent: list[Record] = []
            clear = True
            while clear and len(sent) < ENOUGH_TO_CONGEST:
                sent.append(record(len(sent) + 1, bytes([len(sent) & 255]) * size, whole_bytes=near.driver.whole_bytes))
                clear = near.transmit(sent[-1])
                if pair.kind.datagram and len(sent) == 64:
                    break  # datagrams that nobody reads are lost at the far end, not kept
            assert clear is False or pair.kind.datagram, "a stream that nobody reads is congested at some time"
            while not near.driver.flush():
                far.receive()
            far.drain()
            assert set(far.records) <= set(sent)
            assert pair.kind.datagram or far.records == sent
            last = record(10**6, b"the end")
            near.transmit(last)
            far.take(len(far.records) + 1, near)
            assert far.records[-1] == last, "after congestion it goes on"

        self.play(story)

    def test_flush_with_nothing_kept_is_done(self) -> None:
        def story(pair: TransportPair) -> None:
            assert pair.near.driver.flush()

        self.play(story)

    def test_nothing_to_read_is_no_end(self) -> None:
        def story(pair: TransportPair) -> None:
            assert pair.near.receive()
            assert pair.far.receive()
            assert not pair.far.records

        self.play(story)

    # ---- packets of the handshake ----

    def test_handshake_packets_pass_one_by_one_and_unjoined(self) -> None:
        def story(pair: TransportPair) -> None:
            already = len(pair.far.packets)
            sent = [handshake_packet(n, bytes([n]) * 300, fragment=n % 2 == 1) for n in range(2, 6)]
            for packet in sent:
                pair.near.driver.send_packet(packet, None)
            assert pair.far.take_packets(already + len(sent))[already:] == sent

        for host in self.hosts:
            self.play(story, host)

    def test_a_listener_answers_through_its_shared_socket(self) -> None:
        def story(pair: TransportPair) -> None:
            if pair.listener is None:
                return
            to = pair.listener.sources[0]
            assert to is not None
            answer, sent = handshake_packet(9, b"answer"), record(1, bytes(5000), whole_bytes=pair.listener.driver.whole_bytes)
            pair.listener.driver.send_packet(answer, to)
            assert pair.near.take_packets(1) == [answer]
            pair.listener.transmit(sent, to)
            assert pair.near.take(1, pair.listener) == [sent]

        for host in self.hosts:
            self.play(story, host)

    # ---- what the network and strangers do ----

    def test_garbage_never_raises(self) -> None:
        def story(pair: TransportPair) -> None:
            stranger = _Stranger(pair)
            for seed in range(60):
                stranger.send(_garbage(random.Random(seed)))
                pair.far.drain_once()
                if not pair.far.open:
                    assert not pair.kind.datagram, "one bad datagram must not close the link"
                    return
            if pair.kind.datagram:
                good = record(1, b"still here")
                pair.far.records.clear()
                stranger.send(good.header + good.body)
                pair.far.drain()
                assert good in pair.far.records

        self.play(story)

    def test_a_damaged_record_never_raises(self) -> None:
        def story(pair: TransportPair) -> None:
            stranger, source = _Stranger(pair), random.Random(1)
            whole = record(3, bytes(400))
            for _ in range(60):
                data = bytearray(whole.header + whole.body)
                data[source.randrange(HEADER_BYTES)] ^= 1 << source.randrange(8)
                stranger.send(bytes(data[: source.randrange(1, len(data) + 1)]))
                pair.far.drain_once()
                if not pair.far.open:
                    return

        self.play(story)

    def test_a_far_end_that_is_gone_never_raises(self) -> None:
        def story(pair: TransportPair) -> None:
            pair.far.driver.close()
            if pair.listener is not None:
                pair.listener.driver.close()
            for number in range(1, 6):
                pair.near.transmit(record(number, bytes(3000), whole_bytes=pair.near.driver.whole_bytes))
                pair.near.driver.flush()
                pair.near.driver.send_packet(handshake_packet(number, b"hello?"), None)
                pair.near.drain_once()
            assert pair.near.open == pair.kind.datagram, "a stream is over when its far end is; a datagram link goes on"

        self.play(story)

    # ---- the control half ----

    def test_the_kind_keeps_to_its_contract(self) -> None:
        kind = self.kind()
        assert kind.name.isidentifier()
        assert kind.name == kind.name.lower()
        assert driver_class(kind)

    def test_listening_returns_the_endpoint_really_bound(self) -> None:
        def story(pair: TransportPair) -> None:
            assert pair.local.scheme == pair.kind.name
            assert pair.local.host == pair.host
            assert 1 <= pair.local.port <= 65535

        for host in self.hosts:
            self.play(story, host)

    def test_what_is_adopted_is_complete_and_does_not_block(self) -> None:
        def story(pair: TransportPair) -> None:
            for adopted in (*pair.client.adopted, *pair.server.adopted):
                assert adopted.sock.gettimeout() == 0
                assert adopted.local.scheme == pair.kind.name
                assert adopted.listener == (adopted.remote is None)
                assert all(isinstance(value, int | str) for value in adopted.driver_options.values())
            assert pair.client.adopted[0].remote == pair.local

        self.play(story)

    def test_its_figures_can_be_shown(self) -> None:
        def story(pair: TransportPair) -> None:
            for half, services in zip(pair.halves, (pair.server, pair.client), strict=True):
                self.check_figures(half, services)

        self.play(story)

    def test_both_halves_have_every_member(self) -> None:
        """What the contract names, the worker calls sooner or later."""

        def story(pair: TransportPair) -> None:
            for end in filter(None, (pair.near, pair.far, pair.listener)):
                assert not missing(end.driver, Driver), "the driver lacks members of api.transport.Driver"
                if end.adopted.driver_options.get("adapts"):
                    assert isinstance(end.driver, AdaptiveDriver), "the option adapts:1 promises an AdaptiveDriver"
            for half in pair.halves:
                assert not missing(half, Transport), "the control half lacks members of api.transport.Transport"

        self.play(story)

    def test_parity_may_be_asked_for_and_records_still_pass(self) -> None:
        def story(pair: TransportPair) -> None:
            number = 0
            for span in (16, 8, 4, 0):
                pair.near.driver.protect(span)
                for _ in range(3):
                    number += 1
                    body = random.Random(number).randbytes(min(3 * pair.near.driver.whole_bytes, 40_000))
                    sent = record(number, body, whole_bytes=pair.near.driver.whole_bytes, flags=pair.near.driver.fragment_flags)
                    pair.near.transmit(sent)
                    assert pair.far.take(number, pair.near)[-1].body == body

        self.play(story)

    def test_arrivals_are_counted(self) -> None:
        def story(pair: TransportPair) -> None:
            for end in (pair.near, pair.far):
                assert end.driver.arrivals() == (0, 0)
            whole = pair.near.driver.whole_bytes
            for number in range(1, 11):
                pair.near.transmit(record(number, bytes(min(4 * whole, MAX_BODY_BYTES)), whole_bytes=whole))
                pair.far.take(number, pair.near)
            came, due = pair.far.driver.arrivals()
            assert came == due, "nothing is lost over the loopback"
            assert (due > 0) is (4 * whole <= MAX_BODY_BYTES), "cut records are counted, whole ones are not"

        self.play(story)

    def test_a_driver_that_adapts_keeps_to_the_new_size(self) -> None:
        def story(pair: TransportPair) -> None:
            for number, size in enumerate((1200, 600, 1300), 1):
                if isinstance(pair.near.driver, AdaptiveDriver):
                    pair.near.driver.shape(size)
                    assert pair.near.driver.whole_bytes <= size - HEADER_BYTES
                sent = record(number, bytes([number]) * 9000, whole_bytes=pair.near.driver.whole_bytes)
                pair.near.transmit(sent)
                assert pair.far.take(number, pair.near)[-1] == sent
            if isinstance(pair.near.driver, AdaptiveDriver):
                probe = record(4, bytes(1100))
                pair.near.hold(probe)
                pair.near.driver.transmit_whole(1100)
                assert pair.far.take(4, pair.near)[-1] == probe

        self.play(story)

    def test_it_leaves_no_descriptor_behind(self) -> None:
        def story(pair: TransportPair) -> None:
            sent = record(1, bytes(3000), whole_bytes=pair.near.driver.whole_bytes)
            pair.near.transmit(sent)
            pair.far.take(1, pair.near)
            for end in filter(None, (pair.near, pair.far, pair.listener)):
                end.driver.close()

        async def refused() -> None:
            services = FakeTransportServices()
            transport = self.opened(services)
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                with suppress(OSError):
                    await transport.dial(Endpoint(self.kind().name, *taken.getsockname()), PATIENCE)
            at = await transport.listen(Endpoint(self.kind().name, self.hosts[0], 0))
            with suppress(OSError):
                await transport.listen(at)
            await transport.close()
            await services.close()

        def once() -> None:
            for host in self.hosts:
                self.play(story, host)
            asyncio.run(refused())
            gc.collect()

        once()
        before = open_descriptors()
        for _ in range(3):
            once()
        assert open_descriptors() <= before, "sockets or other descriptors are left open"

    def test_the_driver_has_a_descriptor_and_lengths(self) -> None:
        def story(pair: TransportPair) -> None:
            for end in (pair.near, pair.far):
                os.fstat(end.driver.fileno())
                assert 0 < end.driver.whole_bytes <= MAX_BODY_BYTES
                assert 0 < end.driver.record_bytes <= MAX_BODY_BYTES
                assert pair.kind.datagram or end.driver.whole_bytes == MAX_BODY_BYTES

        self.play(story)

    def test_what_is_dialled_and_listened_with_stays_out_of_the_overlay(self) -> None:
        def story(pair: TransportPair) -> None:
            assert pair.near.adopted.sock.fileno() in pair.client.exempted, "call services.exempt(sock) before connecting"
            assert pair.server.exempted, "call services.exempt(sock) before listening"

        self.play(story)

    def test_a_port_in_use_is_an_os_error(self) -> None:
        async def run() -> None:
            one, other = FakeTransportServices(), FakeTransportServices()
            first, second = self.opened(one), self.opened(other)
            at = await first.listen(Endpoint(self.kind().name, self.hosts[0], 0))
            try:
                with pytest.raises(OSError, match=r".+"):
                    await second.listen(at)
            finally:
                await first.close()
                await second.close()
                await one.close()
                await other.close()

        asyncio.run(run())

    def test_a_stream_that_nobody_answers_is_an_os_error(self) -> None:
        async def run() -> None:
            services = FakeTransportServices()
            transport = self.opened(services)
            with socket.socket() as taken:  # bound but not listening: whoever dials it is refused
                taken.bind(("127.0.0.1", 0))
                try:
                    with pytest.raises((OSError, TimeoutError)):
                        await transport.dial(Endpoint(self.kind().name, *taken.getsockname()), PATIENCE)
                    assert not services.adopted
                finally:
                    await transport.close()
                    await services.close()

        if not self.kind().datagram:
            asyncio.run(run())

    def test_after_close_the_port_is_free(self) -> None:
        async def run() -> None:
            at = Endpoint(self.kind().name, self.hosts[0], 0)
            for _ in range(2):
                services = FakeTransportServices()
                transport = self.opened(services)
                at = await transport.listen(at)
                await transport.close()
                await services.close()

        asyncio.run(run())

    def test_the_worker_stays_small(self) -> None:
        assert not heavy_imports(self.kind().driver.partition(":")[0]), "what it imports, the worker carries"


def _arrived(came: Sequence[Record], sent: Sequence[Record]) -> None:
    """Are these the records, each once, in order and whole? Raises AssertionError with the first that is not."""
    for number, (one, wanted) in enumerate(zip_longest(came, sent), 1):
        if one == wanted:
            continue
        if wanted is None:
            raise AssertionError(f"{len(came)} records came of {len(sent)} that were sent: one came twice")
        what = f"record {number} of {len(sent)}, with {len(wanted.body)} bytes,"
        if one is None:
            raise AssertionError(f"{what} was lost")
        if one in sent[: number - 1]:
            raise AssertionError(f"before {what} another one came twice")
        raise AssertionError(f"{what} was lost or overtaken" if one in sent else f"{what} arrived damaged")


class _Stranger:
    """Writes raw bytes on the wire towards `pair.far`, as whoever sits between the two could."""

    def __init__(self, pair: TransportPair) -> None:
        self._sock = pair.near.adopted.sock

    def send(self, data: bytes) -> None:
        """Without framing. A full buffer or a closed stream is not the stranger's problem."""
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLOUT)
        poll.poll(PATIENCE * 1000)
        with suppress(OSError):
            self._sock.send(data)


def _sizes(whole: int, most: int) -> list[int]:
    near_borders = {n * whole + more for n in (1, 2, 3) for more in (-1, 0, 1)}
    return sorted(size for size in {0, 1, 16, 100, most, MAX_BODY_BYTES, *near_borders} if 0 <= size <= MAX_BODY_BYTES)


def _garbage(source: random.Random) -> bytes:
    """Noise, with and without a header that looks right."""
    noise = source.randbytes(source.randrange(1, 1400))
    if source.random() < 0.5:
        return noise
    kind = source.choice([0, *PacketType, 7, 255])
    length = source.choice([0, len(noise), 1, 65535])
    flags, sequence = source.randrange(256), source.getrandbits(64)
    return pack(kind, flags, 5 << 8, sequence, 0, length) + noise
