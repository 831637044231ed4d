"""The vocabulary of these tests: write files, load them, and see what is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from appliance.profile import LoadedProfile, LocatedProblem, ProfileInvalid, load
from appliance.profile.model import Kinds

A = "llp1:" + "a" * 52
B = "llp1:b" + "a" * 51
MINIMAL = "profile: 1\nnetwork: {addresses: [10.8.0.1/24]}\n"
PEERS = f"""\
peers:
  - {{name: a, identity: "{A}", endpoints: ["udp://198.51.100.7:8443"], allowed: [10.8.0.2/32]}}
  - {{name: b, identity: "{B}", allowed: [10.8.0.3/32]}}
"""

Write = Callable[..., Path]
Load = Callable[..., LoadedProfile]
Problems = Callable[..., list[LocatedProblem]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(text, name="node.yaml")` puts a file below the test's folder."""

    def write(text: str | bytes, name: str = "node.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def read(write: Write) -> Load:
    """`read(text, …)` loads a profile of this text, by default without any environment."""

    def read(
        text: str | bytes, *, name: str = "node.yaml", environ: Mapping[str, str] | None = None, kinds: Kinds | None = None
    ) -> LoadedProfile:
        return load([write(text, name)], environ=environ or {}, kinds=kinds)

    return read


@pytest.fixture
def problems(read: Load) -> Problems:
    """`problems(text, …)` is what loading it finds; the profile must be invalid."""

    def problems(text: str | bytes, **how: object) -> list[LocatedProblem]:
        with pytest.raises(ProfileInvalid) as caught:
            read(text, **how)
        return list(caught.value.problems)

    return problems


@pytest.fixture
def minimal() -> str:
    """The shortest valid profile: two lines."""
    return MINIMAL


@pytest.fixture
def peers() -> str:
    """Three lines with the peers a and b."""
    return PEERS
