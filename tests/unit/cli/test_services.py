from __future__ import annotations

from typing import Any

from appliance.cli.services import services_text


def instance(**more: Any) -> dict[str, Any]:
    said = {"service": "db", "node": "laptop", "health": "passing", "load": 0, "metadata": {}, "standing": "alive"}
    return said | {"connected": False, "rtt_ms": None, "own": False} | more


def test_nothing() -> None:
    assert services_text([]) == "nothing is offered that this node knows of"


def test_each_instance_is_a_line() -> None:
    found = [
        instance(own=True, connected=True),
        instance(node="phone", health="failing", load=90, metadata={"zone": "b", "age": "7"}, standing="suspected"),
    ]
    head, own, phone = services_text(found).splitlines()
    assert head.split() == ["SERVICE", "NODE", "HEALTH", "LOAD", "MEMBER", "METADATA"]
    assert "this host" in own
    assert phone.split("  ")[-1] == "age=7,zone=b"
    assert "not connected; suspected" in phone
    assert "90 %" in phone
