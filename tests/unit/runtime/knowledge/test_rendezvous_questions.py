"""Arguments of questions about rendezvous."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.runtime.knowledge import rendezvous_questions as questions
from appliance.runtime.plugins.routes import BadArguments


class Part:
    """Tells what it was asked."""

    async def register(self, tag: str, ttl: int) -> dict[str, Any]:
        return {"tag": tag, "ttl": ttl}

    async def find(self, tag: str, limit: int) -> dict[str, Any]:
        return {"tag": tag, "limit": limit}

    def unregister(self, tag: str) -> dict[str, Any]:
        return {"tag": tag}

    def list(self) -> dict[str, Any]:
        return {}


PART: Any = Part()


async def test_what_is_not_said_is_as_usual() -> None:
    assert await questions.register(PART, {"tag": "t"}) == {"tag": "t", "ttl": 7200}
    assert await questions.register(PART, {"tag": "t", "ttl": 60}) == {"tag": "t", "ttl": 60}
    assert await questions.find(PART, {"tag": "t"}) == {"tag": "t", "limit": 100}
    assert await questions.unregister(PART, {"tag": "t"}) == {"tag": "t"}
    assert await questions.show(PART, {}) == {}


@pytest.mark.parametrize(
    "args", [{}, {"tag": 7}, {"tag": "t", "ttl": "2h"}, {"tag": "t", "ttl": True}, {"tag": "t", "limit": 5}, {"tag": "t", "": 5}]
)
async def test_arguments_that_make_no_sense_are_refused(args: Mapping[str, Any]) -> None:
    with pytest.raises(BadArguments, match="takes tag"):
        await questions.register(PART, args)


@pytest.mark.parametrize("args", [{}, {"tag": "t", "ttl": 5}, {"tag": "t", "": 5}])
async def test_unregister_takes_a_tag_only(args: Mapping[str, Any]) -> None:
    with pytest.raises(BadArguments, match="takes tag"):
        await questions.unregister(PART, args)
