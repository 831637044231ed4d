"""`appliance audit` on a real folder; the node that is asked is a stand-in with the same folder."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import audit
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ExitCode
from appliance.management.audit.entry import Entry, Outcome, Who
from appliance.management.audit.head import Head, HeadInvalid, sign
from appliance.protocol.identity import Identity
from appliance.runtime.audit import reading
from appliance.runtime.audit.folder import NoAuditLog
from appliance.runtime.audit.segment_writer import Keep, SegmentWriter, Stamped

NODE = Identity.from_seeds(b"\x01" * 32, b"\x02" * 32)
OTHER = Identity.from_seeds(b"\x03" * 32, b"\x04" * 32)
NOON = 1_800_000_000.0


class Made:
    """A log of ten entries, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out, self.err = io.StringIO(), io.StringIO()
        log = SegmentWriter(folder, NODE.fingerprint, Keep(1 << 30, 1e9), os.urandom)
        for number in range(10):
            entry = Entry(f"deed{number}", Outcome.DONE, Who("api", "alice" if number % 2 else "=cmd()", roles=("admin",)))
            log.append([Stamped(entry, NOON + number)], NOON)
        head = log.head(NOON)
        assert head is not None
        self.head = head
        log.close()

    @property
    def file(self) -> Path:
        return self.folder / "00000001.audit"

    def run(self, command: str, *, as_json: bool = False, **arguments: Any) -> int:
        asked = dict.fromkeys(("since", "until", "who", "what", "limit", "head", "ask"), None)
        asked |= {"follow": False, "csv": False, "folder": str(self.folder)} | arguments
        self.out.truncate(self.out.seek(0))
        terminal = Terminal(json=as_json, out=self.out, err=self.err, environ={})
        return int(getattr(audit, command)(argparse.Namespace(**asked), terminal))

    def kept(self, *heads: dict[str, Any]) -> str:
        path = self.folder.parent / "heads.json"
        path.write_text(json.dumps({"heads": heads}))
        return str(path)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    log = Made(tmp_path / "node.audit")

    def answer(operation: str, args: dict[str, Any], **_timeout: float) -> Any:
        if operation == "audit_heads":
            kept = [sign(log.head, NODE).document()]
            return {"heads": kept if args.get("peer") != "stranger" else [], "others": []}
        wanted = reading.Wanted(*(args.get(key, "") for key in reading.Wanted._fields))
        if args.get("order") == "newest":
            page = reading.newest(log.folder, wanted, args["before"], min(3, args["limit"]))
            return {"entries": page.entries, "before": page.next}
        if args["after"] == 10:
            raise KeyboardInterrupt
        page = reading.oldest(log.folder, wanted, args["after"], 3)
        return {"entries": page.entries, "after": page.next}

    monkeypatch.setattr(client, "call", answer)
    return log


def test_the_newest_are_shown_and_the_last_stands_last(made: Made) -> None:
    assert made.run("show", limit="4") == ExitCode.OK
    assert [line.split()[2] for line in made.out.getvalue().splitlines()] == ["deed6", "deed7", "deed8", "deed9"]
    assert made.run("show", who="alice", as_json=True) == ExitCode.OK
    assert [json.loads(line)["n"] for line in made.out.getvalue().splitlines()] == [2, 4, 6, 8, 10]


def test_following_goes_on_where_it_was(made: Made) -> None:
    with pytest.raises(KeyboardInterrupt):
        made.run("show", limit="2", follow=True, as_json=True)
    assert [json.loads(line)["n"] for line in made.out.getvalue().splitlines()] == [9, 10]


def test_a_node_without_a_log_says_what_to_write(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_operation: str, _args: dict[str, Any], **_timeout: float) -> Any:
        raise client.ControlError("unknown-operation", "there is no operation 'audit'")

    monkeypatch.setattr(client, "call", refuse)
    with pytest.raises(NoAuditLog) as refused:
        made.run("show")
    assert "audit: {}" in refused.value.hint


@pytest.mark.parametrize("since", ["x", "2026-13-01", "-1"])
def test_a_time_that_is_none_is_said(made: Made, since: str) -> None:
    with pytest.raises(UsageError):
        made.run("show", since=since)


def test_times_as_people_write_them(made: Made) -> None:
    assert made.run("export", since="2027-01-15T08:00:08Z") == ExitCode.OK
    assert [json.loads(line)["what"] for line in made.out.getvalue().splitlines()] == ["deed8", "deed9"]
    assert made.run("export", until="2027-01-15T10:00:01+02:00") == ExitCode.OK
    assert [json.loads(line)["what"] for line in made.out.getvalue().splitlines()] == ["deed0"]


@pytest.mark.parametrize("limit", ["0", "x", "-1", "99999999"])
def test_a_limit_is_a_number(made: Made, limit: str) -> None:
    with pytest.raises(UsageError):
        made.run("show", limit=limit)


def test_a_good_log(made: Made) -> None:
    assert made.run("verify", head=made.kept(sign(made.head, NODE).document(), sign(made.head, OTHER).document())) == ExitCode.OK
    assert made.out.getvalue().strip().endswith("good: 10 entries in 1 files, 1 to 10, against 1 head kept elsewhere")


def test_a_log_that_was_changed_ends_with_one_and_says_where(made: Made) -> None:
    made.file.write_bytes(made.file.read_bytes().replace(b"deed4", b"deed5"))
    assert made.run("verify") == ExitCode.FAILURE
    first, last = made.out.getvalue().splitlines()
    assert first.startswith("00000001.audit:6: entry 5 ")
    assert ": CHANGED: " in last
    assert made.run("verify", as_json=True) == ExitCode.FAILURE
    said = json.loads(made.out.getvalue())
    assert (said["good"], said["findings"][0]["wrong"], said["findings"][0]["entry"]) == (False, "edited", 5)


def test_a_file_that_is_no_file_is_a_finding(made: Made) -> None:
    (made.folder / "00000002.audit").symlink_to("/dev/zero")
    (made.folder / "00000003.audit").mkdir()
    assert made.run("verify") == ExitCode.FAILURE
    assert "00000002.audit: this file cannot be read: " in made.out.getvalue()
    assert "00000003.audit: this file cannot be read: " in made.out.getvalue()


def test_whatever_stands_in_a_changed_log_is_exported(made: Made) -> None:
    text = b'{"n":11,"what":"\\ud800","who":3,"time":[],"more":7}'
    made.file.write_bytes(made.file.read_bytes() + b"0" * 64 + b" " + text + b"\n")
    for csv_wanted in (False, True):
        assert made.run("export", csv=csv_wanted) == ExitCode.OK
    assert made.run("show") == ExitCode.OK
    assert made.run("verify") == ExitCode.FAILURE


def test_a_log_that_was_cut_off_shows_by_a_head_that_was_kept(made: Made) -> None:
    made.file.write_bytes(b"".join(made.file.read_bytes().splitlines(keepends=True)[:-2]))
    assert made.run("verify") == ExitCode.OK
    assert made.run("verify", head=made.kept(sign(made.head, NODE).document())) == ExitCode.FAILURE
    assert "a head knows of entry 10, and the log ends with entry 8" in made.out.getvalue()


def test_a_peer_is_asked_for_what_it_keeps(made: Made) -> None:
    assert made.run("verify", ask="office") == ExitCode.OK
    assert "against 1 head kept elsewhere" in made.out.getvalue()
    with pytest.raises(HeadInvalid, match="stranger keeps no heads"):
        made.run("verify", ask="stranger")
    made.file.write_bytes(b"".join(made.file.read_bytes().splitlines(keepends=True)[:-1]))
    assert made.run("verify", ask="office") == ExitCode.FAILURE


def test_heads_that_help_nobody_are_said(made: Made, tmp_path: Path) -> None:
    forged = sign(Head(made.head.log, 99, made.head.hash, 0), OTHER).document()
    for wrong in (made.kept(), made.kept(forged), made.kept(forged | {"signed": "eA=="})):
        with pytest.raises(HeadInvalid):
            made.run("verify", head=wrong)
    for text in ("", "[" * 100_000, "3", "[3]"):
        (tmp_path / "heads.json").write_text(text)
        with pytest.raises(HeadInvalid):
            made.run("verify", head=str(tmp_path / "heads.json"))


def test_heads_are_shown_and_can_be_given_back(made: Made) -> None:
    assert made.run("heads") == ExitCode.OK
    assert made.head.hash.hex()[:16] in made.out.getvalue()
    assert made.run("heads", as_json=True) == ExitCode.OK
    (made.folder.parent / "heads.json").write_text(made.out.getvalue())
    assert made.run("verify", head=str(made.folder.parent / "heads.json")) == ExitCode.OK


def test_a_table_for_a_spreadsheet_that_runs_nothing_in_it(made: Made) -> None:
    assert made.run("export", csv=True) == ExitCode.OK
    first, second, *rest = csv.DictReader(io.StringIO(made.out.getvalue()))
    assert (first["n"], first["kind"], first["name"], first["roles"], len(rest)) == ("1", "api", "'=cmd()", '["admin"]', 8)
    assert (second["name"], second["what"], second["outcome"]) == ("alice", "deed1", "done")
    assert len(first["hash"]) == 64
