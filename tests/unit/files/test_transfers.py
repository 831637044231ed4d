"""Files and folders from one disk to another, over a socket pair."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ApplianceError, HostError
from appliance.files import receiving
from appliance.files.errors import TransferLost, TransferRefused
from appliance.files.inbox import Inbox
from appliance.files.progress import Progress
from appliance.files.receiving import Received
from appliance.files.sending import Sender, Sent
from appliance.files.source import Source
from appliance.transfer.faults import Reason
from appliance.transfer.tree import CHUNK_BYTES
from tests.unit.files.joined import Apart, contents, nothing, random_file, root_of, send, taking

C = CHUNK_BYTES


def cut_after(chunks: int, paths: list[Path], inbox: Inbox) -> None:
    """Send, and lose the connection when so many chunks have passed."""
    here, there = socket.socketpair()
    taken = taking(inbox, there)
    source = Source(paths)
    source.look()

    def report(progress: Progress) -> None:
        if progress.done - progress.there >= chunks * C:
            here.shutdown(socket.SHUT_RDWR)

    assert isinstance(Apart(Sender(here, source, report).run).outcome(), TransferLost)
    assert isinstance(taken.outcome(), TransferLost)


def test_a_folder_arrives_as_it_is(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    tree = out / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "nothing here").mkdir()
    random_file(tree / "large", 3 * C + 5)
    random_file(tree / "deep" / "er" / "small", 7)
    (tree / "deep" / "empty").touch()
    (tree / "deep" / "run").write_text("#!/bin/sh\n")
    (tree / "deep" / "run").chmod(0o755)
    os.utime(tree / "large", ns=(1, 1_234_567_891_000_000_000))
    sent, received = send([tree], inbox)
    assert isinstance(sent, Sent)
    assert (sent.files, sent.changed) == (4, ())
    assert received == Received(4, sent.bytes, 0)
    came = tmp_path / "in" / "left" / "tree"
    assert contents(came) == contents(tree)
    assert (came / "nothing here").is_dir()
    assert (came / "large").stat().st_mtime_ns == 1_234_567_891_000_000_000
    assert stat.S_IMODE((came / "deep" / "run").stat().st_mode) == 0o755
    assert dict(sent.roots)["tree/large"] == root_of((tree / "large").read_bytes())
    assert not [path for path in (tmp_path / "in" / ".receiving" / "left").iterdir() if path.name not in ("journal", "lock")]


def test_many_small_files_arrive(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    for number in range(300):
        (out / str(number)).write_text(str(number))
    _, received = send([out], inbox)
    assert isinstance(received, Received)
    assert contents(tmp_path / "in" / "left" / "out") == contents(out)


def test_it_goes_on_where_it_was_cut(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    data = random_file(out / "large", 8 * C + 1)
    random_file(out / "before", 10)
    cut_after(3, [out], inbox)
    sent, _ = send([out], inbox)
    assert isinstance(sent, Sent)
    assert sent.there >= 10 + 3 * C - C, "all but what was in the air"
    assert (tmp_path / "in" / "left" / "out" / "large").read_bytes() == data
    assert dict(sent.roots)["out/large"] == root_of(data), "also over what was never hashed again"


def test_what_is_there_is_not_sent_again(out: Path, inbox: Inbox) -> None:
    size = len(random_file(out / "file", 2 * C)) + len(random_file(out / "other", 0))
    send([out], inbox)
    sent, received = send([out], inbox)
    assert isinstance(sent, Sent)
    assert (sent.there, sent.roots) == (size, ())
    assert received == Received(2, size, size)


def test_also_another_inbox_of_the_same_folder_knows_what_is_there(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    data = random_file(out / "file", 5 * C)
    cut_after(2, [out], inbox)
    inbox.close()
    again = Inbox(tmp_path / "in")
    sent, _ = send([out], again)
    assert isinstance(sent, Sent)
    assert sent.there >= C
    again.close()
    last = Inbox(tmp_path / "in")
    sent, _ = send([out], last)
    assert isinstance(sent, Sent)
    assert sent.there == len(data)
    last.close()


def test_a_file_that_was_changed_between_two_tries_begins_anew(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 6 * C)
    times = (out / "file").stat()
    cut_after(4, [out], inbox)
    data = random_file(out / "file", 6 * C)
    os.utime(out / "file", ns=(times.st_atime_ns, times.st_mtime_ns))
    sent, _ = send([out], inbox)
    assert isinstance(sent, Sent)
    assert sent.there == 0, "the same size and time, and another file"
    assert (tmp_path / "in" / "left" / "out" / "file").read_bytes() == data


def test_a_file_that_changes_while_it_is_sent_is_given_up_and_the_others_arrive(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "a", 6 * C)
    random_file(out / "b", 5)
    touched: list[Any] = []

    def report(progress: Progress) -> None:
        if progress.done >= 2 * C and not touched:
            with (out / "a").open("ab") as file:
                touched.append(file.write(b"more"))

    sent, received = send([out], inbox, report)
    assert isinstance(sent, Sent)
    assert sent.changed == ("out/a",)
    assert isinstance(received, Received)
    assert received.files == 1
    assert list(contents(tmp_path / "in" / "left")) == ["out/b"]
    sent, _ = send([out], inbox)
    assert isinstance(sent, Sent)
    assert (sent.changed, sent.there) == ((), 5)
    assert contents(tmp_path / "in" / "left" / "out") == contents(out)


@pytest.mark.parametrize("how", ["shorter", "gone", "another"])
def test_a_file_that_is_not_what_it_was_when_its_turn_comes(how: str, tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "a", 2 * C)
    random_file(out / "b", 2 * C)

    def report(progress: Progress) -> None:
        if how == "shorter":
            os.truncate(out / "b", C)
        elif how == "gone":
            (out / "b").unlink(missing_ok=True)
        elif (out / "b").is_file():
            (out / "b").unlink()
            (out / "b").symlink_to("/etc/passwd")

    sent, _ = send([out], inbox, report)
    assert isinstance(sent, Sent)
    assert sent.changed == ("out/b",)
    assert list(contents(tmp_path / "in" / "left")) == ["out/a"]


def test_holes_stay_holes(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    with (out / "sparse").open("wb") as file:
        file.truncate(10 << 30)
        file.seek(5 << 30)
        file.write(b"in the middle")
    sent, _ = send([out], inbox)
    assert isinstance(sent, Sent)
    came = tmp_path / "in" / "left" / "out" / "sparse"
    assert came.stat().st_size == 10 << 30
    assert came.stat().st_blocks * 512 < 1 << 20
    with came.open("rb") as file:
        file.seek(5 << 30)
        assert file.read(20) == b"in the middle" + bytes(7)


def test_zeros_that_are_no_hole_become_one(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    (out / "zeros").write_bytes(bytes(4 * C) + b"x")
    sent, _ = send([out / "zeros"], inbox)
    assert isinstance(sent, Sent)
    assert dict(sent.roots)["zeros"] == root_of(bytes(4 * C) + b"x")
    assert (tmp_path / "in" / "left" / "zeros").read_bytes() == bytes(4 * C) + b"x"


def test_what_has_the_name_already_is_not_touched(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 100)
    (tmp_path / "in" / "left").mkdir()
    (tmp_path / "in" / "left" / "file").write_text("mine")
    sent, received = send([out / "file"], inbox)
    for outcome in (sent, received):
        assert isinstance(outcome, TransferRefused)
        assert outcome.reason is Reason.EXISTS
        assert "'file'" in outcome.message
        assert not outcome.retryable
    assert (tmp_path / "in" / "left" / "file").read_text() == "mine"


def test_only_who_asks_for_it_has_files_replaced(tmp_path: Path, out: Path) -> None:
    data = random_file(out / "file", 100)
    (tmp_path / "in" / "left").mkdir(parents=True)
    (tmp_path / "in" / "left" / "file").write_text("old")
    inbox = Inbox(tmp_path / "in", overwrite=True)
    sent, _ = send([out / "file"], inbox)
    assert isinstance(sent, Sent)
    assert (tmp_path / "in" / "left" / "file").read_bytes() == data
    (tmp_path / "in" / "left" / "folder").mkdir()
    (out / "folder").touch()
    sent, _ = send([out / "folder"], inbox)
    assert isinstance(sent, TransferRefused)
    inbox.close()


def test_a_name_that_is_taken_meanwhile_is_not_touched(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 2 * C)
    theirs = tmp_path / "in" / "left" / "file"

    def report(progress: Progress) -> None:
        if progress.done >= C:
            theirs.write_text("mine")

    sent, _ = send([out / "file"], inbox, report)
    assert isinstance(sent, TransferRefused)
    assert sent.reason is Reason.EXISTS
    assert theirs.read_text() == "mine"
    theirs.unlink()
    sent, _ = send([out / "file"], inbox)
    assert isinstance(sent, Sent)
    assert sent.there == 2 * C, "it was all there, but for the name"


@pytest.mark.parametrize("place", ["the folder", "a folder in it", "the file itself"])
def test_no_link_leads_out(place: str, tmp_path: Path, out: Path, inbox: Inbox) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sub").mkdir(parents=True)
    (out / "tree" / "sub").mkdir(parents=True)
    random_file(out / "tree" / "sub" / "file", 10)
    folder = tmp_path / "in" / "left" / "tree"
    folder.parent.mkdir()
    if place == "the folder":
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        if place == "a folder in it":
            (folder / "sub").symlink_to(elsewhere / "sub")
        else:
            (folder / "sub").mkdir()
            (folder / "sub" / "file").symlink_to(elsewhere / "sub" / "file")
    sent, _ = send([out / "tree"], inbox)
    assert isinstance(sent, TransferRefused)
    assert sent.reason is Reason.EXISTS
    assert contents(elsewhere) == {}


def test_a_link_that_is_put_there_meanwhile_leads_nobody_out(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (out / "tree").mkdir()
    random_file(out / "tree" / "file", 2 * C)
    folder = tmp_path / "in" / "left" / "tree"

    def report(progress: Progress) -> None:
        if progress.done >= C and not folder.is_symlink():
            folder.rename(tmp_path / "away")
            folder.symlink_to(elsewhere)

    send([out / "tree"], inbox, report)
    assert contents(elsewhere) == {}


def test_who_comes_again_need_not_wait_for_the_connection_that_is_dead(out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 4 * C)
    here, there = socket.socketpair()
    taken = taking(inbox, there)
    source = Source([out])
    source.look()
    again: list[Any] = []

    def hangs(progress: Progress) -> None:
        if progress.done >= C and not again:
            again.append(send([out], inbox)[0])

    older = Apart(Sender(here, source, hangs).run).outcome()
    assert isinstance(again[0], Sent)
    assert isinstance(older, TransferRefused), "it was not dead after all, and hears of the other"
    assert older.reason is Reason.ELSEWHERE
    assert isinstance(taken.outcome(), TransferLost)


def test_one_sender_has_a_few_transfers_at_a_time_and_leaves_the_others_their_places(out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 10)
    held = [socket.socketpair() for _ in range(4)]
    waiting = [taking(inbox, there) for _, there in held]
    while len(inbox._running) < 4:
        pass
    sent, received = send([out], inbox)
    for outcome in (sent, received):
        assert isinstance(outcome, TransferRefused)
        assert outcome.reason is Reason.BUSY
        assert outcome.retryable
    other_here, other_there = socket.socketpair()
    other = taking(inbox, other_there, peer="right")
    source = Source([out])
    source.look()
    assert isinstance(Apart(Sender(other_here, source, nothing).run).outcome(), Sent)
    assert isinstance(other.outcome(), Received)
    for here, _ in held:
        here.close()
    assert all(isinstance(each.outcome(), TransferLost) for each in waiting)


def test_a_folder_that_cannot_be_used_is_said_by_its_name(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 10)
    (tmp_path / "in" / "left").write_text("no folder")
    sent, received = send([out], inbox)
    assert isinstance(sent, TransferRefused)
    assert str(tmp_path) not in sent.message, "paths of the receiver are none of the sender's business"
    assert isinstance(received, HostError)
    assert str(tmp_path / "in" / "left") in received.message


def test_a_sender_that_waits_long_for_an_answer_hears_that_it_is_worked_on(
    out: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "ALIVE_SECONDS", -1.0)
    random_file(out / "file", 10)
    sent, _ = send([out], inbox)
    assert isinstance(sent, Sent)


def test_two_programs_do_not_receive_into_one_folder(tmp_path: Path, out: Path, inbox: Inbox) -> None:
    random_file(out / "file", 10)
    send([out], inbox)
    other = Inbox(tmp_path / "in")
    sent, received = send([out], other)
    assert isinstance(sent, TransferRefused)
    assert isinstance(received, ApplianceError)
    assert received.retryable
    assert "another program" in received.message
    other.close()
