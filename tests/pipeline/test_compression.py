"""Compressed packets between two compiled pipelines: what shrinks and arrives, what is never mixed, what a peer may not send."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from backports import zstd as library
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.dataplane import NO_VNET, Host, Wire, carry, hub, join, pair
from rigs.packets import A4, A6, B4, B6, udp4
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw, raw

from appliance.dataplane.compression import DENSEST, MAX_FRAMES, SMALLEST_PACKET, compile_codec, filled_up
from appliance.dataplane.counters import RX_BYTES, RX_SAVED, TX_BYTES, TX_SAVED, base
from appliance.wire.entries import GSO_TCPV4, NEEDS_CSUM
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES
from appliance.worker import zstd

CODEC = zstd.codec()
TEXT = "".join(f"{number} GET /index.html HTTP/1.1 Host: example.org Accept: text/html\r\n" for number in range(2000)).encode()
NOISE = random.Random(1).randbytes(70000)


def text(size: int, start: int = 0) -> bytes:
    return raw(IP(src=A4, dst=B4) / UDP(sport=5, dport=6) / Raw(TEXT[start : start + size]))


def text6(size: int) -> bytes:
    return raw(IPv6(src=A6, dst=B6) / TCP(sport=5, dport=6) / Raw(TEXT[:size]))


def noise(size: int, start: int = 0) -> bytes:
    return raw(IP(src=A4, dst=B4) / UDP(sport=5, dport=6) / Raw(NOISE[start : start + size]))


def agreed() -> tuple[Host, Host, Wire, Wire]:
    """A pair whose sides told each other that they take compressed packets."""
    made = pair()
    for host in made[:2]:
        agree(host, 5)
    return made


def agree(host: Host, index: int) -> None:
    session = host.world.sessions[index]
    session.squeeze, session.inflate = CODEC.squeeze, CODEC.inflate


def counter(host: Host, name: int) -> int:
    return host.world.counters[base(5) + name]


def on_the_wire(wire: Wire) -> int:
    return sum(map(len, wire.records))


def forge(a: Host, *entries: bytes) -> None:
    """Make host a send a record whose plaintext is these entries, whatever they are."""
    plaintext = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)

    def squeeze(tx: memoryview, end: int) -> int:
        tx[HEADER_BYTES : HEADER_BYTES + len(plaintext)] = plaintext
        return HEADER_BYTES + len(plaintext)

    session = a.world.sessions[5]
    session.squeeze, before = squeeze, session.squeeze
    a.send(noise(62500))
    session.squeeze = before


# ---- what shrinks, what arrives ----


@pytest.mark.parametrize("packet", [text(1300), text6(1200), text(60000), text(SMALLEST_PACKET)])
def test_text_arrives_as_it_was_in_fewer_bytes(packet: bytes) -> None:
    a, b, out, back = agreed()
    a.send(packet)
    assert on_the_wire(out) < len(packet)
    carry(out, b, back)
    assert b.packets == [packet]
    assert (a.drops, b.drops) == ({}, {})


@pytest.mark.parametrize("packet", [noise(1300), noise(60000), text(SMALLEST_PACKET - 29)])
def test_what_would_not_shrink_and_what_is_short_goes_as_it_is(packet: bytes) -> None:
    plain_a, _, plain, _ = pair()
    plain_a.send(packet)
    a, b, out, back = agreed()
    a.send(packet)
    assert out.records == plain.records
    assert counter(a, TX_SAVED) == 0
    carry(out, b, back)
    assert b.packets == [packet]


def test_a_mixed_record_keeps_its_order_and_is_counted() -> None:
    a, b, out, back = agreed()
    packets = [text(1300), noise(900), udp4(10), text6(700), noise(500, 9), text(1200, 3), udp4(20)]
    a.send(*packets)
    (record,) = out.records
    carry(out, b, back)
    assert b.packets == packets
    inner = sum(map(len, packets))
    assert counter(a, TX_BYTES) == counter(b, RX_BYTES) == inner
    assert counter(a, TX_SAVED) == counter(b, RX_SAVED) == inner - (len(record) - HEADER_BYTES - 16 - 12 * len(packets)) > 0


def test_a_super_packet_keeps_its_virtio_header() -> None:
    a, b, out, back = agreed()
    packet = raw(IP(src=A4, dst=B4) / TCP(sport=1, dport=2, flags="A") / Raw(TEXT[:5000]))
    vnet = struct.pack("<BBHHHH", NEEDS_CSUM, GSO_TCPV4, 40, 1348, 20, 16)
    a.send(packet, vnet=vnet)
    assert on_the_wire(out) < 2500
    carry(out, b, back)
    assert b.tun_out == [vnet + packet]


def packets(size: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    make: list[Callable[[int], bytes]] = [text, noise, text6, udp4, lambda n: text(n // 2) + NOISE[: n // 2]]
    return st.builds(lambda kind, n: make[kind](n), st.integers(0, len(make) - 1), size)


@settings(deadline=None, max_examples=60)
@given(st.lists(packets(st.one_of(st.integers(0, 1500), st.integers(0, 62000))), min_size=1, max_size=12))
def test_whatever_is_sent_arrives_once_in_order(sent: list[bytes]) -> None:
    a, b, out, back = agreed()
    a.send(*sent)
    carry(out, b, back)
    assert b.packets == sent
    assert (a.drops, b.drops) == ({}, {})


def test_a_hub_opens_and_compresses_anew() -> None:
    a, h, c = hub()
    up, down = join(a, h, index=5)
    onward, back = join(h, c, index=7)
    for host, index in ((a, 5), (h, 5), (h, 7), (c, 7)):
        agree(host, index)
    a.send(text(1300), noise(300), text(1200))
    carry(up, h, down)
    assert len(onward.records) == 1
    assert on_the_wire(onward) < 1600
    carry(onward, c, back)
    assert [len(packet) for packet in c.packets] == [1328, 328, 1228]
    assert all(packet[8] == 63 for packet in c.packets)


# ---- flows are never mixed ----


def test_a_frame_does_not_depend_on_what_was_compressed_before() -> None:
    fresh = library.ZstdCompressor(zstd.LEVEL)
    expected = fresh.compress(text(1300), library.ZstdCompressor.FLUSH_FRAME)
    for before in ([], [text(1300)], [text(60000)], [noise(60000)]):
        a, _, out, _ = agreed()
        lengths = []
        for packet in (*before, text(1300)):
            a.send(packet)
            lengths.append(len(out.records[-1]))
        assert lengths[-1] == HEADER_BYTES + 12 + len(expected) + 16


def test_a_guess_beside_a_secret_of_another_flow_does_not_show_in_the_length() -> None:
    secret = raw(IP(src=A4, dst=B4) / TCP(sport=443, dport=50000) / Raw(NOISE[:600] + b"x" * 300))

    def length_with(guess: bytes) -> int:
        a, _, out, _ = agreed()
        a.send(secret, raw(IP(src=A4, dst=B4) / TCP(sport=666, dport=50001) / Raw(guess + b"x" * 300)), secret)
        (record,) = out.records
        return len(record)

    right, wrong = NOISE[:600], NOISE[1000:1600]
    assert length_with(right) == length_with(wrong)
    together = [len(library.compress(secret + guess, zstd.LEVEL)) for guess in (right, wrong)]
    assert together[0] < together[1] - 500  # what it would be if flows were mixed


# ---- what a peer may not do ----


def frame(content: bytes) -> bytes:
    return library.compress(content, zstd.LEVEL)


def without_size(content: bytes) -> bytes:
    compressor = library.ZstdCompressor(zstd.LEVEL)
    return compressor.compress(content) + compressor.flush()


BAD = {
    "bomb": frame(bytes(100_000_000))[:60000],
    "denser than allowed": frame(text(300) + bytes(30000)),
    "a byte too long": frame(text(60000) + bytes(65536 - len(text(60000)))),
    "no size": without_size(text(1300)),
    "a bomb without size": without_size(bytes(1_000_000)),
    "size is a lie": frame(text(1300)).replace((len(text(1300)) - 256).to_bytes(2, "little"), b"\x10\x00", 1),
    "window": library.compress(text(1300), options={library.CompressionParameter.window_log: 24,
                                                    library.CompressionParameter.content_size_flag: 0}),
    "cut": frame(text(1300))[:-20],
    "longer": frame(text(1300)) + b"\0",
    "twice": frame(text(700)) * 2,
    "garbage": b"\x28" + NOISE[:500],
    "magic only": bytes.fromhex("28b52ffd") + NOISE[:500],
    "dictionary": library.compress(TEXT[:900], zstd_dict=library.ZstdDict(TEXT[900:5000], is_raw=True)),
    "nothing in it": frame(b"") + bytes(20),
    "longer than the packet": frame(noise(600)),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_what_is_no_compressed_packet_is_dropped_and_the_rest_arrives(bad: bytes) -> None:
    a, b, out, back = agreed()
    forge(a, NO_VNET + text(300), NO_VNET + bad, NO_VNET + frame(text(800)), NO_VNET + text(400))
    carry(out, b, back)
    assert b.packets == [text(300), text(800), text(400)]
    assert b.drops == {"compressed": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (udp4(900, source="10.8.0.9"), "bad_source"),
        (raw(IPv6(src="fd00:8::9", dst=B6) / UDP() / Raw(TEXT[:900])), "bad_source"),
        (TEXT[:900], "malformed"),
        (frame(text(1300)) + bytes(900), "malformed"),
        (b"\x60" + NOISE[:12] + bytes(26), "malformed"),
    ],
)
def test_what_comes_out_is_judged_like_any_packet(content: bytes, reason: str) -> None:
    a, b, out, back = agreed()
    forge(a, NO_VNET + frame(content), NO_VNET + frame(text(800)))
    carry(out, b, back)
    assert b.packets == [text(800)]
    assert b.drops == {reason: 1}


def test_a_virtio_header_that_lies_about_what_comes_out_never_reaches_the_kernel() -> None:
    a, b, out, back = agreed()
    forge(a, struct.pack("<BBHHHH", NEEDS_CSUM, GSO_TCPV4, 40, 1, 20, 16) + frame(text(1300)))
    carry(out, b, back)
    assert b.tun_out == []
    assert b.drops == {"malformed": 1}


def test_who_agreed_to_nothing_takes_no_compressed_packet() -> None:
    a, b, out, back = pair()
    a.world.sessions[5].squeeze = CODEC.squeeze
    a.send(text(1300), noise(300), text6(1200))
    carry(out, b, back)
    assert b.packets == [noise(300)]
    assert b.drops == {"compressed": 2}


def test_who_agreed_to_nothing_is_sent_none() -> None:
    a, b, out, back = pair()
    a.world.sessions[5].inflate = CODEC.inflate
    a.send(text(1300))
    assert on_the_wire(out) > 1300
    carry(out, b, back)
    assert b.packets == [text(1300)]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_frames_never_raise(data: st.DataObject) -> None:
    good = bytearray(frame(text(1300)))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    del good[data.draw(st.integers(20, len(good))) :]
    a, b, out, back = agreed()
    forge(a, NO_VNET + bytes(good), NO_VNET + text(300))
    carry(out, b, back)
    assert b.packets[-1] == text(300)
    assert len(b.packets) + sum(b.drops.values()) == 2


# ---- what a record may hold ----


def dense(size: int) -> bytes:
    """A packet of so many bytes that are nearly all the same, in the least frame that is allowed."""
    content = raw(IP(src=A4, dst=B4) / UDP(sport=5, dport=6) / Raw(bytes(size - 28)))
    return filled_up(frame(content), -(-size // DENSEST))


def test_a_frame_filled_up_is_undone_like_any() -> None:
    for content in (text(60000), bytes(65535), bytes(300), b"ab" * 200, NOISE[:300]):
        short = frame(content)
        for least in (len(short), len(short) + 1, len(short) + 700):
            filled = filled_up(short, least)
            assert least <= len(filled) < least + 3
            assert library.decompress(filled) == content
            stated = library.get_frame_info(filled)
            assert stated.decompressed_size == len(content)


@pytest.mark.parametrize("size", [300, 1400, 62000])
def test_what_is_all_the_same_goes_in_a_frame_that_is_not_too_dense(size: int) -> None:
    packet = raw(IP(src=A4, dst=B4) / UDP(sport=5, dport=6) / Raw(bytes(size - 28)))
    a, b, out, back = agreed()
    a.send(packet)
    assert size / DENSEST <= on_the_wire(out) < size / DENSEST + 100
    carry(out, b, back)
    assert b.packets == [packet]
    assert (a.drops, b.drops) == ({}, {})


def test_a_record_holds_no_more_than_a_record_of_plain_packets() -> None:
    a, b, out, back = agreed()
    forge(a, *[NO_VNET + dense(20000)] * 20)
    carry(out, b, back)
    assert [len(packet) for packet in b.packets] == [20000] * 2
    assert b.drops == {"compressed": 18}
    assert sum(map(len, b.packets)) <= MAX_BODY_BYTES
    forge(a, *[NO_VNET + dense(20000)] * 3)
    carry(out, b, back)
    assert len(b.packets) == 5, "each record for itself"


def test_frames_that_fail_are_not_tried_for_ever() -> None:
    tried = 0

    def decompress(packet: bytes | bytearray | memoryview, most: int) -> bytes:
        nonlocal tried
        tried += most > len(packet)
        raise ValueError

    a, b, out, back = agreed()
    b.world.sessions[5].inflate = compile_codec(bytes, decompress).inflate
    forge(a, *[NO_VNET + b"\x28" + bytes(19)] * 1900)
    carry(out, b, back)
    assert b.packets == []
    assert b.drops == {"compressed": 1900}
    assert tried == MAX_FRAMES


def test_a_hub_sends_no_more_for_a_record_than_a_record_holds() -> None:
    a, h, c = hub()
    up, down = join(a, h, index=5)
    onward, _ = join(h, c, index=7)
    agree(a, 5)
    agree(h, 5)
    forge(a, *[NO_VNET + dense(1400)] * 1000)
    carry(up, h, down)
    assert onward.records
    assert on_the_wire(onward) <= MAX_BODY_BYTES + 1000
    forge(a, NO_VNET + dense(62000))
    came = on_the_wire(up)
    onward.records.clear()
    carry(up, h, down)
    assert 0 < on_the_wire(onward) <= DENSEST * came
