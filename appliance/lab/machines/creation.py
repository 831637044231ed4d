"""The machines of a lab are created: all are claimed before one of them is changed, and those that take long go side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from appliance.lab.machines.machine import Machine


def create(machines: Sequence[Machine]) -> None:
    """All of them. If one cannot be, no other is begun, and what went wrong first is raised. Raises HostError, LabFailure."""
    _each(machines, lambda machine: machine.claim())
    _each(machines, lambda machine: machine.bring())
    _each(machines, lambda machine: machine.create())


def _each(machines: Sequence[Machine], deed: Callable[[Machine], None]) -> None:
    with ThreadPoolExecutor(min(machine.at_a_time for machine in machines)) as beside:
        doing = [beside.submit(deed, machine) for machine in machines]
        done, waiting = wait(doing, return_when=FIRST_EXCEPTION)
        if waiting:
            beside.shutdown(wait=False, cancel_futures=True)
            for machine in machines:
                machine.abandon()
    for each in doing:
        if each in done:
            each.result()
