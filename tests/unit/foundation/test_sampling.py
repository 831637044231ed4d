from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from appliance.foundation.sampling import sample

SECRET = "correct horse battery staple"


def waits_for_the_end(done: threading.Event) -> None:
    kept = SECRET  # a local variable, which no profile may show
    done.wait()
    assert kept


class Looks(threading.Event):
    """Ends it after so many looks, however late they come."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return super().wait(timeout) or self._left < 0


@contextmanager
def somebody() -> Iterator[None]:
    """A thread that waits in a function with a name of its own."""
    done = threading.Event()
    thread = threading.Thread(target=waits_for_the_end, args=(done,))
    thread.start()
    yield
    done.set()
    thread.join()


def test_it_says_where_other_threads_are_and_never_what_they_hold() -> None:
    with somebody():
        found: dict[str, object] = {}
        looking = threading.Thread(target=lambda: found.update(sample(60, 100, Looks(10))))
        looking.start()
        looking.join()
    stack = next(line for line in found["stacks"] if "waits_for_the_end" in line)  # type: ignore[attr-defined]
    assert "test_sampling.py" in stack
    assert "Event.wait" in stack
    assert "foundation/sampling.py" not in str(found), "it leaves itself out"
    assert SECRET not in str(found)
    assert found["samples"]


def test_threads_of_a_pool_that_wait_for_work_are_left_out() -> None:
    with ThreadPoolExecutor(2) as pool:
        together = threading.Barrier(2)
        for waiting in [pool.submit(together.wait) for _ in range(2)]:
            waiting.result()
        found = pool.submit(sample, 60, 100, Looks(5)).result()
    assert found["samples"], "this thread is seen"
    assert not [each for each in found["functions"] if each["self"] and each["function"].startswith("_worker ")]


def test_it_ends_when_it_is_told_to() -> None:
    stop = threading.Event()
    stop.set()
    assert sample(3600, 1, stop)["samples"] == 0
