"""What callers may ask about scores, and how they are told what is wrong with a question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.conversation import Request
from appliance.runtime.knowledge import scores_questions
from appliance.runtime.plugins.routes import BadArguments
from tests.rigs.meshed import Meshed, run
from tests.unit.runtime.knowledge.test_scores import three

ROOT = Principal("local", "root", 0)


def asked(**args: Any) -> Request:
    return Request(ROOT, args)


def test_who_asks_is_who_said_so_and_the_answer_tells_until_when(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        done = await scores_questions.block(a.scores, asked(name="b", seconds=60, reason=" floods "))
        assert (done["name"], done["left_s"], done["alone"]) == ("b", 60, False)
        assert done["until"]
        (block,) = scores_questions.blocked_peers(a.scores).values()
        assert (block["by"], block["reason"], block["since_s"]) == ("root", "floods", 0)
        last = await scores_questions.block(a.scores, asked(name="c"))
        assert (last["until"], last["alone"]) == (None, True)
        assert (await scores_questions.unblock(a.scores, asked(name="c")))["name"] == "c"
        await a.scores.close()

    run(story, tmp_path)


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"name": 3},
        {"name": "b", "reason": None},
        {"name": "b", "reason": "x" * 201},
        {"name": "b", "seconds": 0},
        {"name": "b", "seconds": -1.0},
        {"name": "b", "seconds": True},
        {"name": "b", "seconds": "60"},
        {"name": "b", "seconds": float("inf")},
        {"name": "b", "seconds": float("nan")},
        {"name": "b", "until": "then"},
    ],
)
def test_what_is_no_question_is_refused(args: dict[str, Any], tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        with pytest.raises(BadArguments):
            await scores_questions.block(a.scores, asked(**args))
        with pytest.raises(BadArguments):
            await scores_questions.unblock(a.scores, asked(**args, more=1))
        assert a.host.connected() == ["b", "c"]
        await a.scores.close()

    run(story, tmp_path)
