"""Names of attributes are those of OpenTelemetry's semantic conventions, as its own package has them, or begin with our name."""

from __future__ import annotations

import re
from pathlib import Path

import opentelemetry.semconv

import appliance

ROOT = Path(appliance.__path__[0])
SOURCES = (
    "api_server/parts.py",
    *(f"api_server/tracing/{name}.py" for name in ("current", "otlp", "requests", "store")),
    "runtime/management/spans.py",
    "runtime/streams/traced.py",
    "sdk/spans.py",
)
NAME = re.compile(r'"((?:db|error|http|rpc|service|url)(?:\.[a-z_]+)+)"')
OF_ASGI = "http.response.start"


def test_no_name_is_made_up_or_out_of_use() -> None:
    used = {name for file in SOURCES for name in NAME.findall((ROOT / file).read_text())} - {OF_ASGI}
    assert {"http.request.method", "http.response.status_code", "error.type", "rpc.method", "service.name"} <= used
    assert used - conventions() == set()


def conventions() -> set[str]:
    """All that are in use."""
    folder = Path(opentelemetry.semconv.__path__[0])
    text = "".join(path.read_text() for at in ("attributes", "_incubating/attributes") for path in (folder / at).glob("*.py"))
    told = dict(re.findall(r'^[A-Z_]+: Final = "([a-z0-9_.]+)"\n"""\n(.*)', text, re.MULTILINE))
    assert len(told) > 200
    return {name for name, words in told.items() if not words.startswith("Deprecated:")}
