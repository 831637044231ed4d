"""Both sides joined by nothing but frames: whatever is there already, everything ends where it belongs."""

from __future__ import annotations

from copy import deepcopy as copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.transfer import frames
from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.frames import (
    CHANGED,
    FINISH,
    FINISHED,
    READY,
    Chunk,
    End,
    Entries,
    Failed,
    File,
    Frame,
    Have,
    Hole,
    Offer,
    Sealed,
)
from appliance.transfer.manifest import Entry, Kind, Manifest
from appliance.transfer.receiving import Begin, Complete, Discard, Finish, Judge, Receiving, Skip, Write
from appliance.transfer.sending import Answered, Done, OnDisk, Refused, Sending
from appliance.transfer.tree import CHUNK_BYTES, HASH_BYTES, Tree, chunks_of, leaf_of

C = CHUNK_BYTES
SIZES = st.sampled_from([0, 1, C - 1, C, C + 1, 2 * C, 3 * C + 7])


def manifest_of(sizes: list[int]) -> Manifest:
    return Manifest([Entry(Kind.FILE, b"%d" % number, 0o644, size, 0, bytes(16)) for number, size in enumerate(sizes)])


def content(file: int, size: int) -> bytes:
    """A chunk of zeros in the middle, so that there are holes."""
    data = bytearray([file + 1]) * size
    data[C : 2 * C] = bytes(len(data[C : 2 * C]))
    return bytes(data)


def tree_of(data: bytes, chunks: int) -> Tree:
    tree = Tree()
    for number in range(chunks):
        tree.add(leaf_of(data[number * C : number * C + C]))
    return tree


def asked(manifest: Manifest) -> Receiving:
    """A receiver to which all was offered."""
    receiving = Receiving()
    deeds = [receiving.handle(frame) for frame in Sending(manifest).offer()]
    assert isinstance(deeds[-1], Judge)
    return receiving


def answering(manifest: Manifest, have: dict[int, Tree] | None = None) -> Receiving:
    receiving = asked(manifest)
    for file, tree in (have or {}).items():
        receiving.have(file, tree)
    receiving.ready()
    return receiving


def carry(receiving: Receiving, frame: Frame, disk: dict[int, bytearray]) -> Any:
    """Do on a disk of memory what a frame asks for."""
    match deed := receiving.handle(frame):
        case Write(offset, data):
            written = disk[receiving.place[0]]
            assert len(written) == offset
            written += data
            receiving.written(deed)
        case Skip(chunks):
            disk[receiving.place[0]] += bytes(chunks * C)
            receiving.written(deed)
        case Discard(file):
            del disk[file]
    return deed


@given(st.lists(st.tuples(SIZES, st.integers(0, 4)), max_size=5), st.data())
def test_everything_arrives_whatever_was_there(files: list[tuple[int, int]], data: st.DataObject) -> None:
    manifest = manifest_of([size for size, _ in files])
    contents = [content(number, size) for number, (size, _) in enumerate(files)]
    have = {n: tree_of(contents[n], min(chunks, chunks_of(size))) for n, (size, chunks) in enumerate(files) if chunks}
    disk = {n: bytearray(contents[n][: have[n].chunks * C] if n in have else b"") for n in range(len(files))}
    sending, receiving = Sending(manifest), asked(manifest)
    for file, tree in have.items():
        assert sending.handle(receiving.have(file, copy(tree))._replace(tree=copy(tree))) is None
    receiving.ready()
    there = sum(len(disk[n]) for n in have)
    assert sending.handle(READY) == Answered(there)
    for file, tree in sending.wanted():
        assert isinstance(carry(receiving, File(file), disk), Begin)
        while tree.chunks < chunks_of(manifest[file].size):
            piece = contents[file][tree.chunks * C : (tree.chunks + 1) * C]
            if piece == bytes(C) and data.draw(st.booleans()):
                carry(receiving, Hole(1), disk)
                tree.add_zeros(1)
            else:
                carry(receiving, Chunk(leaf_of(piece), piece), disk)
                tree.add(leaf_of(piece))
            sending.sent(file, tree.chunks)
            assert receiving.place == (file, tree.chunks)
            assert sending.handle(Sealed(file, tree.chunks)) == OnDisk(file, tree.chunks)
        assert carry(receiving, End(tree.root()), disk) == Complete(file, tree.root())
        sending.sent(file + 1, 0)
    sending.finished()
    assert isinstance(receiving.handle(FINISH), Finish)
    assert isinstance(sending.handle(FINISHED), Done)
    assert [bytes(disk[n]) for n in range(len(files))] == contents


def test_many_entries_are_offered_in_frames_that_fit() -> None:
    manifest = Manifest(Entry(Kind.FILE, b"%0200d" % number, 0o644, 1, 0, bytes(16)) for number in range(1000))
    offered = list(Sending(manifest).offer())
    assert len(offered) > 3
    assert all(len(frames.encode(frame)) <= frames.HEAD.size + frames.MAX_SMALL_BYTES for frame in offered)
    assert list(asked(manifest).manifest) == list(manifest)


@pytest.mark.parametrize("byte", [0, C // 2, C - 1])
def test_one_wrong_byte_shows_within_its_chunk(byte: int) -> None:
    receiving = answering(manifest_of([2 * C]))
    receiving.handle(File(0))
    good = content(0, C)
    wrong = bytearray(good)
    wrong[byte] ^= 1
    with pytest.raises(TransferFault) as fault:
        receiving.handle(Chunk(leaf_of(good), bytes(wrong)))
    assert fault.value.reason is Reason.CORRUPT
    assert receiving.place == (0, 0), "it does not count"


def test_a_wrong_root_shows() -> None:
    receiving = answering(manifest_of([0]))
    receiving.handle(File(0))
    with pytest.raises(TransferFault) as fault:
        receiving.handle(End(bytes(HASH_BYTES)))
    assert fault.value.reason is Reason.CORRUPT


def test_a_write_that_failed_leaves_the_tree_as_it_was() -> None:
    receiving = answering(manifest_of([C]))
    begun = receiving.handle(File(0))
    assert isinstance(receiving.handle(Chunk(leaf_of(bytes(C)), bytes(C))), Write)
    assert isinstance(begun, Begin)
    assert begun.tree.chunks == 0


def test_a_file_that_changed_is_forgotten_and_the_next_comes() -> None:
    receiving = answering(manifest_of([C, 0]))
    receiving.handle(File(0))
    assert receiving.handle(CHANGED) == Discard(0)
    assert isinstance(receiving.handle(File(1)), Begin)


SMALL = manifest_of([C, 0])
CHUNK = Chunk(leaf_of(b"x" * C), b"x" * C)
BAD = {
    "nothing offered": ([], [File(0)]),
    "offered twice": ([Offer(2, C)], [Offer(2, C)]),
    "another version": ([], [Offer(2, C, version=2)]),
    "far too many": ([], [Offer(1_000_000, C)]),
    "more entries than offered": ([Offer(1, C)], [Entries(tuple(SMALL))]),
    "other sizes than offered": ([Offer(2, C + 1)], [Entries(tuple(SMALL))]),
    "an empty frame of entries": ([Offer(2, C)], [Entries(())]),
}
BAD_FILES: dict[str, list[Frame]] = {
    "no such file": [File(2)],
    "one is left out": [File(1)],
    "finished before": [FINISH],
    "one again": [File(0), CHANGED, File(0)],
    "a chunk of no file": [CHUNK],
    "one within another": [File(0), File(1)],
    "too short a chunk": [File(0), Chunk(leaf_of(b"x"), b"x")],
    "beyond the end": [File(0), CHUNK, CHUNK],
    "a hole beyond the end": [File(0), Hole(2)],
    "a hole of nothing": [File(0), Hole(0)],
    "an endless hole": [File(0), Hole((1 << 64) - 1)],
    "an end too early": [File(0), End(bytes(HASH_BYTES))],
    "what only receivers say": [READY],
    "what only receivers have": [Have(0, Tree())],
}


@pytest.mark.parametrize("name", BAD)
def test_a_false_offer_is_a_fault(name: str) -> None:
    before, bad = BAD[name]
    receiving = Receiving()
    for frame in before:
        receiving.handle(frame)
    with pytest.raises(TransferFault):
        receiving.handle(bad[0])


@pytest.mark.parametrize("name", BAD_FILES)
def test_false_frames_are_a_fault(name: str) -> None:
    receiving = answering(SMALL)
    *before, last = BAD_FILES[name]
    for frame in before:
        deed = receiving.handle(frame)
        if isinstance(deed, Write):
            receiving.written(deed)
    with pytest.raises(TransferFault):
        receiving.handle(last)


def test_a_file_that_is_there_need_not_come_and_must_not() -> None:
    receiving = answering(SMALL, {0: tree_of(b"x" * C, 1)})
    with pytest.raises(TransferFault):
        answering(SMALL, {0: tree_of(b"x" * C, 1)}).handle(File(0))
    assert isinstance(receiving.handle(File(1)), Begin)


FALSE_CLAIMS: dict[str, list[Frame]] = {
    "a file that is not offered": [Have(2, Tree())],
    "one twice": [Have(0, Tree()), Have(0, Tree())],
    "more chunks than there are": [Have(0, tree_of(b"x" * C * 2, 2))],
    "one after the last word": [READY, Have(0, Tree())],
    "ready twice": [READY, READY],
    "sealed what was not sent": [READY, Sealed(0, 1)],
    "finished what was not sent": [READY, FINISHED],
    "what only senders say": [FINISH],
}


@pytest.mark.parametrize("name", FALSE_CLAIMS)
def test_what_a_receiver_cannot_have_is_a_fault(name: str) -> None:
    sending = Sending(SMALL)
    *before, last = FALSE_CLAIMS[name]
    for frame in before:
        sending.handle(frame)
    with pytest.raises(TransferFault):
        sending.handle(last)


def test_what_is_sealed_never_shrinks() -> None:
    sending = Sending(SMALL)
    sending.handle(READY)
    sending.sent(1, 0)
    sending.handle(Sealed(1, 0))
    with pytest.raises(TransferFault):
        sending.handle(Sealed(0, 1))


def test_who_gives_up_says_why() -> None:
    assert Sending(SMALL).handle(Failed(Reason.NO_ROOM, "full")) == Refused(Reason.NO_ROOM, "full")
    assert tuple(Receiving().handle(Failed(Reason.STOPPED, "")) or ()) == (Reason.STOPPED, "")


@given(st.lists(st.sampled_from([Offer(2, C), Entries(tuple(SMALL)), File(0), File(1), CHUNK, Hole(1), CHANGED, FINISH])))
def test_any_order_of_frames_is_a_deed_or_a_fault(order: list[Frame]) -> None:
    receiving = Receiving()
    disk: dict[int, bytearray] = {0: bytearray(), 1: bytearray()}
    for frame in order:
        try:
            deed = carry(receiving, frame, disk)
        except TransferFault:
            break
        if isinstance(deed, Judge):
            receiving.ready()
        if isinstance(deed, Discard):
            disk[deed.file] = bytearray()
    assert len(disk[0]) <= C
    assert not disk[1]
