"""A log-in that vouches for whoever the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from appliance.api.logins import Begun, Claims, DeviceBegun
from appliance.api.profile_management import Management
from appliance.api_server.logins.log_ins import LogIns
from tests.unit.api_server.iam.rig import Rig

ALICE = Claims("4711", "alice", ("staff",))
SECTION: Mapping[str, Any] = {"url": "x", "roles": {"staff": ["viewer"]}, "create": True, "devices": True}


class House:
    """`api.logins.Login`."""

    def __init__(self) -> None:
        self.raises: BaseException | None = None
        self.claims: Claims | None = ALICE
        self.kept: dict[str, str] = {"verifier": "v"}
        self.finished: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []
        self.secrets: list[str] = []

    async def begin(self, callback: str, state: str, secret: str) -> Begun:
        self._said()
        self.secrets.append(secret)
        return Begun(f"https://id/?state={state}", self.kept)

    async def finish(self, callback: str, kept: Mapping[str, str], parameters: Mapping[str, str]) -> Claims:
        self._said()
        self.finished.append((callback, kept, parameters))
        assert self.claims is not None
        return self.claims

    async def device_begin(self) -> DeviceBegun:
        self._said()
        return DeviceBegun("https://id/enter", "WDJB-MJHT", 300, 5, {"device": "d"})

    async def device_finish(self, kept: Mapping[str, str]) -> Claims | None:
        self._said()
        assert kept == {"device": "d"}
        return self.claims

    def _said(self) -> None:
        if self.raises is not None:
            raise self.raises


@asynccontextmanager
async def running(rig: Rig, house: House, **section: Any) -> AsyncIterator[LogIns]:
    """Log-ins of which `house` is one, and `closed` another that does not run."""
    management = Management.model_validate({"logins": {"house": {**SECTION, **section}, "closed": {}}})
    log_ins = LogIns(rig.accounts, management)
    used = asyncio.create_task(log_ins.use("house", house))
    await asyncio.sleep(0)
    yield log_ins
    used.cancel()
    await asyncio.gather(used, return_exceptions=True)
