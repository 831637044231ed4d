"""What is said over the control socket, there and back, and what is none of it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.messages import (
    MAX_ID,
    Answer,
    Cancel,
    FromNode,
    Item,
    Lost,
    NotUnderstood,
    OnBehalf,
    Question,
    Refusal,
    ToNode,
    from_node,
    line_of,
    to_node,
)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (Question("status"), '{"op": "status", "args": {}}'),
        (Question("reload", {"a": 1}, 7, 3), '{"id": 7, "op": "reload", "args": {"a": 1}, "body": 3}'),
        (
            Question("status", id=2, on_behalf=OnBehalf("alice", ("admin", "viewer"), "r1")),
            '{"id": 2, "op": "status", "args": {}, "as": {"name": "alice", "roles": ["admin", "viewer"], "request": "r1"}}',
        ),
        (
            Question("status", id=2, on_behalf=OnBehalf("alice", (), "r1", "00-aa-bb-01")),
            (
                '{"id": 2, "op": "status", "args": {}, '
                '"as": {"name": "alice", "roles": [], "request": "r1", "trace": "00-aa-bb-01"}}'
            ),
        ),
        (Cancel(7), '{"cancel": 7}'),
    ],
)
def test_what_goes_to_the_node(message: ToNode, line: str) -> None:
    assert line_of(message).decode() == line + "\n"
    assert to_node(line.encode()) == message


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (Item(1, "é"), '{"id": 1, "item": "é"}'),
        (Item(1, None), '{"id": 1, "item": null}'),
        (Lost(1, 3), '{"id": 1, "lost": 3}'),
        (Answer(None, [1]), '{"ok": true, "result": [1]}'),
        (Refusal(MAX_ID, {"code": "x"}), '{"id": 9007199254740991, "ok": false, "error": {"code": "x"}}'),
    ],
)
def test_what_comes_from_the_node(message: FromNode, line: str) -> None:
    assert line_of(message).decode() == line + "\n"
    assert from_node(line.encode()) == message


@pytest.mark.parametrize(
    "line",
    [
        "", "x", "3", "[]", "[" * 9999, "{}", '{"args": {}}', '{"op": 3}', '{"op": "a", "args": []}', '{"op": "a", "id": -1}',
        '{"op": "a", "id": true}', '{"op": "a", "id": 1.5}', '{"op": "a", "id": "1"}', '{"op": "a", "id": 9007199254740992}',
        '{"op": "a", "body": -1}', '{"op": "a", "body": "1"}', '{"cancel": "1"}', '{"id": 1, "ok": true}',
        '{"ok": false, "error": 3}', '{"lost": "many"}',
    ],
)  # fmt: skip
def test_what_is_no_message(line: str) -> None:
    with pytest.raises(NotUnderstood):
        to_node(line.encode())
    with pytest.raises(NotUnderstood):
        from_node(line.encode())


def test_a_file_name_that_is_no_utf_8_is_valid_json() -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    line = line_of(Answer(1, name))
    assert line.decode("ascii") == '{"id": 1, "ok": true, "result": "caf\\udce9"}\n'
    assert from_node(line) == Answer(1, name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(VALUES)
def test_any_answer_comes_through_as_one_line(value: Any) -> None:
    line = line_of(Answer(0, value))
    assert line.count(b"\n") == 1
    assert from_node(line) == Answer(0, value)


@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    for read in (to_node, from_node):
        with suppress(NotUnderstood):
            read(line)


@pytest.mark.parametrize(
    "whose",
    [
        '"alice"',
        "{}",
        '{"name": 1}',
        '{"name": "a", "roles": "admin"}',
        '{"name": "a", "roles": [1]}',
        json.dumps({"name": "a" * 129}),
        json.dumps({"name": "a\nb"}),
        json.dumps({"name": "\x1b[2J"}),
        json.dumps({"name": "a", "request": "r" * 129}),
        json.dumps({"name": "a", "roles": ["a"] * 65}),
    ],
)
def test_as_names_somebody_or_the_line_is_none(whose: str) -> None:
    with pytest.raises(NotUnderstood):
        to_node(f'{{"op": "status", "as": {whose}}}'.encode())
