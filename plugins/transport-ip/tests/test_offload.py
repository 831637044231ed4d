"""The kernel refuses to cut records into datagrams: they go one by one, none is lost, and it is asked again when told to."""

from __future__ import annotations

import ctypes
import errno
import platform
import random
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from appliance.api.datagrams.fragments import FRAGMENT, HEADER, SPANS
from tests.rigs.datagrams import End, connected, crc16, record

REFUSE = {socket.AF_INET: (socket.SOL_SOCKET, 11), socket.AF_INET6: (socket.IPPROTO_UDP, 101)}
"""SO_NO_CHECK and UDP_NO_CHECK6_TX: without checksums the kernel cuts nothing, on any device (net/ipv4/udp.c, EINVAL)."""
UDP_NO_CHECK6_RX = 102
WRITEV = {"x86_64": 20, "aarch64": 66}
LENGTHS = (100, 1376, 1377, 9000, 50_000, 65_535)


class Told(End):
    """An end that hears of its driver's offload."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.sock = sock
        self.heard: list[str] = []
        self.driver._learned = lambda driver: self.heard.append(driver.offload_problem)  # type: ignore[attr-defined]

    def let(self, cut: bool) -> None:
        """From now on the kernel cuts, or refuses."""
        self.sock.setsockopt(*REFUSE[self.sock.family], int(not cut))


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Told, Told]]:
    a, b = connected(request.param)
    if request.param == socket.AF_INET6:
        b.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
    with a, b:
        yield Told(a), Told(b)


def sent(near: Told, far: Told, number: int, length: int) -> None:
    """One record of that length crosses, whole and once."""
    whole = record(number, random.Random(number).randbytes(length), fragment=length > near.driver.whole_bytes)
    near.send(whole)
    assert came(far) == [whole[HEADER:]]


def came(far: Told) -> list[bytes]:
    """The bodies of the records that have come, at least one."""
    while select.select([far.sock], [], [], 1.0)[0] and not far.receive():  # a few datagrams a turn
        pass
    bodies = [one[HEADER:] for one in far.records]
    far.records.clear()
    return bodies


def test_no_record_is_lost_and_it_is_told_once(ends: tuple[Told, Told]) -> None:
    near, far = ends
    near.let(cut=False)
    for number, length in enumerate((*LENGTHS, *LENGTHS), 1):
        sent(near, far, number, length)
    assert near.heard == ["EINVAL"]
    assert not near.dropped + far.dropped


@pytest.mark.parametrize("length", LENGTHS)
def test_the_first_refused_is_sent_again(ends: tuple[Told, Told], length: int) -> None:
    near, far = ends
    near.let(cut=False)
    sent(near, far, 1, length)
    assert not near.dropped


@pytest.mark.parametrize("span", SPANS.values())
def test_with_parity_too(ends: tuple[Told, Told], span: int) -> None:
    near, far = ends
    near.driver.protect(span)
    near.let(cut=False)
    for number in (1, 2):
        whole = bytearray(record(number, random.Random(number).randbytes(50_000)))
        flags = FRAGMENT | next(flags for flags, value in SPANS.items() if value == span)
        whole[3] = flags
        near.send(_summed(whole))
        assert came(far) == [bytes(whole[HEADER:])]
    assert not near.dropped


def test_a_handshake_packet_needs_no_offload(ends: tuple[Told, Told]) -> None:
    near, far = ends
    near.let(cut=False)
    near.driver.send_packet(b"x" * 600, None)
    assert far.sock.recv(2000) == b"x" * 600
    assert not near.heard
    assert not near.dropped


def test_what_was_kept_back_is_cut_by_ourselves(ends: tuple[Told, Told]) -> None:
    near, far = ends
    driver = near.driver
    whole = record(1, random.Random(1).randbytes(30_000))
    near.transmit[: len(whole)] = whole
    driver._keep(driver._cutter.cut(30_000), None)  # as when the socket's buffer was full
    near.let(cut=False)
    assert driver.flush()
    assert came(far) == [whole[HEADER:]]
    assert near.heard == ["EINVAL"]
    assert not near.dropped


def test_it_comes_back_when_asked_again(ends: tuple[Told, Told]) -> None:
    near, far = ends
    near.let(cut=False)
    sent(near, far, 1, 9000)
    near.driver.try_offload()
    sent(near, far, 2, 9000)
    assert near.heard == ["EINVAL"], "still refused, and told already"
    near.let(cut=True)
    sent(near, far, 3, 9000)
    assert near.heard == ["EINVAL"], "nobody has asked"
    near.driver.try_offload()
    sent(near, far, 4, 100)
    assert near.heard == ["EINVAL"], "nothing to cut yet"
    sent(near, far, 5, 9000)
    assert near.heard == ["EINVAL", ""]
    assert one_call(near, far), "the kernel cuts again"
    assert not near.dropped + far.dropped


@pytest.mark.parametrize(
    "refusal", [errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM, errno.EPROTO]
)
def test_any_errno_may_be_a_refusal(ends: tuple[Told, Told], refusal: int) -> None:
    near, far = ends

    def story() -> None:
        for number, length in enumerate(LENGTHS, 1):
            sent(near, far, number, length)

    with_long_writes_refused(refusal, story)
    assert near.heard == [errno.errorcode[refusal]]
    assert not near.dropped + far.dropped


@pytest.mark.parametrize("word", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOBUFS])
def test_the_networks_word_is_none(ends: tuple[Told, Told], word: int) -> None:
    near, _ = ends
    with_long_writes_refused(word, lambda: near.send(record(1, bytes(9000))))
    assert near.heard == []
    assert near.dropped == {"unreachable": 1}


def test_what_does_not_pass_alone_either_is_not_the_offloads_fault() -> None:
    a, b = connected()
    with a, b:
        near = Told(a)
        b.close()
        for number in range(3):  # refused by the far end's host, which says so about the datagram before
            near.send(record(number, bytes(9000)))
        assert near.heard == []


def test_a_listener_falls_back_for_everybody() -> None:
    a, b = connected()
    with a, b, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        listener, far = Told(sock), Told(b)
        b.connect(sock.getsockname())
        listener.let(cut=False)
        whole = record(1, bytes(9000))
        listener.transmit[: len(whole)] = whole
        assert listener.driver.transmit_to(9000, b.getsockname())
        assert came(far) == [whole[HEADER:]]
        assert listener.heard == ["EINVAL"]
        assert not listener.dropped


def one_call(near: Told, far: Told) -> bool:
    """Does a record of many datagrams arrive by one call?"""
    near.send(record(99, bytes(9000)))
    data, ancillary, _, _ = far.sock.recvmsg(65535, socket.CMSG_SPACE(4))
    return len(data) > 9000 and len(ancillary) == 1


def _summed(whole: bytearray) -> bytes:
    whole[22:24] = crc16(bytes(whole[:22])).to_bytes(2, "big")
    return bytes(whole)


def with_long_writes_refused(refusal: int, story: Callable[[], object]) -> None:
    """Run `story` in a thread whose writev(2) of more than two parts the kernel refuses (by seccomp(2), until it ends)."""
    failures: list[BaseException] = []

    def inside() -> None:
        try:
            _filter(refusal)
            story()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _filter(refusal: int) -> None:
    load, equal, greater, answer = 0x20, 0x15, 0x25, 0x06
    number, parts_at = WRITEV[platform.machine()], 16 + 2 * 8
    program = b"".join(
        struct.pack("=HBBI", *line)
        for line in (
            (load, 0, 0, 0),
            (equal, 0, 3, number),
            (load, 0, 0, parts_at),
            (greater, 0, 1, 2),
            (answer, 0, 0, 0x00050000 | refusal),
            (answer, 0, 0, 0x7FFF0000),
        )
    )
    memory = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
    assert libc.prctl(22, 2, header, 0, 0) == 0, ctypes.get_errno()
