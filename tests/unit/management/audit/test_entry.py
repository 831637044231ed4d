"""What an entry says, whoever brings it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.management.audit.entry import MOST_LINE_BYTES, MOST_TEXT, Entry, Outcome, Who, text_of

TIME = "2026-11-28T06:00:00.000Z"


def test_who_did_what_and_what_came_of_it() -> None:
    alice = Who("api", "alice", roles=("operator",))
    entry = Entry("reload", Outcome.FAILED, alice, permission="node.change", target="sha256:12", reason="Withheld", request="7")
    assert json.loads(text_of(entry, 3, TIME)) == {
        "n": 3,
        "time": TIME,
        "what": "reload",
        "outcome": "failed",
        "who": {"kind": "api", "name": "alice", "roles": ["operator"]},
        "permission": "node.change",
        "target": "sha256:12",
        "reason": "Withheld",
        "request": "7",
    }


def test_the_same_is_written_in_the_same_way() -> None:
    one = Entry("x", Outcome.DONE, more={"b": 1, "a": "2"}, told_by=Who("local", "root", 0), times=3)
    two = Entry("x", Outcome.DONE, more={"a": "2", "b": 1}, told_by=Who("local", "root", 0), times=3)
    assert text_of(one, 1, TIME) == text_of(two, 1, TIME)
    assert b" " not in text_of(one, 1, TIME)


def test_what_a_terminal_obeys_is_not_written() -> None:
    said = json.loads(text_of(Entry("x", Outcome.DONE, target="a\x1b[2J\n\u202eb\ud800"), 1, TIME))
    assert said["target"] == "a\ufffd[2J\ufffd\ufffdb\ufffd"


@given(text=st.text(min_size=1), name=st.text(), number=st.integers())
def test_whatever_somebody_is_called_it_is_one_bounded_line(text: str, name: str, number: int) -> None:
    who = Who(text, name * 100, number, (text,) * 100)
    more: dict[str, str | int] = {f"{text}{index}": text * 50 for index in range(50)}
    entry = Entry(text * 100, Outcome.DONE, who, who, text, text, text, text, number, more)
    line = text_of(entry, 1, TIME)
    assert b"\n" not in line
    assert len(line) < MOST_LINE_BYTES - 100
    assert len(json.loads(line)["what"]) <= MOST_TEXT
