"""A systemd-resolved that takes its time, by a `resolvectl` that a test writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.linux import resolved
from appliance.runtime.names.settling import until_asked

STATUS = """Link 7 (llp0)
    Current Scopes: {scopes}
         Protocols: -DefaultRoute +LLMNR
       DNS Servers: 10.8.0.1
        DNS Domain: overlay
"""


class Resolvectl:
    """Says one thing after the other; the last one for ever. `asked` counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "asked").touch()

    def says(self, *answers: str, then: str = "") -> None:
        for number, answer in enumerate(answers):
            (self._folder / str(number)).write_text(answer)
        script = self._folder / "resolvectl"
        script.write_text(
            f'#!/bin/sh\ncd {self._folder}\necho "$@" >> asked\n'
            f"f=$(($(wc -l < asked) - 1))\n[ -e $f ] || f={len(answers) - 1}\ncat $f\n{then}\n"
        )
        script.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return (self._folder / "asked").read_text().splitlines()


@pytest.fixture
def resolvectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolvectl:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Resolvectl(tmp_path)


async def test_it_waits_until_the_link_has_its_scope(resolvectl: Resolvectl) -> None:
    resolvectl.says(STATUS.format(scopes="none"), STATUS.format(scopes="LLMNR/IPv4"), STATUS.format(scopes="DNS LLMNR/IPv4"))
    assert await until_asked("llp0", "10.8.0.1", 60.0)
    assert resolvectl.asked == ["status llp0"] * 3


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (STATUS.format(scopes="none").replace("10.8.0.1", "192.0.2.1"), ""),  # it asks somebody else there
        ("", ""),
        ("Failed to get link data: Unit dbus.service not found.", "exit 1"),
    ],
)
async def test_where_there_is_nothing_to_wait_for_nobody_waits(resolvectl: Resolvectl, answer: str, then: str) -> None:
    resolvectl.says(answer, then=then)
    assert not await until_asked("llp0", "10.8.0.1", 60.0)
    assert len(resolvectl.asked) == 1


async def test_one_that_hangs_or_never_gets_there_holds_up_nothing_for_long(resolvectl: Resolvectl) -> None:
    resolvectl.says(STATUS.format(scopes="none"))
    assert not await until_asked("llp0", "10.8.0.1", 0.2)
    resolvectl.says("", then="exec sleep 600")
    assert not await until_asked("llp0", "10.8.0.1", 0.2)


async def test_without_it_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolved, "tool", lambda: None)
    assert not await until_asked("llp0", "10.8.0.1", 60.0)
