"""What a roster says, when it is read again, and the suite of all discovery kinds."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from roster_discovery.plugin import ROSTER, conformance
from roster_discovery.roster import MOST_BYTES, BadRoster, read
from roster_discovery.settings import RosterSettings
from roster_discovery.source import Source

from appliance.api.discovery import BroughtPeer, DiscoveryKind
from appliance.api.values import Endpoint
from appliance.testing.conformance.discovery import DiscoveryConformance
from appliance.testing.discovery import FakeDiscoveryServices

IDENTITY = "llp1:" + "a" * 52
CELLAR = f"""
[[peers]]
name = "cellar"
identity = "{IDENTITY}"
allowed = ["10.74.0.7/32", "fd74::7/128"]
endpoints = ["udp://198.51.100.7:8443"]
"""
ATTIC = CELLAR.replace("cellar", "attic").replace("7/", "8/")


def test_a_peer_is_as_it_stands_there() -> None:
    prefixes = (ipaddress.ip_network("10.74.0.7/32"), ipaddress.ip_network("fd74::7/128"))
    assert read(CELLAR.encode()) == (BroughtPeer("cellar", IDENTITY, prefixes, (Endpoint("udp", "198.51.100.7", 8443),)),)
    assert read(b"") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("peers = 7", r"write \[\[peers\]\] before each peer"),
        ("peers = [7]", "peer 1: "),
        ("[[peers]]\n[[peer]]\n", "there is no key 'peer'"),
        ("[[peers", "it is no TOML"),
        ("[[peers]]\nname = 'x'\n", r"peer 1 \(x\): identity is missing"),
        (CELLAR.replace("10.74.0.7/32", "10.74.0.7/24"), r"peer 1 \(cellar\): 10\.74\.0\.7/24 has host bits set"),
        (CELLAR.replace("udp://198.51.100.7:8443", "somewhere"), r"peer 1 \(cellar\): "),
        (CELLAR.replace('["udp://198.51.100.7:8443"]', "7"), "7 is no list"),
        (CELLAR + "identiti = 7", "there is no key 'identiti'"),
        ("#" * (MOST_BYTES + 1), "more than 4 MiB"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(BadRoster, match=reason):
        read(text.encode())


def test_bytes_that_are_no_text_are_no_roster() -> None:
    with pytest.raises(BadRoster, match="no TOML"):
        read(b"\xff\xfe")


class Watched:
    """A roster and the source that looks at it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.services = FakeDiscoveryServices({})
        self._given: AsyncIterator[Sequence[BroughtPeer]] = Source(
            RosterSettings(file=str(file), every="1s"), self.services
        ).peers()

    def write(self, text: str) -> None:
        """As a careful program does."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.file)

    async def names(self) -> list[str]:
        """Of the next list."""
        return [peer.name for peer in await anext(self._given)]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    made = Watched(tmp_path / "roster.toml")
    made.write(CELLAR)
    return made


async def test_it_is_read_again_when_it_has_changed(watched: Watched) -> None:
    assert await watched.names() == ["cellar"]
    watched.write(CELLAR + ATTIC)
    assert await watched.names() == ["cellar", "attic"]
    watched.write("")
    assert await watched.names() == []


async def test_the_same_list_is_not_told_twice(watched: Watched) -> None:
    assert await watched.names() == ["cellar"]
    os.utime(watched.file, ns=(1, 1))
    watched.services.sleep = then(watched, ATTIC)  # type: ignore[method-assign]
    assert await watched.names() == ["attic"]


async def test_a_roster_that_cannot_be_read_changes_nothing_and_is_told(watched: Watched) -> None:
    assert await watched.names() == ["cellar"]
    watched.file.unlink()
    watched.services.sleep = then(watched, None, "[[peers", ATTIC)  # type: ignore[method-assign]
    assert await watched.names() == ["attic"]
    told = [problem for problem in watched.services.reported if problem]
    assert told[0] == f"{watched.file}: No such file or directory; the peers stay as they were"
    assert "it is no TOML" in told[1]
    assert watched.services.reported[-1] == ""


def then(watched: Watched, *texts: str | None) -> Callable[[float], Awaitable[None]]:
    """A sleep that writes the next of these each time; None: it leaves the file alone."""
    left = list(texts)

    async def sleep(seconds: float) -> None:
        await FakeDiscoveryServices.sleep(watched.services, seconds)
        text = left.pop(0) if left else None
        if text is not None:
            watched.write(text)

    return sleep


class TestRoster(DiscoveryConformance):
    expects_peers = False

    def kind(self) -> DiscoveryKind:
        return ROSTER

    def settings(self) -> Mapping[str, Any]:
        return conformance["roster"]["settings"]
