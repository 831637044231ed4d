"""The life of a node as a service: boots, its sandbox, reloads, processes that stand still, its journal, its end."""

from __future__ import annotations

import json
import re
from typing import Final

from tests.machines.bed import MTU, PROFILE, READY, SESSION, Bed, expect

OPEN_TUN = """
import fcntl, struct
device = open('/dev/net/tun', 'r+b', buffering=0)
try: fcntl.ioctl(device, 0x400454CA, struct.pack('16sH22x', b'llp0', {flags}))
except OSError as error: print(error.errno)
else: print(0)
"""
MOST_EXPOSED: Final = 2.5
"""What `systemd-analyze security` may give the service at most, of 10: "OK" begins at 2.0, "MEDIUM" at 5.0."""


async def machines(bed: Bed) -> str:
    """Which system this is; nodes, sessions and echoes both ways over IPv4 and IPv6."""
    told = []
    for guest in bed.both:
        words = (await guest.sh("uname -r; python3 -V; systemctl --version | head -1")).split("\n")
        told.append(f"{guest.name}: " + ", ".join(filter(None, map(str.strip, words))))
    times = [
        await guest.sh("systemctl show appliance -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic --value")
        for guest in bed.both
    ]
    starts = [abs(int(begun) - int(ready)) / 1e6 for begun, ready in (each.split() for each in times)]
    return f"{'; '.join(told)}; starts took {starts[0]:.1f} s and {starts[1]:.1f} s; {await bed.loss()}"


async def boots(bed: Bed) -> str:
    """A loss of power: the node starts at boot, and the session is there again without a hand on it."""
    guest = bed.left
    await guest.sh("sync")
    await guest.boot_again()
    taken = await guest.until(SESSION)
    booted = await guest.sh("systemd-analyze time | head -1; systemctl is-system-running || true")
    ordered = await guest.sh(
        "systemctl show -p Before -p After --value appliance | tr ' ' '\\n' | grep -E '^network(-online)?.target$'"
    )
    return f"session {taken:.1f} s after the node; {' '.join(booted.split())}; {', '.join(ordered.split())}; {await bed.loss(5)}"


async def sandbox(bed: Bed) -> str:
    """`systemd-analyze security` of the running service, the worker's rights, an ordinary user at the TUN device: EPERM."""
    guest = bed.left
    score = (await guest.sh("systemd-analyze --no-pager security appliance.service | tail -1")).strip()
    exposed = float(re.findall(r"\d+\.\d+", score)[0])
    expect(exposed <= MOST_EXPOSED, score)
    worker = (await guest.status())["worker"]["pid"]
    script = "grep -E '^(Uid|CapEff|Seccomp_filters):' /proc/{}/status | awk '{{print $2}}'"
    user, capabilities, filters = (await guest.sh(script.format(worker))).split()
    expect(user == (await guest.sh("id -u appliance")).strip(), f"the worker's user is {user}")
    expect(int(capabilities, 16) == 0, f"the worker has capabilities {capabilities}")
    others = (await guest.sh(script.format(await guest.pid()))).split()[2]
    expect(int(filters) == int(others) + 1, f"{filters} filters in the worker, {others} in the control process")
    await guest.sh("id -u mallory >/dev/null 2>&1 || useradd -m mallory")
    codes = []
    for flags in ("0x5001", "0x5101"):
        await guest.write("/tmp/open.py", OPEN_TUN.format(flags=flags))
        codes.append((await guest.sh("runuser -u mallory python3 /tmp/open.py")).strip())
    expect(set(codes) <= {"1", "22"} and "1" in codes, f"an ordinary user's TUNSETIFF gave {codes}")
    return f"{score}; the worker is appliance, without capabilities, filtered; TUNSETIFF by a user: errno {' and '.join(codes)}"


async def reloads(bed: Bed) -> str:
    """`systemctl reload` brings a changed profile into force in the same session, and says why it does not a wrong one."""
    guest = bed.left
    session = (await bed.right.status())["sessions"][0]["session"]
    pid = await guest.pid()
    await bed.write_profile(guest, mtu=1390)
    await guest.sh("systemctl reload appliance")
    expect(await guest.mtu() == 1390, f"after the reload the MTU is {await guest.mtu()}")
    await guest.write(PROFILE, bed.profile(guest).replace("mtu:", "mut:"), 0o600)
    code = await guest.code("systemctl reload appliance")
    expect(code != 0, "a reload of a wrong profile succeeded")
    said = await guest.sh("journalctl -u appliance -n 20 --no-pager -o cat")
    expect("mut" in said, f"the journal does not say what is wrong: {said}")
    await bed.write_profile(guest)
    await guest.sh("systemctl reload appliance")
    expect(await guest.mtu() == MTU, "the profile of before is not back")
    expect(await guest.pid() == pid, "it was another process at the end")
    same = (await bed.right.status())["sessions"][0]["session"] == session
    expect(same, "the session was lost")
    return f"in one process and one session; a wrong profile ended the reload with {code}; {await bed.loss(5)}"


async def restarts(bed: Bed) -> str:
    """`systemctl restart`: the other side does nothing, and has a session again."""
    guest = bed.left
    await guest.sh("systemctl restart appliance")
    taken = await guest.until(SESSION)
    return f"session {taken:.1f} s after the restart; {await bed.loss(5)}"


async def stopped_worker(bed: Bed) -> str:
    """SIGSTOP of the worker: it is replaced, and traffic is back."""
    guest = bed.left
    worker = (await guest.status())["worker"]["pid"]
    await guest.sh(f"kill -STOP {worker}")
    taken = await guest.until("appliance status --json | grep -q '\"restarts\": [1-9]' && ping -c 1 -W 2 10.8.0.2")
    words = await guest.sh("journalctl -u appliance --no-pager -o cat | grep -E 'does not answer|restarted' | tail -2")
    return f"traffic back after {taken:.1f} s; the log: {' / '.join(words.strip().splitlines())}; {await bed.loss(5)}"


async def stopped_daemon(bed: Bed) -> str:
    """SIGSTOP of the control process: a reload fails soon and does nothing later, systemd's watchdog starts it anew."""
    guest = bed.left
    pid = await guest.pid()
    await bed.write_profile(guest, mtu=1340)
    await guest.sh(f"kill -STOP {pid}")
    code = await guest.code("timeout 60 systemctl reload appliance")
    await bed.write_profile(guest)
    expect(code != 0, "the reload of a stopped daemon succeeded")
    taken = await guest.until(f"test $(systemctl show -p MainPID --value appliance) != {pid} && {READY}")
    expect(await guest.mtu() == MTU, f"the reload was carried out all the same: MTU {await guest.mtu()}")
    words = (await guest.sh("journalctl -u appliance --no-pager -o cat | grep -iE 'watchdog' | tail -1")).strip()
    await guest.until(SESSION)
    return f"reload ended with {code}; systemd: {words}; running again {taken:.1f} s later; {await bed.loss(5)}"


async def profiles_elsewhere(bed: Bed) -> str:
    """`apply PATH` below /root, /home, /tmp, which the service cannot see: taken over, or the message says why."""
    guest, told = bed.left, []
    for number, path in enumerate(("/root/p.yaml", "/home/p.yaml", "/tmp/p.yaml")):
        await guest.write(path, bed.profile(guest, mtu=1330 - number), 0o600)
        answer = (await guest.sh(f"appliance apply {path}", check=False)).strip()
        expect(await guest.mtu() == 1330 - number or "hint" in answer, f"{path}: {answer}")
        told.append(f"{path}: MTU {await guest.mtu()}")
    await guest.sh("systemctl restart appliance")
    await guest.until(READY)
    told.append(f"after a restart MTU {await guest.mtu()}")
    await guest.sh(f"appliance apply {PROFILE}", check=False)
    await guest.until(SESSION)
    return "; ".join(told)


async def journal(bed: Bed) -> str:
    """`journalctl PEER=right -o json` has fields to ask for, and nothing twice in the text."""
    found = (await bed.left.sh("journalctl PEER=right -o json -n 1 --no-pager")).strip()
    expect(bool(found), "no entry with PEER=right")
    entry = json.loads(found)
    expect(" node=" not in entry["MESSAGE"] and not entry["MESSAGE"].startswith("info"), entry["MESSAGE"])
    return ", ".join(
        f"{name}={entry[name]}" for name in ("PRIORITY", "COMPONENT", "NODE", "PEER", "SESSION", "MESSAGE") if name in entry
    )


async def node_stops(bed: Bed) -> str:
    """`systemctl stop` leaves no device, nothing below /run/appliance, no route, rule or table."""
    guest = bed.left
    await guest.sh("systemctl stop appliance")
    expect(await guest.code("ip link show llp0") != 0, "the device is still there")
    left = (await guest.sh("find /run/appliance -mindepth 1")).split()
    expect(not left, f"left: {left}")
    changes = guest.host.changes()
    expect(not changes, f"left: {changes}")
    active = await guest.sh("systemctl is-active appliance || true")
    await guest.sh("systemctl start appliance")
    await guest.until(SESSION)
    return f"{active.strip()}; nothing is left"


ALL: Final = (machines, reloads, restarts, sandbox, stopped_worker, stopped_daemon, profiles_elsewhere, journal, boots)
