from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.errors import ApplianceError
from appliance.lab import knowledge_probe


class Host:
    """Its node answers so."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def ask(self, _op: str, _args: Mapping[str, Any] | None = None, *, timeout: float = 1.0) -> Any:
        assert timeout
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def found(value: str, by: str) -> Host:
    return Host({"seconds": 0.25, "records": [{"value": value, "by": {"identity": by}}]})


@pytest.mark.parametrize(
    ("host", "seconds"),
    [
        (found("n01-0", "llp1:a"), 0.25),
        (found("n01-0", "llp1:b"), None),
        (found("other", "llp1:a"), None),
        (Host(ApplianceError("nobody knows it")), None),
    ],
)
def test_only_the_record_of_its_writer_counts(host: Any, seconds: float | None) -> None:
    assert knowledge_probe.look_up(host, "n01-0", "llp1:a") == seconds


def test_places_that_others_said_are_not_the_hash_tables() -> None:
    host: Any = Host(
        [
            {"kind": "dht", "peer": "b", "endpoint": "udp://192.0.2.1:1"},
            {"kind": "roster", "peer": "b", "endpoint": "udp://192.0.2.2:1"},
            {"kind": "dht", "peer": "c", "endpoint": "udp://192.0.2.3:1"},
        ]
    )
    assert knowledge_probe.places(host, "b") == ["udp://192.0.2.1:1"]


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_nearest_ranks(share: float, value: float) -> None:
    assert knowledge_probe.percentile(range(1, 101), share) == value
    assert knowledge_probe.percentile([7], share) == 7
