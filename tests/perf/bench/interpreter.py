"""What an interpreter costs that does nothing: the measure for the memory and the start of a node, which is two of them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from statistics import median
from typing import NamedTuple

PROGRAM = "print(open('/proc/self/status').read())"
TIMES = 5


class Interpreter(NamedTuple):
    """Medians of some starts: resident memory, and seconds from the start to the end."""

    memory_bytes: float
    seconds: float


def measure() -> Interpreter:
    """Start some, one after the other."""
    found = [_once() for _ in range(TIMES)]
    return Interpreter(median(each.memory_bytes for each in found), median(each.seconds for each in found))


def _once() -> Interpreter:
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-I", "-c", PROGRAM], capture_output=True, text=True, check=True)
    resident = re.search(r"^VmRSS:\s+(\d+) kB", done.stdout, re.MULTILINE)
    assert resident is not None
    return Interpreter(int(resident[1]) * 1024, time.perf_counter() - begun)
