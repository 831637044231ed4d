"""Hosts that sleep or stand still, and clocks that somebody sets."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from appliance.lab.guests.monitor import Monitor
from tests.machines.bed import MTU, READY, SESSION, Bed, expect

ASLEEP_SECONDS: Final = 90.0
PAUSED_SECONDS: Final = 70.0
"""Longer than a session is kept whose other side says nothing."""
PASSES_ASLEEP: Final = 80
"""Seconds to confirm a change in."""
HOUR: Final = 3600
YEARS: Final = 10 * 365 * 86400
WINDOW: Final = 1800.0
"""To confirm a change in while clocks are set."""
STEPS: Final = (HOUR, -HOUR, YEARS, -YEARS)
MOST_LINES: Final = 12
"""Of the log, that one step of a clock may be worth."""
LOG_LINES: Final = "journalctl -u appliance --no-pager -o cat | wc -l"
SET: Final = "date -s @$(($(date +%s) + {})) >/dev/null"


async def sleeps(bed: Bed) -> str:
    """ACPI S3 for 90 s: no watchdog kills the node, its session is back, what nobody confirmed meanwhile is undone."""
    guest = bed.right
    pid, before = await guest.pid(), await guest.sessions()
    await bed.write_profile(guest, mtu=1380)
    await guest.sh(f"appliance apply --confirm-within {PASSES_ASLEEP}s")
    await guest.sh("(sleep 1; echo mem >/sys/power/state) >/dev/null 2>&1 &")
    monitor = guest.machine.guest.monitor
    await asyncio.to_thread(_wait_until_asleep, monitor)
    await asyncio.sleep(ASLEEP_SECONDS)
    meanwhile = len(await bed.left.sessions())
    monitor.execute("system_wakeup")
    back = await guest.until("ping -c 1 -W 1 10.8.0.1")
    undone = back + await guest.until(f"test $(cat /sys/class/net/llp0/mtu) = {MTU}", PASSES_ASLEEP - 20)
    log = await guest.sh("journalctl -u appliance -n 60 --no-pager -o cat")
    expect(await guest.pid() == pid, f"the service was started anew: {log}")
    expect("nobody confirmed" in log and "asleep" in log, f"the log does not say why it went back: {log}")
    expect((await guest.sessions())[0]["session"] != before[0]["session"], "the session of before the sleep is still in use")
    await bed.write_profile(guest)
    await guest.sh("appliance confirm --refused; appliance apply", check=False)
    ended = "had ended" if not meanwhile else "was still there"
    times = f"traffic {back:.1f} s after waking, the change undone {undone:.1f} s after it"
    return f"the session {ended} on the other side; {times}; {await bed.loss(5)}"


async def stands_still(bed: Bed) -> str:
    """A machine that its host pauses for 70 s, clocks and all: the same process, and its session is back."""
    guest = bed.right
    pid = await guest.pid()
    await asyncio.to_thread(guest.machine.pause)
    await asyncio.sleep(PAUSED_SECONDS)
    meanwhile = len(await bed.left.sessions())
    await asyncio.to_thread(guest.machine.resume)
    back = await guest.until("ping -c 1 -W 1 10.8.0.1")
    expect(await guest.pid() == pid, "the service was started anew")
    await guest.sh(f"date -s @{time.time():.0f} >/dev/null")
    ended = "had ended" if not meanwhile else "was still there"
    return f"the session {ended} on the other side; traffic {back:.1f} s after going on; {await bed.loss(5)}"


async def clock_is_set(bed: Bed) -> str:
    """`date -s` by an hour and by ten years, ahead and back, on either side: the same session, few lines of log."""
    session = (await bed.right.sessions())[0]["session"]
    await bed.write_profile(bed.left, mtu=1380)
    await bed.left.ask("reload", {"confirm_within": WINDOW})
    await bed.right.sh("ping -i 0.2 10.8.0.1 >/tmp/pings 2>&1 &")
    left, most = WINDOW, 0
    for guest in bed.both:
        for step in STEPS:
            lines = int(await guest.sh(LOG_LINES))
            await guest.sh(SET.format(step))
            await guest.sh("ping -c 3 -i 0.5 10.8.0.2 || ping -c 3 10.8.0.1")
            told = await bed.left.ask("status")
            expect(left - 300 < told["confirm_by"] <= left, f"{step} s: {told['confirm_by']} s to confirm are left of {left}")
            left = told["confirm_by"]
            for each in (*told["sessions"], *await bed.right.sessions()):
                expect(each["session"] == session, f"{guest.name}, {step} s: another session")
                expect(0 <= each["idle_s"] < 60 and each["age_s"] < HOUR, f"{guest.name}, {step} s: {each}")
            most = max(most, int(await guest.sh(LOG_LINES)) - lines)
    expect(most <= MOST_LINES, f"{most} lines in the log for one step of the clock")
    await bed.left.ask("confirm")
    lost = (await bed.right.sh("pkill -INT ping; sleep 1; tail -2 /tmp/pings | head -1")).strip()
    await bed.write_profile(bed.left)
    await bed.left.ask("reload")
    return f"{lost}; at most {most} lines of log for one step; {left:.0f} s of {WINDOW:.0f} were left; {await bed.loss(5)}"


async def begins_in_1970(bed: Bed) -> str:
    """A node that starts before the clock is right, in 1970: it has its session, and keeps it when the clock is set."""
    guest = bed.right
    await guest.sh("date -s @86400 >/dev/null; systemctl restart appliance")
    try:
        await guest.until(SESSION)
        await bed.loss(3)
        session = (await guest.sessions())[0]["session"]
    finally:
        await guest.sh(f"date -s @{time.time():.0f} >/dev/null")
    said = await bed.loss(5)
    expect((await guest.sessions())[0]["session"] == session, "another session after the clock was set")
    expect(not await guest.code(READY), "it is not ready any more")
    return f"one session before and after; {said}"


def _wait_until_asleep(monitor: Monitor) -> None:
    while monitor.execute("query-status")["status"] != "suspended":
        time.sleep(0.2)


ALL: Final = (sleeps, stands_still, clock_is_set, begins_in_1970)
