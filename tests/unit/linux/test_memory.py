from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from appliance.linux import memory


class Mistake(Exception):
    pass


def test_nobody_looks_for_garbage_in_what_grows() -> None:
    with memory.growing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_ends_it_too() -> None:
    with pytest.raises(Mistake), memory.growing():
        raise Mistake
    assert gc.isenabled()


def test_it_leaves_alone_what_a_start_has_switched_off() -> None:
    gc.disable()
    try:
        with memory.growing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_command_that_reads_a_profile_looks_for_no_garbage() -> None:
    opened = "open_profile('profiles/office-gateway.yaml')"
    code = f"import gc; from appliance.cli.opening import open_profile; {opened}; print(gc.isenabled())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_large_blocks_go_back_to_the_kernel_each_time() -> None:
    code = """
from pathlib import Path
from appliance.linux import memory
def resident():
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")).split()[1])
memory.map_apart(1 << 20)
before = resident()
for _ in range(3):
    large = bytearray(24 << 20)
    large[::4096] = bytes(len(large[::4096]))
    small = bytearray(4096)  # stands above it, if it came from the heap
    del large
print(resident() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 8 * 1024
