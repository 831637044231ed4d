"""A network whose certificates are renewed, and whose invitations are used, again and again: nothing grows but the number of
members, sessions stay, and whoever is to go goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rigs.labs import reaches

from appliance.errors import ApplianceError
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.members.invitations import MOST_OPEN
from appliance.runtime.members.network_folder import NetworkFolder

pytestmark = [pytest.mark.netns, pytest.mark.timeout(7200)]

HOSTS = ("hub", "laptop", "guest")
PATIENCE = 60.0
TRIES = 5


@pytest.fixture
def times(long_form: bool) -> int:
    return 1000 if long_form else 3


@asynccontextmanager
async def network(*members: str) -> AsyncIterator[Lab]:
    """The hub has the owner's key; `members` are members from the beginning, and the other hosts have no node."""
    definition = {
        "lab": 1,
        "name": "membership",
        "links": [{"name": "wan", "hosts": list(HOSTS), "ipv4": "198.51.100.0/24"}],
        "mesh": {"label": "home", "founder": "hub"},
        "hosts": {name: {} for name in HOSTS},
        "steps": [{"do": "join", "host": name} for name in HOSTS[1:] if name not in members],
    }
    async with Lab(LabFile.model_validate(definition)) as lab:
        yield lab
    assert lab.left_behind == []


async def said(host: Host, *words: str | Path) -> Any:
    """What a command says as JSON."""
    return json.loads((await host.appliance(*words, "--json")).must_work().out)


def folder(host: Host) -> NetworkFolder:
    return NetworkFolder(Path(f"{host.state_dir}.kept/mesh-home"))


def ended(host: Host) -> list[str]:
    """The sessions of its node that ended; one that a new key exchange replaces goes on."""
    return [line for line in host.log.read_text().splitlines() if "session ended" in line and "replaced" not in line]


def expires(host: Host, name: str) -> str | None:
    """Until when a member's certificate is valid as this host's node has it; None: it knows no such member."""
    return next((peer["expires"] for peer in host.ask("peers") if peer["name"] == name), None)


async def test_renewals_in_a_row_leave_one_certificate_and_end_no_session(times: int) -> None:
    async with network("laptop") as lab:
        hub, laptop = lab.host("hub"), lab.host("laptop")
        before = ended(hub)
        for number in range(times):
            await said(hub, "network", "renew", "laptop", "--lifetime", f"{400 * 86_400 + number * 3600}s")
        renewed = expires(hub, "laptop")
        await lab.until(lambda: (laptop.status() or {})["mesh"]["expires"] == renewed, PATIENCE)
        assert "laptop" in hub.sessions()
        assert ended(hub) == before
        for host in (hub, laptop):
            await lab.until(lambda host=host: len(folder(host).statements()) == 2, PATIENCE)  # type: ignore[misc]
        await said(hub, "network", "revoke", "laptop")
        await lab.until(lambda: not hub.sessions() and not laptop.sessions(), PATIENCE)


async def test_invitations_in_a_row_make_a_member_each(times: int) -> None:
    async with network("laptop") as lab:
        hub, laptop, guest = (lab.host(name) for name in HOSTS)
        for number in range(times):
            code = (await said(hub, "network", "invite", f"guest{number}"))["code"]
            assert (await joined(guest, code))["name"] == f"guest{number}"
            if number + 1 < times:
                forget(guest)
        names = {f"guest{number}" for number in range(times)}
        await lab.until(lambda: known_to(hub) == {*names, "laptop"} and known_to(laptop) == {*names, "hub"}, PATIENCE)
        last = f"guest{times - 1}"
        guest.start()
        await lab.until(lambda: last in hub.sessions() and "hub" in guest.sessions(), PATIENCE)
        address = str(laptop.addresses[0].ip)
        assert await reaches(guest, address, seconds=PATIENCE)
        await said(hub, "network", "revoke", last)
        await lab.until(lambda: not any(last in {*host.sessions(), *known_to(host)} for host in (hub, laptop)), PATIENCE)
        assert not await reaches(guest, address, seconds=1)


def known_to(host: Host) -> set[str]:
    """The members that its node knows."""
    return {peer["name"] for peer in host.ask("peers")}


async def joined(guest: Host, code: str) -> Any:
    """Join as an admin would on a machine that is so busy that five seconds are over: again, with the same code."""
    for _ in range(TRIES):
        done = await guest.appliance("join", code, "--profile", guest.profile, "--identity", guest.identity_file, "--json")
        if done.code == 0:
            break
    return json.loads(done.must_work().out)


def forget(guest: Host) -> None:
    """A fresh host."""
    shutil.rmtree(folder(guest).path)
    guest.profile.unlink()
    guest.identity_file.unlink()


async def test_who_has_too_many_open_invitations_takes_one_back() -> None:
    async with network() as lab:
        hub, guest = lab.host("hub"), lab.host("guest")
        codes = [hub.ask("invite", {"name": f"guest{number}"})["code"] for number in range(MOST_OPEN)]
        with pytest.raises(ApplianceError, match=f"{MOST_OPEN} invitations are open"):
            hub.ask("invite", {"name": "more"})
        await said(hub, "network", "invitations", "--revoke", "guest7")
        await said(hub, "network", "invite", "more")
        assert (await guest.appliance("join", codes[7], "--profile", guest.profile, "--identity", guest.identity_file)).code == 1
        assert (await joined(guest, codes[8]))["name"] == "guest8"
