"""A node beside the programs that rule a host's network on Debian: systemd-networkd, systemd-resolved and
NetworkManager; and AppArmor."""

from __future__ import annotations

import re
from typing import Final

from tests.machines.bed import SESSION, Bed, Guest, expect
from tests.machines.scenarios.beside import MANAGEMENT, SERVED, more, stops_and_starts

ROUTING: Final = "ip rule; ip -6 rule; ip route show table all proto 76; ip -6 route show table all proto 76"
EVERYTHING: Final = """
network:
  full_tunnel: true
  routes: [{{to: 10.99.0.0/24, via: 192.0.2.2, device: wan}}, {{to: 0.0.0.0/0, via: 192.0.2.2, device: wan, table: 98}}]
  rules: [{{from: 10.98.0.0/24, table: 98, priority: 1000}}]
peers:
  - {{name: right, identity: "{identity}", allowed: [10.8.0.2/32, "fd00:8::2/128", 0.0.0.0/0, "::/0"]}}
"""
"""Routes over another interface, tables and rules: all that a profile can want of routing."""
RESTART: Final = "systemctl restart systemd-networkd"
MASKED: Final = "/etc/systemd/networkd.conf.d/50-appliance.conf"
WITHOUT_OURS: Final = "without our word to it"
DEEDS: Final = {
    "restart": RESTART,
    "reload": "networkctl reload",
    "reconfigure": "networkctl reconfigure wan",
    WITHOUT_OURS: f"mkdir -p {MASKED.rpartition('/')[0]}; ln -s /dev/null {MASKED}; {RESTART}",
}
MONITORED: Final = "setsid -f sh -c 'echo $$ >/tmp/monitor.pid; exec ip monitor route rule >/tmp/monitored 2>&1'"
REPAIRED: Final = "test $(appliance status --json | grep -o '\"repaired\": [0-9]*' | cut -d' ' -f2) -gt {before}"
CONFIGURED: Final = "networkctl status wan | grep -q '(configured)'"
MANAGER: Final = "/etc/NetworkManager"
WIRE: Final = """[connection]
id=wan
type=ethernet
interface-name=wan
[ipv4]
method=manual
address1=192.0.2.1/24
[ipv6]
method=manual
address1=2001:db8::1/64
"""
MANAGED: Final = "nmcli -g DEVICE,STATE device | grep -q '^wan:connected$'"
MANAGERS_DEEDS: Final = ("systemctl restart NetworkManager", "nmcli connection up wan", "nmcli device reapply wan")
BACK_TO_NETWORKD: Final = (
    f"rm {MANAGER}/conf.d/50-lab.conf {MANAGER}/system-connections/wan.nmconnection; "
    f"ip address flush dev wan; ip link set wan down; {RESTART}"
)
"""What NetworkManager put there has no route of its own, and systemd-networkd would take it for what it wants itself."""
LINKED: Final = "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"
"""As Debian's package leaves the file."""


async def networkd(bed: Bed) -> str:
    """systemd-networkd is restarted and reloaded: routes and rules stay; without our word to it they come back by themselves."""
    guest, told = bed.left, []
    identity = re.findall(r"llp1:\w+", bed.profile(guest))[0]
    async with more(guest, EVERYTHING.format(identity=identity)):
        await guest.write("/tmp/wanted", await guest.sh(ROUTING))
        await guest.sh(MONITORED)
        try:
            for deed, script in DEEDS.items():
                before = (await guest.status())["host"]["repaired"]
                await guest.sh(f"{script}; sleep 1")
                await guest.until(CONFIGURED if deed != WITHOUT_OURS else REPAIRED.format(before=before))
                await guest.until(f"{{ {ROUTING}; }} | cmp -s - /tmp/wanted")
                lost = int(await guest.sh("grep -c 'Deleted.*proto 76' /tmp/monitored || true"))
                expect(bool(lost) == (deed == WITHOUT_OURS), f"{deed}: {lost} routes and rules of the node were deleted")
                told.append(f"{deed}: {lost} deleted")
        finally:
            await guest.sh(f"kill $(cat /tmp/monitor.pid); rm {MASKED}; {RESTART}", check=False)
        log = await guest.sh("journalctl -u appliance --no-pager -o cat | grep 'brought back' | tail -1", check=False)
    return f"{'; '.join(told)}; the log: {log.strip()}; {await bed.loss(5)}"


async def resolved(bed: Bed) -> str:
    """systemd-resolved as Debian ships it asks the node about peers, after its own restart too, and forgets that at the end."""
    guest = bed.left
    before = await guest.sh("cat /etc/resolv.conf")
    await guest.sh(f"{LINKED} && systemctl start systemd-resolved")
    try:
        async with more(guest, "names: {label: home}\n"):
            for deed in ("true", "systemctl restart systemd-resolved"):
                await guest.sh(deed)
                await guest.until("getent ahostsv4 right.home | grep -q ^10.8.0.2 && resolvectl query right.home | grep -q llp0")
            short = await guest.sh("getent hosts right && getent hosts 10.8.0.2")
            theirs = "resolvectl dns wan; readlink /etc/resolv.conf; grep -v ^search /etc/resolv.conf; cat /etc/nsswitch.conf"
            await stops_and_starts(guest, theirs)
            await guest.until("getent ahostsv4 right.home")
        expect("10.8.0.1" not in await guest.sh("resolvectl dns"), "it is still told to ask the node")
    finally:
        await guest.sh("systemctl stop systemd-resolved; rm -f /etc/resolv.conf", check=False)
        await guest.write("/etc/resolv.conf", before)
    return f"{' / '.join(short.split(chr(10))).strip(' /')}; {await bed.loss(5)}"


async def network_manager(bed: Bed) -> str:
    """NetworkManager in the place of systemd-networkd: the overlay's interface is none of its business; restarts pass."""
    guest, told, state = bed.left, [], ""
    identity = re.findall(r"llp1:\w+", bed.profile(guest))[0]
    await guest.write(f"{MANAGER}/conf.d/50-lab.conf", "[keyfile]\nunmanaged-devices=interface-name:mgmt\n")
    await guest.write(f"{MANAGER}/system-connections/wan.nmconnection", WIRE, 0o600)
    await guest.sh("systemctl stop systemd-networkd.socket systemd-networkd && systemctl start NetworkManager")
    try:
        await guest.until(MANAGED)
        async with more(guest, EVERYTHING.format(identity=identity)):
            await guest.write("/tmp/wanted", await guest.sh(ROUTING))
            for deed in MANAGERS_DEEDS:
                await guest.sh(deed)
                await guest.until(f"{MANAGED} && {{ {ROUTING}; }} | cmp -s - /tmp/wanted")
                state = (await guest.sh("nmcli -g GENERAL.STATE device show llp0")).strip()
                expect("external" in state, f"after {deed}, llp0 is {state}")
                told.append(f"{deed}: {await bed.loss(5)}")
            await stops_and_starts(guest, "nmcli -g DEVICE,STATE,CONNECTION device | grep -v llp0; cat /etc/resolv.conf")
    finally:
        await guest.sh(f"systemctl stop NetworkManager; {BACK_TO_NETWORKD}", check=False)
    await guest.until(SESSION)
    return f"llp0 is {state}; {'; '.join(told)}; with systemd-networkd again: {await bed.loss(5)}"


async def apparmor(bed: Bed) -> str:
    """AppArmor is on, and has refused the nodes of both hosts, and an API server, nothing in all their lives here."""
    async with more(bed.left, MANAGEMENT):
        await bed.left.until(f"curl -sf {SERVED}/health && appliance api users.first_code")
    told = [await _refused(guest) for guest in bed.both]
    return "; ".join(told)


async def _refused(guest: Guest) -> str:
    expect(await guest.code("aa-status --enabled") == 0, f"{guest.name}: AppArmor is off")
    denied = await guest.sh("journalctl -k --no-pager -o cat | grep -F 'apparmor=\"DENIED\"' || true")
    expect("appliance" not in denied, f"{guest.name}: {denied}")
    profiles = await guest.sh("aa-status --profiled")
    return f"{guest.name}: {profiles.strip()} profiles, {len(denied.splitlines())} refusals, none of the node's"


ALL: Final = (networkd, resolved, network_manager)
