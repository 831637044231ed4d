"""`python -m appliance_server_signalling.schema FILE`: writes the JSON Schema of the messages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from appliance_server_signalling import messages


def document() -> dict[str, Any]:
    """`$defs` has each message; Said are those of peers, Told those of the server."""
    said: tuple[Any, ...] = get_args(messages.Said)
    told: tuple[Any, ...] = get_args(messages.Told)
    every = list(dict.fromkeys([*said, *told]))
    refs, definitions = models_json_schema([(model, "validation") for model in every], by_alias=True)
    groups = {
        name: {"description": text, "oneOf": [refs[model, "validation"] for model in group]}
        for name, text, group in (("Said", "What a peer sends.", said), ("Told", "What the server sends.", told))
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "WebRTC signalling, version 1",
        "description": "Each text frame at /p2p-signaling is one of these. See docs/signalling.md.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in groups],
        "$defs": {**groups, **definitions["$defs"]},
    }


def main(argv: list[str]) -> int:
    """Write it. Returns the exit code."""
    text = json.dumps(document(), indent=2, ensure_ascii=False)
    Path(argv[1]).write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
