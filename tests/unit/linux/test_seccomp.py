"""The filter of the worker's system calls, on this kernel."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys

import pytest

from appliance.linux.seccomp import CALLS, MACHINES, program

TRIES = {
    "reading a file": "open('/etc/passwd')",
    "writing a file": "open('/tmp/never', 'w')",
    "a socket": "import socket; socket.socket()",
    "a process": "os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a signal": "os.kill(os.getppid(), 0)",
    "another user": "os.setuid(1)",
    "another namespace": "ctypes.CDLL(None, use_errno=True).unshare(0x10000000) and refused(ctypes.get_errno())",
}
INSIDE = """
import ctypes, os, socket, sys
from appliance.linux import seccomp
def refused(number):
    raise OSError(number, "")
ends = os.pipe()
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
assert seccomp.restrict()
try:
    exec(sys.argv[1])
except OSError as error:
    os.write(ends[1], b"what it has goes on to work")
    os._exit(100 + error.errno if os.read(ends[0], 4) == b"what" else 1)
os._exit(0)
"""

here = pytest.mark.skipif(platform.machine() not in MACHINES, reason="no list for this kind of machine")


@here
@pytest.mark.parametrize("attempt", TRIES.values(), ids=TRIES.keys())
def test_what_the_worker_does_not_do_is_refused(attempt: str) -> None:
    done = subprocess.run([sys.executable, "-c", INSIDE, attempt], capture_output=True, text=True)
    assert done.returncode == 100 + errno.EPERM, done.stderr


@here
@pytest.mark.skipif(sys.maxsize < 2**32, reason="64 bits")
def test_another_abi_ends_the_process() -> None:
    x32 = "ctypes.CDLL(None).syscall(0x40000000 + 39)"
    if platform.machine() != "x86_64":
        pytest.skip("x86-64 has two")
    done = subprocess.run([sys.executable, "-c", INSIDE, f"{x32} == -1 and refused(1)"], capture_output=True, text=True)
    assert done.returncode == 100 + errno.EPERM, done.stderr


def test_every_jump_of_the_program_lands_where_it_should() -> None:
    for machine in MACHINES.values():
        numbers = [number for columns in CALLS.values() if (number := columns[machine.column]) is not None]
        assert len(numbers) == len(set(numbers)) <= 250
        code = program(machine.audit, numbers)
        for number in (*numbers, 59, 0x40000000, 0x40000000 + numbers[0]):
            assert verdict(code, machine.audit, number) == (0x7FFF0000 if number in numbers else 0x50001)
        assert verdict(code, machine.audit ^ 1, numbers[0]) == 0x80000000


def verdict(code: bytes, audit: int, number: int) -> int:
    """What the program says of a call: the four instructions that it uses, by linux/filter.h."""
    at, value = 0, 0
    while True:
        operation, yes, no, k = (
            int.from_bytes(code[at * 8 + i : at * 8 + j], sys.byteorder) for i, j in ((0, 2), (2, 3), (3, 4), (4, 8))
        )
        at += 1
        if operation == 0x20:
            value = {0: number, 4: audit}[k]
        elif operation == 0x06:
            return k
        else:
            assert operation in (0x15, 0x35)
            at += yes if (value == k if operation == 0x15 else value >= k) else no


def test_nothing_that_reaches_outside_is_listed() -> None:
    assert not {"open", "openat", "socket", "connect", "clone", "fork", "execve", "ptrace", "kill", "tgkill", "setuid"} & set(
        CALLS
    )
