"""Where traces may be sent, and where a collector's token may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from appliance.api.profile_management import ManagementTracing


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"otlp": "http://collector.example.net:4318"},
        {"otlp": "https://collector.example.net/otlp", "headers": "/etc/appliance/headers", "authorities": "/etc/ca.pem"},
        {"otlp": "http://127.0.0.1:4318", "headers": "/etc/appliance/headers"},
        {"otlp": "http://[::1]:4318", "headers": "/etc/appliance/headers"},
        {"otlp": "http://localhost:4318", "headers": "/etc/appliance/headers"},
        {"sample": 0},
    ],
)
def test_sections_that_make_sense(section: dict[str, Any]) -> None:
    ManagementTracing.model_validate(section)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"otlp": "grpc://collector:4317"}, "http://HOST:PORT or https"),
        ({"otlp": "file:///etc/passwd"}, "http://HOST:PORT or https"),
        ({"otlp": "collector:4318"}, "http://HOST:PORT or https"),
        ({"otlp": "http://"}, "http://HOST:PORT or https"),
        ({"otlp": "http://collector:99999"}, "http://HOST:PORT or https"),
        ({"otlp": "http://[::1"}, "http://HOST:PORT or https"),
        ({"otlp": "http://col\nlector"}, "http://HOST:PORT or https"),
        ({"otlp": "https://user:hunter2@collector"}, "write tokens into the file"),
        ({"otlp": "https://collector?token=1"}, "write tokens into the file"),
        ({"otlp": "http://collector:4318", "headers": "/etc/headers"}, "the network could read them"),
        ({"otlp": "http://127.0.0.1.example.net", "headers": "/etc/headers"}, "the network could read them"),
        ({"headers": "/etc/headers"}, "there is no collector"),
        ({"authorities": "/etc/ca.pem"}, "there is no collector"),
        ({"otlp": "https://collector", "headers": "headers"}, "pattern"),
        ({"sample": 1.5}, "less than or equal to 1"),
        ({"endpoint": "https://collector"}, "Extra inputs"),
    ],
)
def test_sections_that_are_refused(section: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        ManagementTracing.model_validate(section)
    assert "hunter2" not in refused.value.errors(include_input=False)[0]["msg"]
