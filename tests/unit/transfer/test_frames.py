from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.transfer import frames
from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.frames import HEAD, Chunk, End, Entries, Failed, File, Frame, FrameKind, Have, Hole, Offer, Sealed, Word
from appliance.transfer.manifest import Entry, Kind
from appliance.transfer.tree import CHUNK_BYTES, HASH_BYTES, Tree

FILES = st.integers(0, (1 << 32) - 1)
COUNTS = st.integers(0, (1 << 64) - 1)
HASHES = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)
WORDS = (FrameKind.READY, FrameKind.CHANGED, FrameKind.FINISH, FrameKind.FINISHED, FrameKind.ALIVE)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Offer, FILES, COUNTS, st.integers(0, 255)),
    st.builds(Entries, st.tuples(st.just(Entry(Kind.FILE, b"a", 0o644, 5, -3, bytes(16))))),
    st.builds(File, FILES),
    st.builds(Chunk, HASHES, st.binary(min_size=1, max_size=64)),
    st.builds(Hole, COUNTS),
    st.builds(End, HASHES),
    st.builds(Sealed, FILES, COUNTS),
    st.builds(Failed, st.sampled_from(Reason), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=100)),
    st.builds(Word, st.sampled_from(WORDS)),
)


def read(data: bytes) -> Frame:
    kind, length = frames.judge_head(data[: HEAD.size])
    assert len(data) == HEAD.size + length
    return frames.decode(kind, data[HEAD.size :])


@given(FRAMES)
def test_a_frame_comes_as_it_was_sent(frame: Frame) -> None:
    back = read(frames.encode(frame))
    assert (type(back), back) == (type(frame), frame)


def test_a_tree_comes_with_its_subtrees() -> None:
    tree = Tree(5, [b"l" * HASH_BYTES, b"r" * HASH_BYTES])
    back = read(frames.encode(Have(7, tree)))
    assert isinstance(back, Have)
    assert (back.file, back.tree.chunks, back.tree.hashes) == (7, 5, tree.hashes)


@given(st.integers(0, 255), st.binary(max_size=120))
def test_any_bytes_are_a_frame_or_a_fault(number: int, body: bytes) -> None:
    with suppress(TransferFault):
        read(HEAD.pack(number, len(body)) + body)


@pytest.mark.parametrize("kind", FrameKind)
def test_nobody_makes_room_for_what_is_no_frame(kind: FrameKind) -> None:
    longest = HASH_BYTES + CHUNK_BYTES if kind is FrameKind.CHUNK else frames.MAX_SMALL_BYTES
    assert frames.judge_head(HEAD.pack(kind, longest)) == (kind, longest)
    with pytest.raises(TransferFault):
        frames.judge_head(HEAD.pack(kind, longest + 1))


def test_what_a_peer_says_draws_on_no_terminal() -> None:
    assert read(frames.encode(Failed(Reason.EXISTS, "it is\x1b[2J \x9b1m\u202e there"))) == Failed(
        Reason.EXISTS, "it is\ufffd[2J \ufffd1m\ufffd there"
    )


def test_a_reason_of_a_later_version_is_a_failure_like_another() -> None:
    assert read(HEAD.pack(FrameKind.ERROR, 8) + b"\3newtext") == Failed(Reason.FAILED, "text")
