from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from appliance.runtime.profiling.worker import frames_of, sample

STACK = """\
Stack (most recent call first):
  File "/srv/appliance/worker/loop.py", line 128 in run
  File "/srv/appliance/worker/__main__.py", line 77 in main
  File "<frozen runpy>", line 198 in _run_module_as_main
"""
INWARDS = [
    "_run_module_as_main (<frozen runpy>)",
    "main (appliance/worker/__main__.py)",
    "run (appliance/worker/loop.py)",
]


def test_a_stack_of_faulthandler() -> None:
    assert frames_of(STACK) == INWARDS


@given(st.integers(0, len(STACK) - 1))
def test_a_piece_of_one_is_a_shorter_one_or_none(cut: int) -> None:
    assert frames_of(STACK[:cut]) in ([], INWARDS[1:], INWARDS[2:])
    assert frames_of(STACK[len(STACK) - cut :]) == []


@given(st.text())
def test_whatever_is_there_nothing_is_raised(text: str) -> None:
    frames_of(text)
    frames_of(STACK + text)


class Worker:
    """Writes one stack after the other, then ends."""

    pid = os.getpid()

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)

    def ask_where(self) -> bool:
        return bool(self._texts)

    def where(self) -> str:
        return self._texts.pop(0)


async def test_a_worker_that_ends_meanwhile() -> None:
    async def sleep(seconds: float) -> None:
        assert seconds == 1 / 50

    found = await sample(Worker(STACK, "", STACK, STACK[:40]), 3600, 50, sleep)
    assert (found["samples"], found["torn"]) == (2, 2)
    assert found["stacks"] == [f"{';'.join(INWARDS)} 2"]
