from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from appliance.files import source as source_module
from appliance.files.errors import CannotSend
from appliance.files.source import Changed, Source, version_of
from appliance.transfer.manifest import Manifest
from appliance.transfer.tree import CHUNK_BYTES


def paths(manifest: Manifest) -> list[str]:
    return [os.fsdecode(entry.path) for entry in manifest]


def test_a_folder_is_offered_with_all_in_it_each_folder_first(out: Path) -> None:
    (out / "b" / "c").mkdir(parents=True)
    (out / "b" / "c" / "file").touch()
    (out / "a").touch()
    assert paths(Source([out]).look()) == ["out", "out/a", "out/b", "out/b/c", "out/b/c/file"]


def test_names_are_those_of_the_paths_however_they_are_typed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "file").touch()
    monkeypatch.chdir(out)
    assert paths(Source([Path()]).look()) == ["out", "out/file"]
    assert paths(Source([Path("../out/file")]).look()) == ["file"]
    (out / "x").mkdir()
    assert paths(Source([out / "x" / ".."]).look())[0] == "out"


def test_two_of_one_name_are_not_sent_together(out: Path) -> None:
    for folder in ("a", "b"):
        (out / folder).mkdir()
        (out / folder / "same").touch()
    with pytest.raises(CannotSend, match="same name"):
        Source([out / "a" / "same", out / "b" / "same"])


def test_a_link_is_followed_when_somebody_named_it_and_left_out_in_a_folder(out: Path) -> None:
    (out / "file").write_text("content")
    (out / "link").symlink_to("file")
    whole = Source([out])
    assert paths(whole.look()) == ["out", "out/file"]
    assert whole.left_out == [b"out/link"]
    named = Source([out / "link"])
    assert [(entry.path, entry.size) for entry in named.look()] == [(b"link", 7)]
    with named.open(0) as reading:
        assert reading.chunk(0) == b"content"


def test_devices_pipes_and_sockets_stay_here(out: Path) -> None:
    os.mkfifo(out / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(out / "socket"))
        left = Source([out])
        assert paths(left.look()) == ["out"]
        assert left.left_out == [b"out/pipe", b"out/socket"]
    for named in (out / "pipe", Path("/dev/null")):
        with pytest.raises(CannotSend, match="no file and no folder"):
            Source([named]).look()


def test_what_is_not_there_is_said(out: Path) -> None:
    with pytest.raises(CannotSend, match="nothing"):
        Source([out / "nothing"]).look()
    with pytest.raises(CannotSend, match="no name"):
        Source([Path("/")])


def test_names_that_are_no_text_are_sent_as_they_are(out: Path) -> None:
    (Path(os.fsdecode(os.fsencode(out) + b"/\xff\n"))).touch()
    assert [entry.path for entry in Source([out]).look()] == [b"out", b"out/\xff\n"]


def test_too_much_is_said_before_anything_is_sent(out: Path) -> None:
    deep = out
    for _ in range(70):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(CannotSend, match="cannot be sent"):
        Source([out]).look()


def test_the_version_is_another_after_any_write(out: Path) -> None:
    path = out / "file"
    path.write_text("one")
    first = path.stat()
    with path.open("r+") as file:
        file.write("two")
    os.utime(path, ns=(first.st_atime_ns, first.st_mtime_ns))
    assert path.stat().st_mtime_ns == first.st_mtime_ns
    assert version_of(path.stat()) != version_of(first)


def test_a_file_system_without_holes_is_read_as_it_is(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "file").write_bytes(bytes(3 * CHUNK_BYTES))
    source = Source([out / "file"])
    source.look()

    def refuses(fd: int, offset: int, whence: int) -> int:
        raise OSError(22, "invalid")

    monkeypatch.setattr(source_module.os, "lseek", refuses)
    with source.open(0) as reading:
        assert reading.hole(0) == 0
        assert reading.chunk(2 * CHUNK_BYTES) == bytes(CHUNK_BYTES)


def test_a_file_that_is_not_the_one_that_was_offered_is_not_read(out: Path) -> None:
    (out / "file").write_text("x")
    source = Source([out])
    source.look()
    (out / "file").unlink()
    os.mkfifo(out / "file")
    with pytest.raises(Changed):
        source.open(1)
