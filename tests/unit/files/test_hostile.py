"""The other side is no friend: what it says is judged, what it does not say ends in time, and others go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from appliance.files.errors import TransferLost, TransferRefused
from appliance.files.inbox import Inbox
from appliance.files.sending import Sender, Sent
from appliance.files.source import Source
from appliance.transfer import frames
from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.frames import (
    FINISH,
    FINISHED,
    READY,
    Chunk,
    End,
    Entries,
    Failed,
    File,
    Frame,
    FrameKind,
    Have,
    Offer,
    Sealed,
)
from appliance.transfer.manifest import MAX_ENTRIES, Entry, Kind
from appliance.transfer.tree import CHUNK_BYTES, Tree, leaf_of
from tests.unit.files.joined import Apart, ByHand, contents, nothing, random_file, send, taking

C = CHUNK_BYTES
DATA = os.urandom(C)
CHUNK = Chunk(leaf_of(DATA), DATA)
SHORT = 0.05
"""Seconds of silence that are too long."""


def file(path: bytes, size: int = C) -> Entry:
    return Entry(Kind.FILE, path, 0o644, size, 0, bytes(16))


def offered(*entries: Entry) -> tuple[Frame, ...]:
    return Offer(len(entries), sum(entry.size for entry in entries)), Entries(entries)


FOLDER = Entry(Kind.FOLDER, b"x", 0o755, 0, 0, bytes(16))
BAD_OFFERS: dict[str, tuple[Reason, tuple[Frame, ...]]] = {
    "upwards": (Reason.BAD_NAME, offered(file(b"../escaped"))),
    "upwards within": (Reason.BAD_NAME, offered(FOLDER, file(b"x/../../escaped"))),
    "absolute": (Reason.BAD_NAME, offered(file(b"/tmp/escaped"))),
    "into the parts": (Reason.BAD_NAME, offered(file(b"../.receiving/left/journal"))),
    "far too many": (Reason.TOO_MANY, (Offer(MAX_ENTRIES + 1, 0),)),
    "a lie about the size": (Reason.NOT_UNDERSTOOD, (Offer(1, C + 1), Entries((file(b"a"),)))),
    "no offer": (Reason.NOT_UNDERSTOOD, (FINISH,)),
}


@pytest.mark.parametrize("name", BAD_OFFERS)
def test_an_offer_that_leads_out_or_lies_writes_nothing(name: str, tmp_path: Path, inbox: Inbox) -> None:
    reason, said = BAD_OFFERS[name]
    sender = ByHand()
    receiving = taking(inbox, sender.far)
    sender.say(*said)
    answer = sender.hear_until(Failed)
    assert isinstance(answer, Failed)
    assert answer.reason is reason
    sender.hang_up()
    assert isinstance(receiving.outcome(), TransferFault)
    assert set(contents(tmp_path)) <= {"in/.receiving/left/journal", "in/.receiving/left/lock"}


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\1\xff\xff\xff\xff", bytes(100), b"\6\0\4\0\41" + bytes(40)])
def test_garbage_is_refused(said: bytes, inbox: Inbox) -> None:
    sender = ByHand()
    receiving = taking(inbox, sender.far)
    sender.say(said)
    answer = sender.hear_until(Failed)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.NOT_UNDERSTOOD
    sender.hang_up()
    assert isinstance(receiving.outcome(), TransferFault)


def begun(inbox: Inbox, size: int = 3 * C) -> tuple[ByHand, Apart]:
    """A sender that has offered one file and begun with it."""
    sender = ByHand()
    receiving = taking(inbox, sender.far)
    sender.say(*offered(file(b"a", size)))
    while sender.hear() != READY:
        pass
    sender.say(File(0))
    return sender, receiving


def kept_chunks(inbox: Inbox) -> int:
    """How many chunks of that file a sender that comes again need not send."""
    sender = ByHand()
    receiving = taking(inbox, sender.far)
    sender.say(*offered(file(b"a", 3 * C)))
    heard = sender.hear()
    sender.hang_up()
    receiving.outcome()
    return heard.tree.chunks if isinstance(heard, Have) else 0


def test_a_wrong_chunk_ends_it_and_those_before_are_kept(tmp_path: Path, inbox: Inbox) -> None:
    sender, receiving = begun(inbox)
    sender.say(CHUNK, Chunk(leaf_of(b"something else"), DATA))
    answer = sender.hear_until(Failed)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.CORRUPT
    sender.hang_up()
    receiving.outcome()
    assert kept_chunks(inbox) == 1


def test_a_file_that_never_ends_ends_where_it_was_said_to(tmp_path: Path, inbox: Inbox) -> None:
    sender, receiving = begun(inbox)
    sender.say(CHUNK, CHUNK, CHUNK, CHUNK)
    answer = sender.hear_until(Failed)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.NOT_UNDERSTOOD
    sender.hang_up()
    receiving.outcome()
    assert contents(tmp_path / "in" / "left") == {}, "nor has it its name"


def test_a_lie_about_the_root_gives_no_name(tmp_path: Path, inbox: Inbox) -> None:
    sender, receiving = begun(inbox, C)
    sender.say(CHUNK, End(bytes(32)))
    answer = sender.hear_until(Failed)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.CORRUPT
    sender.hang_up()
    receiving.outcome()
    assert contents(tmp_path / "in" / "left") == {}


def test_who_falls_silent_loses_the_connection_and_not_the_work(inbox: Inbox) -> None:
    sender, receiving = begun(inbox)
    sender.say(CHUNK, frames.encode(CHUNK)[:1000])
    [receiver] = inbox._running
    receiver._stream._stall_s = SHORT
    outcome = receiving.outcome()
    assert isinstance(outcome, TransferLost)
    assert "nothing has moved" in outcome.message
    assert kept_chunks(inbox) == 1


def test_who_hangs_up_within_a_frame_loses_nothing_either(inbox: Inbox) -> None:
    sender, receiving = begun(inbox)
    sender.say(CHUNK, frames.encode(CHUNK)[:1000])
    sender.hang_up()
    assert isinstance(receiving.outcome(), TransferLost)
    assert kept_chunks(inbox) == 1


def test_an_endless_hole_takes_neither_time_nor_room(tmp_path: Path, inbox: Inbox) -> None:
    size = 1 << 50
    sender, receiving = begun(inbox, size)
    sender.say(frames.Hole(size // C), End(tree_of_zeros(size // C).root()), FINISH)
    heard = sender.hear_until(frames.Word | Failed)
    if heard == FINISHED:
        assert (tmp_path / "in" / "left" / "a").stat().st_blocks < 1000
    else:  # most file systems have smaller files
        assert isinstance(heard, Failed)
        assert heard.reason is Reason.FAILED
    sender.hang_up()
    receiving.outcome()


def tree_of_zeros(chunks: int) -> Tree:
    tree = Tree()
    tree.add_zeros(chunks)
    return tree


def test_a_file_system_that_cannot_have_a_file_so_large_says_so(tmp_path: Path, inbox: Inbox) -> None:
    import resource

    sender, receiving = begun(inbox, 1 << 30)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        sender.say(frames.Hole((1 << 30) // C), End(tree_of_zeros((1 << 30) // C).root()), FINISH)
        answer = sender.hear_until(Failed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.FAILED
    assert "/" not in answer.text, "no paths of this host"
    sender.hang_up()
    assert isinstance(receiving.outcome(), TransferRefused)


def sending_to(receiver: ByHand, out: Path, stall_s: float = 60.0) -> Apart:
    source = Source([out])
    source.look()
    return Apart(Sender(receiver.far, source, nothing, stall_s).run)


FALSE_CLAIMS: dict[str, tuple[Frame | bytes, ...]] = {
    "more than there is": (Have(1, tree_of_zeros(100)),),
    "a file that was not offered": (Have(7, Tree()),),
    "a folder": (Have(0, Tree()),),
    "subtrees that do not fit": (frames.HEAD.pack(FrameKind.HAVE, 12) + bytes(11) + b"\3",),
    "the disk has what was not sent": (READY, Sealed(5, 0)),
    "the end before the end": (READY, FINISHED),
    "not a word of it": (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
}


@pytest.mark.parametrize("name", FALSE_CLAIMS)
def test_what_a_receiver_cannot_have_ends_it(name: str, out: Path) -> None:
    random_file(out / "a", 30 * C)
    receiver = ByHand()
    sending = sending_to(receiver, out)
    receiver.say(*FALSE_CLAIMS[name])
    answer = receiver.hear_until(Failed)
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.NOT_UNDERSTOOD
    receiver.hang_up()
    assert isinstance(sending.outcome(), TransferFault)


def test_a_receiver_that_does_not_read_is_left(out: Path) -> None:
    random_file(out / "a", 30 * C)
    receiver = ByHand()
    receiver.say(READY)
    outcome = sending_to(receiver, out, SHORT).outcome()
    assert isinstance(outcome, TransferLost)
    assert "nothing has moved" in outcome.message


def test_a_receiver_that_says_nothing_is_left(out: Path) -> None:
    random_file(out / "a", 10)
    assert isinstance(sending_to(ByHand(), out, SHORT).outcome(), TransferLost)


def test_the_last_word_of_a_receiver_is_heard_although_it_hung_up(out: Path) -> None:
    random_file(out / "a", 30 * C)
    receiver = ByHand()
    sending = sending_to(receiver, out)
    receiver.say(READY)
    receiver.hear_until(File)
    receiver.say(Failed(Reason.NO_ROOM, "full"))
    receiver.hang_up()
    outcome: Any = sending.outcome()
    assert isinstance(outcome, TransferRefused)
    assert outcome.reason is Reason.NO_ROOM
    assert outcome.retryable


def test_a_hostile_one_does_not_disturb_another(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 5)
    hostile, receiving = begun(inbox)
    hostile.say(CHUNK)
    sent, _ = send([out], inbox)
    assert isinstance(sent, Sent)
    hostile.say(b"\xff" * 10)
    hostile.hang_up()
    assert isinstance(receiving.outcome(), TransferFault)
    assert contents(tmp_path / "in" / "left" / "out") == contents(out)
