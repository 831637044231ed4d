"""Go: Debian's, without anything from elsewhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.clients.driver import STORIES, Driver, done

MODULE = "module story\n\ngo 1.19\n\nrequire appliance.internal/client v0.0.0\n\nreplace appliance.internal/client => {client}\n"
OFFLINE = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}


def _built(client: Path, work: Path) -> list[str]:
    environment = os.environ | OFFLINE
    assert done(["gofmt", "-l", client, STORIES], client) == "", "not as gofmt writes it"
    done(["go", "vet", "./..."], client, environment)
    shutil.copy(STORIES / "story.go", work / "main.go")
    (work / "go.mod").write_text(MODULE.format(client=client))
    done(["go", "vet", "."], work, environment)
    done(["go", "build", "-o", "story", "."], work, environment)
    return [str(work / "story")]


DRIVER = Driver(("go", "gofmt"), _built, frozenset({"key", "socket", "pin", "authority"}))
