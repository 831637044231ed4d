"""What is a message, and what the published schema says of it."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from appliance_server_signalling import messages
from appliance_server_signalling.messages import Candidate, IceCandidate, NoMessage, Offer, read
from appliance_server_signalling.schema import document, main

ROOT = Path(__file__).parents[3]
PUBLISHED = json.loads((ROOT / "schemas/signalling-1.schema.json").read_text())
JUDGE = Draft202012Validator(PUBLISHED | {"anyOf": [{"$ref": "#/$defs/Said"}]})
GOOD: list[dict[str, Any]] = [
    {"type": "register", "id": "alice"},
    {"type": "register", "id": "a" * 64, "key": "A" * 60, "token": "x"},
    {"type": "prove", "signature": "A" * 86 + "=="},
    {"type": "offer", "to": "bob", "sdp": "v=0"},
    {"type": "answer", "to": "bob", "sdp": "v=0", "session": "1"},
    {"type": "candidate", "to": "bob", "candidate": None},
    {
        "type": "candidate",
        "to": "bob",
        "candidate": {"candidate": "", "sdpMid": None, "sdpMLineIndex": 0, "usernameFragment": "x"},
    },
    {"type": "discover"},
    {"type": "discover", "id": "bob", "limit": 100},
    {"type": "ping"},
    {"type": "pong"},
]
BAD: list[Any] = [
    None, 1, "ping", [], {}, {"type": None}, {"type": "ping", "more": 1}, {"type": "hello"}, {"type": "register"},
    {"type": "register", "id": ""}, {"type": "register", "id": "a" * 65}, {"type": "register", "id": "ä"},
    {"type": "register", "id": "a b"}, {"type": "register", "id": 7}, {"type": "register", "id": "a", "key": "?" * 60},
    {"type": "offer", "to": "b", "sdp": ""}, {"type": "offer", "to": "b", "sdp": "x" * 30_001}, {"type": "offer", "sdp": "x"},
    {"type": "candidate", "to": "b"}, {"type": "candidate", "to": "b", "candidate": {}},
    {"type": "candidate", "to": "b", "candidate": {"candidate": "x", "sdpMLineIndex": -1}},
    {"type": "candidate", "to": "b", "candidate": {"candidate": "x", "sdpMLineIndex": "0"}},
    {"type": "discover", "limit": 0}, {"type": "discover", "limit": 101}, {"type": "discover", "limit": True},
    {"type": "prove", "signature": "A" * 88}, {"type": "offer", "to": "b", "sdp": "x", "from": "a"},
]  # fmt: skip


@pytest.mark.parametrize("message", GOOD, ids=json.dumps)
def test_what_the_schema_has_is_read(message: dict[str, Any]) -> None:
    JUDGE.validate(message)
    assert read(json.dumps(message)).model_dump(exclude_unset=True) == message


@pytest.mark.parametrize("message", BAD, ids=lambda bad: json.dumps(bad)[:60])
def test_what_the_schema_does_not_have_is_refused(message: Any) -> None:
    assert not JUDGE.is_valid(message)
    with pytest.raises(NoMessage):
        read(json.dumps(message))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_comes_is_a_message_or_none(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({"type": "offer", "to": value, "sdp": "x"}), str(value)):
        with suppress(NoMessage):
            assert isinstance(read(text), Offer)


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(NoMessage):
        read('{"type": "offer", "to": "bob", "sdp": "\\ud800"}')


def test_what_a_peer_gets_is_in_the_schema_too() -> None:
    judge = Draft202012Validator(PUBLISHED | {"anyOf": [{"$ref": "#/$defs/Told"}]})
    ice = IceCandidate(candidate="x", sdpMid="0")
    for text in (
        messages.forwarded(Offer(type="offer", to="bob", sdp="ü", session="1"), "alice"),
        messages.forwarded(Candidate(type="candidate", to="bob", candidate=ice), "alice"),
        messages.forwarded(Candidate(type="candidate", to="bob", candidate=None), "alice"),
        messages.error("unknown_peer", "x", "y", "bob"),
        messages.text_of({"type": "pong"}),
        messages.text_of({"type": "registered", "id": "alice"}),
        messages.text_of({"type": "challenge", "nonce": "x"}),
        messages.text_of({"type": "peers", "peers": ["alice"]}),
    ):
        judge.validate(json.loads(text))


def test_the_published_schema_is_made_from_the_models(tmp_path: Path) -> None:
    assert document() == PUBLISHED, "make schemas"
    assert main(["", str(tmp_path / "schema.json")]) == 0
    assert json.loads((tmp_path / "schema.json").read_text()) == PUBLISHED


def test_a_letter_that_blows_up_is_none() -> None:
    letter = b'{"to":"alice","absent":"bob"}'
    assert messages.opened(letter) == messages.opened(zlib.compress(letter))
    for content in (zlib.compress(letter + b" " * 5_000_000), zlib.compress(letter) + b"more", zlib.compress(letter)[:-1], b"x"):
        with pytest.raises(ValueError, match=r"letter|header"):
            messages.opened(content)
