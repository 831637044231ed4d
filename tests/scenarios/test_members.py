"""A network of members behind NATs, as a lab builds it: real invitations, one known address, names, relayed and direct paths."""

from __future__ import annotations

import pytest

from appliance.lab import deeds, probing
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

LAB = {
    "lab": 1,
    "name": "members",
    "links": [{"name": "wan", "hosts": ["hub", "ann", "dan", "gus"], "ipv4": "198.51.100.0/24", "impair": {"delay": "5ms"}}],
    "mesh": {"label": "home", "founder": "hub"},
    "hosts": {"hub": {}, "ann": {"behind": "port-restricted"}, "dan": {"behind": "cgnat"}, "gus": {}},
    "probes": [{"probe": "ping", "between": ["ann", "dan"], "count": 1, "within": "60s"}],
    "steps": [
        {"probe": "path", "between": ["ann", "dan"], "via": "direct", "within": "60s"},
        {"do": "join", "host": "gus"},
        {"probe": "ping", "from": "gus", "to": "dan", "count": 1, "within": "60s"},
        {"do": "revoke", "host": "dan"},
        {"probe": "ping", "from": "ann", "to": "dan", "count": 1, "fails": True, "within": "60s"},
        {"probe": "ping", "from": "gus", "to": "ann", "count": 1, "within": "60s"},
    ],
}


async def test_members_join_meet_by_name_find_the_direct_way_and_are_removed() -> None:
    async with Lab(LabFile.model_validate(LAB)) as lab:
        results = [await probing.ask(lab, asked) for asked in probing.questions(lab.definition)]
        for step in lab.definition.steps:
            if step.do is not None:
                await deeds.do(lab, step)
            else:
                results += [await probing.ask(lab, asked) for asked in probing.asked_by(lab.definition, step.as_probe())]
        assert [result for result in results if not result.ok] == []
    assert lab.left_behind == []
