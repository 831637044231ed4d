"""What steps do to the hosts and wires of a running lab."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from appliance.api.units import format_seconds
from appliance.lab.engine import Lab
from appliance.lab.machines.machine import LabFailure
from appliance.lab.script import DeedKind, StepEntry


async def do(lab: Lab, step: StepEntry) -> str:
    """Do it. A sentence that says what was done. Raises ApplianceError."""
    assert step.do is not None
    return await _DEEDS[step.do](lab, step)


async def _kill(lab: Lab, step: StepEntry) -> str:
    host = lab.host(step.host or "")
    if not host.runs:
        raise LabFailure(f"there is no node on {host.name} to kill")
    await asyncio.to_thread(host.kill)
    return f"the node on {host.name} is killed"


async def _stop(lab: Lab, step: StepEntry) -> str:
    host = lab.host(step.host or "")
    if not host.runs:
        raise LabFailure(f"there is no node on {host.name} to stop")
    await host.stop()
    return f"the node on {host.name} is stopped"


async def _start(lab: Lab, step: StepEntry) -> str:
    host = lab.host(step.host or "")
    if host.runs:
        raise LabFailure(f"the node on {host.name} runs already")
    await asyncio.to_thread(lab.begin_again, host.name)
    return f"the node on {host.name} is started"


async def _cut(lab: Lab, step: StepEntry) -> str:
    groups = step.apart or ()
    lab.switches[step.wire or ""].part(groups)
    return f"{step.wire} is cut: {' | '.join(', '.join(group) for group in groups)}"


async def _heal(lab: Lab, step: StepEntry) -> str:
    lab.switches[step.wire or ""].join()
    return f"{step.wire} is whole again"


async def _uplink(lab: Lab, step: StepEntry) -> str:
    await asyncio.to_thread(lab.change_uplink, step.host or "", step.wire)
    return f"{step.host} has {step.wire} as its uplink"


async def _flush(lab: Lab, step: StepEntry) -> str:
    lab.routers[step.router or ""].flush()
    return f"{step.router} has forgotten its mappings"


async def _join(lab: Lab, step: StepEntry) -> str:
    await lab.network.join(lab.host(step.host or ""))
    return f"{step.host} has joined by an invitation"


async def _revoke(lab: Lab, step: StepEntry) -> str:
    await lab.network.revoke(lab.host(step.host or ""))
    return f"{step.host} is no member any more"


async def _introduce(lab: Lab, step: StepEntry) -> str:
    host, other = lab.host(step.host or ""), lab.host(step.to or "")
    await lab.network.introduce(host, other)
    return f"{host.name} is told the identity of {other.name}, and not where that is"


async def _wait(_lab: Lab, step: StepEntry) -> str:
    await asyncio.sleep(step.seconds)
    return f"{format_seconds(step.seconds)} go by"


async def _say(_lab: Lab, step: StepEntry) -> str:
    return step.text or ""


_DEEDS: Final[dict[DeedKind, Callable[[Lab, StepEntry], Awaitable[str]]]] = {
    "kill": _kill,
    "stop": _stop,
    "start": _start,
    "cut": _cut,
    "heal": _heal,
    "uplink": _uplink,
    "flush": _flush,
    "join": _join,
    "revoke": _revoke,
    "introduce": _introduce,
    "wait": _wait,
    "say": _say,
}
