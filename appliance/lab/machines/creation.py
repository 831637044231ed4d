"""The machines of a lab are created: those that take long side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from appliance.lab.machines.machine import Machine


def create(machines: Sequence[Machine]) -> None:
    """All of them. If one cannot be, no other is begun, and what went wrong first is raised. Raises HostError, LabFailure."""
    with ThreadPoolExecutor(min(machine.at_a_time for machine in machines)) as beside:
        creating = [beside.submit(machine.create) for machine in machines]
        done, waiting = wait(creating, return_when=FIRST_EXCEPTION)
        if waiting:
            beside.shutdown(wait=False, cancel_futures=True)
            for machine in machines:
                machine.abandon()
    for each in creating:
        if each in done:
            each.result()
