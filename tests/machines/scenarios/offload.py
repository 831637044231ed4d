"""Cards with and without checksum offload: before Linux 6.11 a card without it refuses segments that the kernel is to cut."""

from __future__ import annotations

import json
from typing import Final

from tests.machines.bed import Bed, Guest, expect

USO_SINCE: Final = (6, 2)
"""Linux takes datagrams at a TUN device that it is to cut (TUN_F_USO4)."""
CUTS_ANYWAY_SINCE: Final = (6, 11)
"""Linux cuts datagrams by UDP_SEGMENT on cards that compute no checksums."""
SPEED = "iperf3 -J -c {address} -t {seconds} -O 1"


async def throughput(bed: Bed) -> str:
    """Transfers both ways; `ethtool -K wan tx off` and `on` under way: they go on in the same session."""
    await bed.left.sh("pkill iperf3; setsid -f iperf3 -s >/dev/null 2>&1; sleep 1", check=False)
    cards = [
        await guest.sh("ethtool -k wan | grep -E 'tx-checksumming|tx-udp-segmentation' | tr -d '\\t\\n'") for guest in bed.both
    ]
    expect("tx-checksumming: off" in cards[0] and "tx-checksumming: on" in cards[1], f"the cards are not as wanted: {cards}")
    told = [f"left has no offload, right has: {await _speeds(bed.right)}"]
    for state in ("off", "on"):
        before = (await bed.right.status())["sessions"][0]["session"]
        await bed.right.sh("setsid -f iperf3 -c 10.8.0.1 -t 12 -J >/tmp/switched.json 2>&1; sleep 4")
        await bed.right.sh(f"ethtool -K wan tx {state}")
        await bed.right.until("! pgrep -x iperf3 >/dev/null")
        seconds = [
            part["sum"]["bits_per_second"] / 1e6 for part in json.loads(await bed.right.sh("cat /tmp/switched.json"))["intervals"]
        ]
        expect(sum(seconds[-5:]) > 0, f"tx {state}: nothing came through after the switch: {seconds}")
        expect((await bed.right.status())["sessions"][0]["session"] == before, f"tx {state}: the session was lost")
        told.append(f"{state} under way: {' '.join(f'{each:.0f}' for each in seconds)} Mbit/s")
    await bed.left.sh("pkill iperf3", check=False)
    said = (await bed.right.sh("journalctl -u appliance --no-pager -o cat | grep -i offload | tail -1", check=False)).strip()
    return "; ".join([*told, await bed.loss(5), f"right's log: {said or 'nothing of offloads'}"])


async def kernels(bed: Bed) -> str:
    """Each kernel's own: USO at the TUN from 6.2 on, EIO without checksum offload before 6.11, as `status` says."""
    told = []
    for guest, other, computes in ((bed.left, 2, False), (bed.right, 1, True)):
        release = (await guest.sh("uname -r")).strip()
        number = tuple(map(int, release.split(".")[:2]))
        await guest.sh(f"ping -q -c 3 -i 0.2 -W 10 -s 20000 10.8.0.{other}")  # echoes that are cut into a dozen datagrams
        status = await guest.status()
        offloads = set(status["worker"]["offloads"])
        expect({"csum", "tso4", "tso6"} <= offloads, f"{guest.name}: the TUN device has only {offloads}")
        expect(({"uso4", "uso6"} <= offloads) == (number >= USO_SINCE), f"{guest.name}, Linux {release}: the TUN has {offloads}")
        wanted = None if computes or number >= CUTS_ANYWAY_SINCE else "EIO"
        [session] = status["sessions"]
        expect(session["path_mtu"] != "error", f"{guest.name}: what the path takes is not found out")
        mistakes = await guest.sh("journalctl -b -u appliance --no-pager -o cat | grep 'please report' | tail -1", check=False)
        expect(not mistakes.strip(), f"{guest.name}: {mistakes}")
        expect(session["offload_problem"] == wanted, f"{guest.name}, Linux {release}: {session['offload_problem']}, not {wanted}")
        lines = [line for line in (await guest.sh("appliance status")).splitlines() if line.startswith("offload ")]
        expect(bool(lines) == (wanted is not None), f"{guest.name}: `appliance status` says {lines}")
        told.append(f"{guest.name}, Linux {release}: {', '.join(sorted(offloads))}; UDP_SEGMENT {wanted or 'used'}")
    return "; ".join(told)


async def _speeds(guest: Guest) -> str:
    told = []
    for label, option in (("out", ""), ("in", "-R")):
        answer = json.loads(await guest.sh(f"{SPEED.format(address='10.8.0.1', seconds=4)} {option}", check=False))
        told.append(f"{label} {answer['end']['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s")
    return ", ".join(told)


ALL: Final = (kernels, throughput)
