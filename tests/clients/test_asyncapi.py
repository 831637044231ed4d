"""schemas/asyncapi.yaml, judged by the parser of those who write AsyncAPI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients.driver import done

PARSER = "@asyncapi/parser@3.6.6"
DOCUMENT = Path(__file__).parents[2] / "schemas/asyncapi.yaml"
JUDGE = """
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const { Parser } = createRequire(`${process.cwd()}/`)("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const faults = diagnostics.filter((each) => each.severity < 2).map((each) => `${each.path.join(".")}: ${each.message}`);
console.log(JSON.stringify({ faults, channels: document?.channels().all().map((each) => each.address()) }));
"""
"""Errors and warnings; the rest is advice."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm: run packaging/setup.sh clients"),
]


def judged(folder: Path, document: Path) -> Any:
    return json.loads(done(["node", "judge.mjs", document], folder))


def test_it_is_asyncapi_3(tmp_path: Path) -> None:
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path, PARSER], tmp_path)
    (tmp_path / "judge.mjs").write_text(JUDGE)
    told = judged(tmp_path, DOCUMENT)
    assert told["faults"] == []
    assert {"/api/v1/ws", "/api/v1/events"} < set(told["channels"])
    (tmp_path / "broken.yaml").write_text(DOCUMENT.read_text().replace("action: receive", "action: dance"))
    assert judged(tmp_path, tmp_path / "broken.yaml")["faults"]
