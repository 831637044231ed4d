"""What a sample of a profiler means: was the processor in the kernel, in cryptography, or in the interpreter? Pure.

Two kinds of input: lines of `perf report --sort dso` (a share and the object that held the instruction), and stacks of
`py-spy record --native -f raw` (frames from the outermost to the innermost, then how often). py-spy sees no kernel: there a
system call's wrapper in the C library stands for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

KERNEL: Final = "kernel"
CRYPTO: Final = "crypto"
INTERPRETER: Final = "interpreter"
FLOORS: Final = (KERNEL, CRYPTO, INTERPRETER)
CRYPTO_OBJECTS: Final = re.compile(r"_rust\.abi3\.so|libcrypto|libssl")
KERNEL_OBJECTS: Final = re.compile(r"\[kernel|\[guest|\.ko\b|\[(?:veth|tun|nf_|bridge)")
SYSTEM_CALLS: Final = re.compile(
    "_*(libc_|GI_)?_*(readv?|writev?|(recv|send)(from|to|msg|mmsg)?|p?poll|epoll_p?wait|p?select|ioctl|syscall|[gs]etsockopt|"
    "clock_nanosleep|futex|accept4?)"
)
_PERF = re.compile(r"^\s*([\d.]+)%\s+(\S+)")
_FRAME = re.compile(r"^(?P<name>.*) \((?P<object>[^()]*)\)$")
_PYTHON = re.compile(r"\.py(?::\d+)?$")


def from_perf(report: str) -> dict[str, float]:
    """Shares by floor; they add up to one."""
    counts: dict[str, float] = {}
    for line in report.splitlines():
        if found := _PERF.match(line):
            floor = floor_of_object(found[2])
            counts[floor] = counts.get(floor, 0.0) + float(found[1])
    return shares(counts)


def floor_of_object(name: str) -> str:
    """Of the file that holds an instruction, or the kernel's name for itself."""
    if KERNEL_OBJECTS.search(name):
        return KERNEL
    return CRYPTO if CRYPTO_OBJECTS.search(name) else INTERPRETER


def from_stacks(text: str) -> dict[str, float]:
    """Shares by floor; they add up to one."""
    counts: Counter[str] = Counter()
    for frames, count in _stacks(text):
        counts[_floor_of_frame(frames[-1])] += count
    return shares(counts)


def busiest(text: str, most: int = 8) -> dict[str, float]:
    """The share of each Python function, with what it calls outside Python, the largest first."""
    counts: Counter[str] = Counter()
    total = 0
    for frames, count in _stacks(text):
        total += count
        python = next(
            (found for frame in reversed(frames) if (found := _FRAME.match(frame)) and _PYTHON.search(found["object"])), None
        )
        if python is not None:
            counts[f"{_short(python['object'])} {python['name']}"] += count
    return {name: round(count / total, 4) for name, count in counts.most_common(most)} if total else {}


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Each floor's part of all; empty when there is nothing."""
    total = sum(counts.values())
    return {floor: round(counts.get(floor, 0) / total, 4) for floor in FLOORS} if total else {}


def _floor_of_frame(frame: str) -> str:
    found = _FRAME.match(frame)
    if found is None:
        return INTERPRETER
    if found["object"].startswith("libc.so") and SYSTEM_CALLS.fullmatch(found["name"]):
        return KERNEL
    return CRYPTO if CRYPTO_OBJECTS.search(found["object"]) else INTERPRETER


def _stacks(text: str) -> Iterable[tuple[list[str], int]]:
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdecimal():
            yield stack.split(";"), int(count)


def _short(path: str) -> str:
    return re.sub(r":\d+$", "", path)
