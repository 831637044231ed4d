"""A profile as one text: it says the same when it is read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from appliance.runtime import loading
from appliance.runtime.host.kept_profile import fingerprint, readings_of, text_of

PROFILES = sorted((Path(__file__).parents[3] / "profiles").glob("*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_there_and_back(path: Path, tmp_path: Path) -> None:
    plugins = loading.load_plugins([path], {})
    profile = loading.load_profile([path], plugins, {}).profile
    text = text_of(profile)
    place = tmp_path / "system.trial"
    again = loading.load_profile([place], plugins, {}, readings_of(text, place)).profile
    assert again == profile
    assert text_of(again) == text


def test_known_by_what_it_says(tmp_path: Path) -> None:
    path = PROFILES[0]
    texts = [path.read_text(), "# a comment\n" + path.read_text(), path.read_text() + "\nlogging: {level: debug}\n"]
    found = []
    for number, text in enumerate(texts):
        changed = tmp_path / f"{number}.yaml"
        changed.write_text(text.replace("file:identity", "file:/identity"))
        plugins = loading.load_plugins([changed], {})
        found.append(fingerprint(text_of(loading.load_profile([changed], plugins, {}).profile)))
    assert found[0] == found[1]
    assert found[0] != found[2]


class Hidden(BaseModel):
    """A section with secrets in it, as a plugin brings one."""

    mesh: ClassVar[None] = None
    token: SecretStr
    raw: SecretBytes
    peers: tuple[dict[str, SecretStr], ...]


def test_secrets_are_not_lost() -> None:
    hidden = Hidden(token=SecretStr("t"), raw=SecretBytes(b"r"), peers=({"a": SecretStr("p")},))
    assert json.loads(text_of(hidden)) == {"token": "t", "raw": "r", "peers": [{"a": "p"}]}  # type: ignore[arg-type]
