"""Members of a network whose hosts do not know the time."""

from __future__ import annotations

import json
import time
from typing import Final

from tests.machines.bed import READY, Bed, Guest, expect
from tests.machines.scenarios.cloud_init import FORGET

PINGED: Final = "appliance ping {} --count 1"
FIRST_THING: Final = "/etc/systemd/system/first-thing.service"
BEGIN_IN_1970: Final = """[Unit]
DefaultDependencies=no
Before=basic.target
[Service]
Type=oneshot
ExecStart=/bin/date -s @86400
[Install]
WantedBy=basic.target
"""
"""A computer that forgets the time with its power."""
AHEAD: Final = "date -s @$(($(date +%s) + 315360000)) >/dev/null"
SAYS: Final = "appliance status --json | grep -q {!r}"
RIGHT_WITHIN: Final = 400.0
"""Seconds, on a guest that is slow: it looks every half a minute."""


async def members_without_the_time(bed: Bed) -> str:
    """A member boots in 1970: it has its session at once. Its founder starts ten years ahead: all is well once that is right."""
    founder, newcomer = bed.both
    await founder.sh(f"{FORGET}; appliance network new home --name founder && systemctl enable --now appliance")
    code = json.loads(await founder.sh("appliance network invite newcomer --ttl 1d --json"))["code"]
    await newcomer.sh(f"{FORGET}; appliance join {code} && systemctl enable --now appliance")
    await founder.until(PINGED.format("newcomer"))
    told = [await _boots_in_1970(newcomer), await _starts_years_ahead(founder, newcomer)]
    for guest in bed.both:
        await guest.sh(f"{FORGET}; systemctl disable appliance", check=False)
    return "; ".join(told)


async def _boots_in_1970(guest: Guest) -> str:
    await guest.write(FIRST_THING, BEGIN_IN_1970)
    await guest.sh("systemctl enable -q first-thing; sync")
    await guest.boot_again()
    try:
        expect((await guest.sh("date +%Y")).strip() == "1970", "it does not begin in 1970")
        after = await guest.until(PINGED.format("founder"))
        session = (await guest.sessions())[0]["session"]
        await guest.sh(SAYS.format("certificate of network home began"))
        refused = await guest.sh("appliance network revoke founder", check=False)
        expect("this host's clock says 1970-01" in refused, f"something was signed in 1970: {refused}")
    finally:
        await guest.sh(f"systemctl disable -q first-thing; date -s @{time.time():.0f} >/dev/null; sync")
    well = await guest.until(f"! {SAYS.format('certificate of network home began')}", RIGHT_WITHIN)
    expect((await guest.sessions())[0]["session"] == session, "another session after the clock was set")
    return f"in 1970 a peer answered {after:.0f} s after the node was ready; all was well {well:.0f} s after the clock was set"


async def _starts_years_ahead(guest: Guest, other: Guest) -> str:
    await guest.sh(f"systemctl stop appliance; {AHEAD}; systemctl start appliance")
    try:
        await guest.until(READY)
        await guest.sh(SAYS.format("by this host's clock"))
        expect(await guest.code(PINGED.format("newcomer")) != 0, "who has expired by its clock is still a peer")
    finally:
        await guest.sh(f"date -s @{time.time():.0f} >/dev/null")
    well = await guest.until(PINGED.format("newcomer"), RIGHT_WITHIN)
    await other.until(PINGED.format("founder"), RIGHT_WITHIN)
    return f"ten years ahead it had no members, and {well:.0f} s after the clock was set they were there"


ALL: Final = (members_without_the_time,)
