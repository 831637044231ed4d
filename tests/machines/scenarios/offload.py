"""Cards with and without checksum offload: before Linux 6.11 a card without it refuses segments that the kernel is to cut."""

from __future__ import annotations

import json
from typing import Final

from tests.machines.bed import Bed, Guest, expect

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


async def _speeds(guest: Guest) -> str:
    told = []
    for label, option in (("out", ""), ("in", "-R")):
        answer = json.loads(await guest.sh(f"{SPEED.format(address='10.8.0.1', seconds=4)} {option}", check=False))
        told.append(f"{label} {answer['end']['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s")
    return ", ".join(told)


ALL: Final = (throughput,)
