"""WireGuard, the kernel's and wireguard-go where that is at hand, on the same wire as ours. Without KVM an instruction costs ten:
these figures compare with each other only."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.machines.bed import MTU, Bed, Guest, expect
from tests.perf.bench import wireguard

WIRE: Final = "192.0.2.{}"
OURS: Final = "10.8.0.{}"
RIVALS: Final = {"kernel": ("10.9.0.{}", 51820), "go": ("10.9.1.{}", 51821)}
"""By their words: the address of the first or second host inside, and the UDP port."""
GO: Final = "/usr/local/bin/wireguard-go"
ROUNDS: Final = 2
FLOW: Final = "iperf3 -J -c {address} -t 1 {option}"


async def rival(bed: Bed) -> str:
    """TCP both ways and round trips by ours, the kernel's WireGuard, wireguard-go if it is here, and the bare wire, in turn."""
    ways = {"wire": WIRE, "ours": OURS}
    try:
        for word in await _begin(bed):
            ways[word] = RIVALS[word][0]
        await bed.left.sh("pkill iperf3; setsid -f iperf3 -s >/dev/null 2>&1; until ss -ltn | grep -q :5201; do sleep 0.2; done")
        measured = [await _round(bed.right, ways) for _ in range(ROUNDS + 1)][1:]  # qemu translates during the first
    finally:
        await _end(bed)
    told = []
    for what, unit in (("out", "Mbit/s"), ("in", "Mbit/s"), ("ping", "ms")):
        medians = {word: statistics.median(each[word][what] for each in measured) for word in ways}
        ratios = ", ".join(f"{word} {medians['ours'] / medians[word]:.2f}" for word in ways if word != "ours")
        told.append(
            f"{what}: {', '.join(f'{word} {value:.3g}' for word, value in medians.items())} {unit} (ours against {ratios})"
        )
    return "; ".join(told)


async def _begin(bed: Bed) -> list[str]:
    """Both hosts have each rival's device. The words of those that there are."""
    words = ["kernel"]
    found = wireguard.program()
    if found is not None:
        words.append("go")
        for guest in bed.both:
            await asyncio.to_thread(guest.machine.put, Path(GO), Path(found).read_bytes(), 0o755)
    for word in words:
        keys = [(await guest.sh(f"umask 077; wg genkey | tee /run/{word}.key | wg pubkey")).strip() for guest in bed.both]
        for number, guest in enumerate(bed.both):
            await _device(guest, word, number + 1, keys[1 - number])
    for word in words:
        await bed.right.until(f"ping -c 1 -W 5 {RIVALS[word][0].format(1)}")
    return words


async def _device(guest: Guest, word: str, number: int, peer: str) -> None:
    inside, port = RIVALS[word]
    make = "modprobe wireguard && ip link add kernel type wireguard" if word == "kernel" else f"{GO} {word}"
    await guest.sh(
        f"{make} && ip address add {inside.format(number)}/24 dev {word} && ip link set {word} mtu {MTU} up && "
        f"wg set {word} listen-port {port} private-key /run/{word}.key peer {peer} allowed-ips 0.0.0.0/0 "
        f"endpoint {WIRE.format(3 - number)}:{port}"
    )


async def _round(guest: Guest, ways: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Each way once: Mbit/s and the median round trip in milliseconds."""
    measured: dict[str, dict[str, float]] = {}
    for word, address in ways.items():
        measured[word] = {}
        for what, option in (("out", ""), ("in", "-R")):
            told = json.loads(await guest.sh(FLOW.format(address=address.format(1), option=option)))
            measured[word][what] = told["end"]["sum_received"]["bits_per_second"] / 1e6
        lines = (await guest.sh(f"ping -c 20 -i 0.05 -W 5 {address.format(1)}")).splitlines()
        times = [float(line.rpartition("time=")[2].split()[0]) for line in lines if "time=" in line]
        expect(bool(times), f"{word}: no echo comes back")
        measured[word]["ping"] = statistics.median(times)
    return measured


async def _end(bed: Bed) -> None:
    for guest in bed.both:
        await guest.sh(
            f"pkill iperf3; pkill wireguard-go; ip link del kernel; rm -f /run/kernel.key /run/go.key {GO}", check=False
        )


ALL: Final = (rival,)
