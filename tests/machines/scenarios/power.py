"""Power that is lost after any write to the disk: while profiles change, and while the API server's store does."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from appliance.api_server.iam.records import INVITATIONS
from appliance.cli.audit import heads_in
from appliance.foundation.entropy import random_bytes
from appliance.management.audit.verifying import verify
from appliance.profile.loading import readings_of
from appliance.runtime import daemon, loading
from appliance.runtime.audit.folder import HEAD, with_texts
from appliance.runtime.host.trial_file import TrialFile
from appliance.runtime.host.trial_keeper import TrialKeeper
from appliance.store import maintenance
from appliance.store.keys import Keys
from tests.machines.bed import MTU, PROFILE, READY, Bed, expect
from tests.machines.cuts import Cuts

ETC: Final = "/etc/appliance"
STATE: Final = "/var/lib/appliance"
API_STATE: Final = "/var/lib/appliance-api"
TRIED: Final = 1380
LATER: Final = 1360
"""MTUs of profiles."""
INVITED: Final = 3
INVITE: Final = 'curl -sSf --unix-socket /run/appliance/netns-1.api --json \'{"note": "%s"}\' http://node/api/v1/user-invitations'
MANAGED: Final = "\nmanagement: {listen: []}\naudit: {}\n"
API_READY: Final = "appliance api server --json"


async def cut_after_each_write(bed: Bed) -> str:
    """Power lost after each write of `apply --confirm-within`, `confirm`, `rollback` and of the store: before or after, whole."""
    folder = bed.left.machine.directory / "cuts"
    profiles = Cuts(bed.left, folder / "profiles", (ETC, STATE), profile_begun_with)
    store = Cuts(bed.right, folder / "store", (STATE, API_STATE), invitations_known)
    try:
        await asyncio.gather(_change_profiles(bed, profiles), _invite(bed, store))
        values = await asyncio.to_thread(profiles.judge)
        expect(values == [TRIED, MTU, TRIED, LATER, TRIED], f"the profiles of a boot, in order: {values}")
        known = await asyncio.to_thread(store.judge)
        expect(known == list(range(INVITED + 1)), f"the invitations that a boot finds, in order: {known}")
        await asyncio.gather(_boot(profiles, MTU), _boot(store, 1))
        expect(await bed.left.mtu() == MTU, f"left runs with MTU {await bed.left.mtu()}")
        refused = await bed.left.sh("appliance status; appliance apply 2>&1", check=False)
        expect("confirmed" in refused, f"left does not say that the profile is refused: {refused}")
        found = await bed.right.sh("appliance store check && appliance store stats --json")
        expect(f'"{INVITATIONS}": 1' in found, f"the store after a boot: {found}")
    finally:
        await asyncio.gather(profiles.end(), store.end())
        shutil.rmtree(folder, ignore_errors=True)
    await bed.as_before()
    told = [f"{len(each.looked)} losses of power and {each.shuffled} between flushes" for each in (profiles, store)]
    return f"profiles: {told[0]}: MTU {values}; store: {told[1]}: {known} invitations; two of them booted: {await bed.loss(5)}"


async def _change_profiles(bed: Bed, cuts: Cuts) -> None:
    guest = bed.left
    await bed.write_profile(guest, mtu=TRIED)
    await cuts.begin()
    await guest.ask("reload", {"confirm_within": 600.0})
    cuts.promised(MTU)
    await guest.ask("confirm")
    cuts.promised(TRIED)
    await bed.write_profile(guest, mtu=LATER)
    await guest.sh("sync")
    await guest.ask("reload")
    cuts.promised(LATER)
    await guest.ask("rollback")
    cuts.promised(TRIED)
    await cuts.end()


async def _invite(bed: Bed, cuts: Cuts) -> None:
    guest = bed.right
    await bed.write_profile(guest, more=MANAGED)
    await guest.sh("appliance apply")
    await guest.until(API_READY)
    await cuts.begin()
    for number in range(1, INVITED + 1):
        await guest.sh(INVITE % number)
        cuts.promised(number)
    await cuts.end()


async def _boot(cuts: Cuts, value: int) -> None:
    """From the disk as it was when this was found on it first."""
    guest = cuts.guest
    await asyncio.to_thread(guest.machine.cut_power)
    await asyncio.to_thread(cuts.give_disk, value)
    await asyncio.to_thread(guest.machine.power_on)
    await guest.until(READY)


def profile_begun_with(root: Path) -> int:
    """The MTU of what a start brings into force, by the product's own rules."""
    readings = readings_of({PROFILE: (root / ETC.strip("/") / PROFILE.name).read_bytes()})
    profile = loading.load_profile([PROFILE], loading.load_plugins([PROFILE], readings=readings), readings=readings).profile
    keeper = TrialKeeper(TrialFile(root / STATE.strip("/") / "system.trial"), "daemon")
    keeper.give_up(root)
    instead = daemon._instead(keeper, profile)
    return (profile if instead is None else instead[1]).network.mtu


def invitations_known(root: Path) -> int:
    """How many users are invited, in a store whose every value opens; and the audit log is whole, as far as its head says."""
    folder = root / API_STATE.strip("/") / "store"
    checked = maintenance.check(folder, Keys(folder, entropy=random_bytes), lambda _: None)
    expect(not checked["unopened"], f"values that do not open: {checked['problems']}")
    for log in (root / STATE.strip("/")).glob("*.audit"):
        heads = [each.head for each in heads_in(log / HEAD)] if (log / HEAD).exists() else []
        report = verify(with_texts(log), heads)
        expect(report.good, f"the audit log: {report.findings}")
    records: dict[str, int] = maintenance.figures(folder)["records"]
    return records.get(INVITATIONS, 0)


ALL: Final = (cut_after_each_write,)
