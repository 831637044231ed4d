from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.api.profile import Crypto, NetworkSection, Peer, Profile, Rotation
from appliance.profile import fields


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ((), Profile),
        (("network",), NetworkSection),
        (("crypto", "rotate"), Rotation),
        (("peers", 3), Peer),
        (("peers",), None),
        (("network", "mtu"), None),
        (("nothing", "here"), None),
        (("peers", "name"), None),
    ],
)
def test_models_by_path(path: tuple[str | int, ...], model: object) -> None:
    assert fields.model_at(Profile, path) is model


def test_types_by_path() -> None:
    assert fields.type_at(Profile, ("peers", 0, "name")) is str
    assert fields.type_at(Profile, ("control", "group")) is str
    assert fields.type_at(Profile, ("network", "sysctls", "net.a")) is str
    assert fields.type_at(Profile, ("monitoring", "x")) == Mapping[str, Any]


def test_choices() -> None:
    assert fields.choices(fields.type_at(Profile, ("crypto", "pq"))) == ("required", "prefer", "off")
    assert fields.choices(int) == ()


def test_keys_as_they_are_written() -> None:
    assert "from" in fields.known_keys(fields.model_at(Profile, ("network", "rules", 0)) or Profile)
    assert list(fields.known_keys(Crypto)) == ["suites", "pq", "rotate", "lab"]


def test_where_else_a_word_is_a_key() -> None:
    assert list(fields.places_of(Profile, "mtu")) == [("network", "mtu")]
    assert list(fields.places_of(Profile, "bytes")) == [("crypto", "rotate", "bytes"), ("relay", "bytes")]
    assert list(fields.places_of(Profile, "allowed")) == []
