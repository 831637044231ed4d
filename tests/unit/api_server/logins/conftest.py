from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from appliance.api_server.logins.log_ins import LogIns
from tests.unit.api_server.iam.rig import Rig
from tests.unit.api_server.logins.guest_house import House, running


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.accounts.close()


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def log_ins(rig: Rig, house: House) -> AsyncIterator[LogIns]:
    async with running(rig, house) as log_ins:
        yield log_ins
