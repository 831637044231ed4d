"""What stands between a node and production."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.profile import Profile
from appliance.runtime.crypto_status import crypto_status, why_not

KEPT_ELSEWHERE: dict[str, Any] = {"profile": 1, "server": {"identity": "vault:node-7"}}


async def test_what_is_told_of_a_node() -> None:
    told = await crypto_status(Profile.model_validate(KEPT_ELSEWHERE))
    assert told["initialized"]
    assert told["production"]
    assert (told["mode"], told["kem_key_bytes"], told["signature_key_bytes"]) == ("hybrid", 1568, 2592)


@pytest.mark.parametrize(
    ("more", "failed", "word"),
    [
        ({}, {"ML-KEM-1024": "wrong"}, "ML-KEM-1024"),
        ({"crypto": {"pq": "prefer"}}, {}, "post-quantum"),
        ({"crypto": {"lab": True}}, {}, "lab"),
        ({"server": {"identity": "file:/etc/appliance/identity"}}, {}, "not encrypted"),
    ],
)
def test_each_reason(more: dict[str, Any], failed: dict[str, str], word: str) -> None:
    (reason,) = why_not(Profile.model_validate(KEPT_ELSEWHERE | more), failed)
    assert word in reason
