"""The Debian package on machines that run it: upgrades and the way back, an upgrade that breaks off, removal."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tests.machines.bed import MTU, PROFILE, SESSION, Bed, Guest, expect
from tests.machines.handing import hand
from tests.machines.packages import SUFFIX, higher
from tests.machines.scenarios.beside import MANAGEMENT

DPKG: Final = "DEBIAN_FRONTEND=noninteractive LC_ALL=C dpkg"
SECOND: Final = """profile: 1
server: {identity: "file:/etc/appliance/second.identity"}
network: {interface: llp9, addresses: [10.9.9.1/24]}
"""
OLD_FILES: Final = "grep -ls '/usr/lib/appliance/.*(deleted)' /proc/[0-9]*/maps || true"
"""Processes that have files of a package that is gone in memory, as needrestart(8) finds them."""
CHANGED: Final = "dpkg --verify appliance | grep -v /usr/share/doc || true"
"""Guests have no documents of packages."""
WRITTEN: Final = "find /usr/lib/appliance -newer /root/marker -name '*.pyc' | head -3"
STATE: Final = "dpkg-query -W -f '${db:Status-Status}' appliance"
HOST: Final = (
    "ip -o link | awk '{print $2}'; ip route show table all | grep -v -E 'wan|mgmt|lo' || true; ip rule; nft list tables; "
    "find /run/appliance /var/lib/appliance /var/lib/appliance-api /usr/lib/appliance 2>/dev/null; "
    "find /etc/systemd /run/systemd/system -name 'appliance*' ! -name appliance.service.d"  # that is the lab's
)


async def upgrades(bed: Bed) -> str:
    """An upgrade under a live overlay with an API server and a second node; the way back with a change that nobody confirmed."""
    guest, other = bed.left, bed.right
    nodes = await _begin(bed, guest)
    await guest.sh("touch /root/marker; date +%s >/root/begun")
    await other.sh("setsid -f ping -i 0.2 -w 300 10.8.0.1 >/root/pings 2>&1")
    await guest.sh(f"{DPKG} -i /root/next.deb")
    back = await guest.until(SESSION)
    await other.sh("pkill -INT ping", check=False)
    pings = (await other.sh("grep -E 'received' /root/pings")).strip()
    starts = await guest.sh("journalctl --no-pager -o cat _PID=1 -u appliance --since @$(cat /root/begun) | grep -c '^Started'")
    expect(starts.strip() == "1", f"the node was started {starts.strip()} times")
    await _is_whole(guest, nodes)
    answer = await guest.sh("curl -sf -H @/root/token http://127.0.0.1:8470/api/v1/status | head -c 60")
    expect("{" in answer, f"the token of before is not good: {answer}")
    pending = (await guest.sh("systemctl show -p NeedDaemonReload --value appliance appliance@second")).split()
    expect(pending == ["no", "no"], f"systemd wants a daemon-reload: {pending}")
    await guest.sh("systemctl reload appliance")
    await guest.sh("systemctl stop appliance@second; rm -f /etc/appliance/second*")
    down = await _back_with_a_change(bed, guest)
    return f"session {back:.1f} s after the upgrade; {pings}; {down}; {await bed.loss(5)}"


async def _begin(bed: Bed, guest: Guest) -> dict[str, int]:
    """An API server with a user and a token, a second node, and the next package. The numbers of the main processes."""
    await bed.write_profile(guest, more=MANAGEMENT)
    await guest.write("/etc/appliance/second.yaml", SECOND, 0o600)
    await guest.sh("appliance keys new /etc/appliance/second.identity")
    await asyncio.gather(_bring_next(bed, guest), guest.sh("appliance apply && systemctl start appliance@second"))
    await guest.until("curl -sf http://127.0.0.1:8470/health")
    await guest.sh(
        'code=$(appliance api users.first_code | grep -oE \'"code": "[^"]+\' | cut -d\'"\' -f4) && '
        'curl -sf -H "content-type: application/json" http://127.0.0.1:8470/api/v1/auth/register '
        '-d "{\\"code\\": \\"$code\\", \\"name\\": \\"alice\\", \\"password\\": \\"correct horse battery\\"}" && '
        "appliance api tokens.create user=alice name=kept scopes:='[\"node.read\"]' seconds:=86400 >/root/made && "
        'sed -n \'s/.*"token": "\\([^"]*\\).*/Authorization: Bearer \\1/p\' /root/made >/root/token && test -s /root/token'
    )
    return {unit: int(await guest.sh(f"systemctl show -p MainPID --value {unit}")) for unit in ("appliance", "appliance@second")}


async def _bring_next(bed: Bed, guest: Guest) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = await asyncio.to_thread(higher, bed.package, bed.suite, Path(folder))
        await hand(guest, made, "/root/next.deb")
    await hand(guest, bed.package, "/root/first.deb")


async def _is_whole(guest: Guest, before: dict[str, int]) -> None:
    """After another version was installed: all is of that version, and as the package has it."""
    version = await guest.sh("appliance version")
    expect(SUFFIX in version, f"this version runs: {version}")
    for unit, pid in before.items():
        await guest.until(f"test $(systemctl show -p ActiveState --value {unit}) = active")
        expect(
            int(await guest.sh(f"systemctl show -p MainPID --value {unit}")) not in (0, pid), f"{unit} is the process of before"
        )
    expect(not (old := await guest.sh(OLD_FILES)), f"processes of the version before: {old}")
    expect(not (changed := await guest.sh(CHANGED)), f"not as in the package: {changed}")
    expect(not (written := await guest.sh(WRITTEN)), f"Python compiled again: {written}")
    users = await guest.sh("ps -o user= -C python | sort | uniq -c; ls -ld /var/lib/appliance-api")
    expect("appliance-api" in users, f"whose processes there are: {users}")


async def _back_with_a_change(bed: Bed, guest: Guest) -> str:
    """The version before over the next one, while a change waits to be confirmed: that is refused, as after every end."""
    await bed.write_profile(guest, mtu=1380)
    await guest.sh("appliance apply --confirm-within 30min")
    expect(await guest.mtu() == 1380, "the change is not in force")
    await guest.sh(f"{DPKG} -i /root/first.deb")
    taken = await guest.until(SESSION)
    expect(await guest.mtu() == MTU, f"the change that nobody confirmed outlived the other version: MTU {await guest.mtu()}")
    version = await guest.sh("appliance version")
    expect(SUFFIX not in version, f"this version runs: {version}")
    await bed.write_profile(guest)
    await guest.sh("appliance apply; rm -f /root/*.deb")
    return f"session {taken:.1f} s after the way back, without the change"


async def upgrades_that_break_off(bed: Bed) -> str:
    """dpkg that ends before postinst, a postinst that is killed, a full disk: the overlay goes on, and it can be mended."""
    guest = bed.right
    pid = await guest.pid()
    await _bring_next(bed, guest)
    await guest.sh(f"{DPKG} --unpack /root/next.deb")
    expect(await guest.pid() == pid, "the node was restarted before the package was configured")
    said = [f"unpacked only: {await bed.loss(3)}"]
    await guest.sh(
        f"{DPKG} --configure appliance >/dev/null 2>&1 & "
        "until pkill -KILL -f '[a]ppliance.postinst configure'; do kill -0 $! || exit 1; done; wait; true"
    )
    said.append(f"postinst killed: {await guest.sh(STATE)}")
    expect("half-configured" in said[-1], said[-1])
    await guest.until(SESSION)
    await guest.sh(f"{DPKG} --configure -a")
    await guest.until(f"{SESSION} && test $(systemctl show -p MainPID --value appliance) != {pid}")
    expect(not (old := await guest.sh(OLD_FILES)), f"processes of the version before: {old}")
    pid = await guest.pid()
    await guest.sh("fallocate -l $(($(df --output=avail -k / | tail -1) - 30000))K /filler")
    code = await guest.code(f"{DPKG} -i /root/first.deb")
    expect(code != 0, "what does not fit was installed")
    state, version = await guest.sh(STATE), await guest.sh("appliance version")
    expect(state == "installed" and SUFFIX in version, f"with a full disk: {state}, {version}")
    expect(await guest.pid() == pid, "the node did not outlive it")
    said.append(f"disk full: dpkg ends with {code}, {await bed.loss(3)}")
    await guest.sh(f"rm /filler; {DPKG} -i /root/first.deb; rm -f /root/*.deb")
    await guest.until(SESSION)
    return "; ".join(said)


async def is_removed(bed: Bed) -> str:
    """Removal and purge under a running node: only what an admin wrote stays, on disk and in the kernel; installed again."""
    guest = bed.left
    await hand(guest, bed.package, "/root/first.deb")
    await guest.write("/etc/appliance/admin.txt", "mine\n")
    await guest.sh(f"{DPKG} --remove appliance")
    left = await guest.sh(HOST)
    expect("llp0" not in left and "appliance" not in left.replace("/var/lib/appliance", ""), f"after removal: {left}")
    await guest.sh(f"{DPKG} --purge appliance")
    left = await guest.sh(HOST)
    expect("appliance" not in left, f"after purge: {left}")
    kept = (await guest.sh("ls /etc/appliance")).split()
    expect({"admin.txt", PROFILE.name, "identity"} <= set(kept), f"of an admin's files there are: {kept}")
    expect(await guest.code("getent passwd appliance appliance-api") == 0, "the users are gone")
    await guest.sh(f"{DPKG} -i /root/first.deb; rm /root/first.deb /etc/appliance/admin.txt")
    states = await guest.sh("systemctl is-enabled appliance; systemctl is-active appliance", check=False)
    expect(states.split() == ["disabled", "inactive"], f"installed anew, it is {states}")
    preset = await guest.sh("systemctl preset appliance 2>/dev/null; systemctl is-enabled appliance", check=False)
    await guest.sh("systemctl enable -q --now appliance")
    taken = await guest.until(SESSION)
    said = f"kept: {', '.join(kept)}; by Debian's preset {preset.strip()}"
    return f"{said}; session {taken:.1f} s after enable --now; {await bed.loss(3)}"


ALL: Final = (upgrades, upgrades_that_break_off, is_removed)
