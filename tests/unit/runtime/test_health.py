"""How a node is, in one value."""

from __future__ import annotations

import json

from appliance.runtime.health import Health


def test_well_is_running() -> None:
    health = Health({"worker": "ok", "host": "ok"}, ready=True)
    assert (health.state, health.problems) == ("running", {})
    assert health.document() == {"ok": True, "ready": True, "problems": {}}


def test_one_part_that_is_not_well_is_named() -> None:
    health = Health({"worker": "ok", "host": "the route is gone"}, ready=False)
    assert (health.state, health.problems) == ("degraded", {"host": "the route is gone"})
    assert health.document() == {"ok": False, "ready": False, "problems": {"host": "the route is gone"}}


def test_the_other_end_of_the_control_socket_has_the_same() -> None:
    health = Health({"worker": "ok", "host": "the route is gone"}, ready=False)
    heard = Health.of(json.loads(json.dumps(health.document())))
    assert (heard.state, heard.ready, heard.problems) == (health.state, health.ready, health.problems)
    assert Health.of({}).state == "running", "a status of a daemon that does not tell"
