"""A worker that stands still is ended soon, one in a long turn later, and one that answers never."""

from __future__ import annotations

import os

from appliance.foundation import clock
from appliance.runtime.workers.watch import BUSY, SILENT, Pulse, WorkerWatch


class Fake:
    """A worker that answers while it `turns`, and uses `cpu` seconds between two looks."""

    def __init__(self) -> None:
        self.pid = 1
        self.turns = True
        self.cpu = 0.0
        self.used = 0.0
        self.answered = 0
        self.answered_at = 0.0
        self.questions = 0
        self.killed = 0

    def ask(self, number: int) -> None:
        self.questions += 1
        if self.turns:
            self.answered = number
            self.answered_at = clock.monotonic() + 0.25

    def beat(self) -> int:
        return self.answered

    def beat_at(self) -> float:
        return self.answered_at

    def kill(self) -> None:
        self.killed += 1

    def cpu_seconds(self, pid: int) -> float:
        assert pid == self.pid
        self.used += self.cpu
        return self.used


def looks_until_lost(worker: Fake, pulse: Pulse) -> int:
    for number in range(1, 100):
        pulse.look()
        if pulse.lost:
            return number
    raise AssertionError("never lost")


def watched() -> tuple[Fake, Pulse]:
    worker = Fake()
    pulse = Pulse(worker, worker.cpu_seconds)
    for _ in range(50):
        pulse.look()
        assert not pulse.silent
    worker.turns = False
    pulse.look()  # the last answer is there; this question gets none
    return worker, pulse


def test_a_stopped_worker_is_lost_soon_and_asked_once() -> None:
    worker, pulse = watched()
    questions = worker.questions
    assert looks_until_lost(worker, pulse) == SILENT
    assert not pulse.working
    assert worker.questions == questions, "a queue that nobody reads does not grow"


def test_a_worker_in_a_long_turn_gets_more_time() -> None:
    worker, pulse = watched()
    worker.cpu = 1.0
    for _ in range(BUSY - 1):
        pulse.look()
        assert pulse.working
        assert not pulse.lost
    worker.answered = worker.questions
    pulse.look()
    assert not pulse.silent, "it has come to the question in the end"


def test_a_worker_that_works_and_never_answers_is_lost() -> None:
    worker, pulse = watched()
    worker.cpu = 1.0
    assert looks_until_lost(worker, pulse) == BUSY


def test_a_node_lives_as_long_as_one_worker_answers() -> None:
    one, other = Fake(), Fake()
    one.pid = other.pid = os.getpid()
    watch = WorkerWatch(lambda: (one, other))
    assert not watch.alive
    watch.look()
    assert watch.alive
    for silent in (one, other):
        silent.turns = False
        watch.look()  # finds the last answer
        watch.look()
        assert watch.alive is (silent is one)
    while not one.killed:
        watch.look()
    other.answered = other.questions
    watch.look()
    assert watch.alive


def test_it_is_known_for_how_long_a_question_waited() -> None:
    worker = Fake()
    worker.pid = os.getpid()
    watch = WorkerWatch(lambda: (worker,))
    assert watch.waited() == {worker.pid: None}, "nobody has asked yet"
    watch.look()
    waited = watch.waited()[worker.pid]
    assert waited is not None
    assert 0.25 <= waited < 60
    worker.turns = False
    watch.look()
    assert watch.waited() == {worker.pid: None}, "it waits still"


def test_the_cpu_time_of_a_process_is_read_without_proc() -> None:
    mine = clock.cpu_seconds(os.getpid())
    assert mine is not None
    assert mine > 0
    assert clock.cpu_seconds(2**22 + 1) is None, "beyond the greatest process number there is"
