"""Writes what is generated from models of management and committed: `python -m appliance.api_server.generate [ROOT]`.

A test fails when one of them is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from appliance.api_server.problems import known_codes
from appliance.management.descriptions.asyncapi import events
from appliance.management.descriptions.messages import messages
from appliance.management.descriptions.numbers import numbers
from appliance.management.descriptions.openapi import document
from appliance.management.descriptions.openapi_3_0 import older
from appliance.management.descriptions.postman import collection
from appliance.management.descriptions.proto import text
from appliance.management.descriptions.yaml_text import yaml_text
from appliance.management.jobs.schema import SCHEMA_FILE, schema_text
from appliance.management.operations.table import ROWS


def generated(root: Path) -> Mapping[Path, str]:
    """Each generated file below the repository's `root`, and what it should hold."""
    described = document(ROWS, version("appliance-core"), known_codes())
    schemas = root / "schemas"
    kept = schemas / "proto-numbers.json"
    known = numbers(kept.read_text(encoding="utf-8") if kept.exists() else "")
    proto = text(described, known)
    return {
        schemas / "openapi-3.1.json": _text(described),
        schemas / "openapi-3.0.json": _text(older(described)),
        schemas / "appliance.proto": proto,
        root / "appliance" / "api_server" / "grpc" / "appliance.proto": proto,
        kept: known.text(),
        schemas / "asyncapi.yaml": yaml_text(events(described)),
        schemas / "messages.schema.json": _text(messages(ROWS, described["info"]["version"])),
        schemas / "postman.json": _text(collection(described)),
        schemas / SCHEMA_FILE: schema_text(),
    }


def main(root: Path) -> None:
    """Bring the files up to date."""
    for path, content in generated(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
