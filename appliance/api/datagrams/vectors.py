"""What readv(2) and recvmsg(2) must be told, prepared once and not for each call.

Python's own `writev` and `recvmsg_into` look at every buffer of a vector again in each call. For the ninety parts of a cut record
that costs more than the part of the system call that handles them. Here the vector is memory that the kernel reads as it is.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from typing import Final

WORD: Final = ctypes.sizeof(ctypes.c_size_t)
_libc = ctypes.CDLL(None, use_errno=True)

writev = _libc.writev
"""`writev(descriptor, address, count) -> int`: bytes written, or -1; then `last_error()` tells why."""
writev.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
writev.restype = ctypes.c_ssize_t

recvmsg = _libc.recvmsg
"""`recvmsg(descriptor, address, flags) -> int`: bytes received, or -1; then `last_error()` tells why."""
recvmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
recvmsg.restype = ctypes.c_ssize_t

last_error = ctypes.get_errno
AGAIN: Final = errno.EAGAIN


class Vector:
    """An array of struct iovec (POSIX sys/uio.h) over writable buffers."""

    __slots__ = ("_parts", "address", "count", "words")

    def __init__(self, parts: Sequence[memoryview]) -> None:
        self._parts = tuple(parts)  # the memory must stay
        self.count = len(parts)
        """How many parts it has."""
        words = [word for part in parts for word in (_address(part), len(part))]
        self.words = (ctypes.c_size_t * len(words))(*words)
        """Address and length of each part: `words[2 * i + 1]` is the length of part i."""
        self.address = ctypes.addressof(self.words)
        """Where the array is."""


class Message(ctypes.Structure):
    """struct msghdr (POSIX sys/socket.h), for a connected socket."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("vector", ctypes.c_void_p),
        ("parts", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )
    vector: int
    parts: int
    control: int
    control_bytes: int


class Ancillary:
    """Room for one control message that holds an int: after a call that left `control_bytes` in the message it is
    `value[INT_AT]`."""

    BYTES: Final = 8 * WORD
    INT_AT: Final = (WORD + 8) // 4
    """struct cmsghdr: a length of one word, level and type of four bytes each, then the data."""

    def __init__(self) -> None:
        self.value = (ctypes.c_int * (self.BYTES // 4))()
        self.address = ctypes.addressof(self.value)


def _address(part: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(part))
