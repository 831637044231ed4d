"""Go: Debian's, without anything from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.management.clients.go import MODULE
from tests.clients.driver import STORIES, Driver, done

OFFLINE = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}


def _built(client: Path, work: Path) -> list[str]:
    assert done(["gofmt", "-l", client, STORIES], client) == "", "not as gofmt writes it"
    done(["go", "vet", "./..."], client, os.environ | OFFLINE)
    return _program(client, work, (STORIES / "story.go").read_text())


def _program(client: Path, work: Path, text: str) -> list[str]:
    (work / "main.go").write_text(text)
    for words in (
        ("mod", "init", "quick-start"),
        ("mod", "edit", "-require", f"{MODULE}@v0.0.0", "-replace", f"{MODULE}={client}"),
        ("vet", "."),
        ("build", "-o", "program", "."),
    ):
        done(["go", *words], work, os.environ | OFFLINE)
    return [str(work / "program")]


DRIVER = Driver(("go", "gofmt"), _built, frozenset({"key", "socket", "pin", "authority", "certificate"}), _program)
