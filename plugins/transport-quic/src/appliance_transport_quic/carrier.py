"""The carrier: a process that speaks QUIC for the links of one transport, so that the node need not.

    python -m appliance_transport_quic.carrier FD

FD is a SEQPACKET socket to the node. What it says, each one message of JSON, some with descriptors:

    {"listens", "certificate", "key", "authorities", "verify"}        first, answered by {"ready": true} or {"error"}
    {"id", "call": name, "shown", "seconds"} + 2 sockets              call: a connected UDP socket, and the worker's pair
    {"id", "listen": true} + 2 sockets                                answer: a bound UDP socket, and the pair that all share
    {"id", "attach": [host, port]} + 1 socket                         a pair of its own for who came from there

and what it hears: {"id", "error": "" or a sentence} when that is done or will not be, and {"figures": {…}} at most each second.
It gives up its privileges when it has read its files, and ends with the node. There is one loop and no task: `turning`. With
`listens` it answers and calls nobody, without it calls only.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Final

from appliance_transport_quic.tls import answering, calling
from appliance_transport_quic.turning import Turning

LONGEST_MESSAGE: Final = 16384
NOBODY: Final = 65534
PR_SET_NO_NEW_PRIVS: Final = 38
LINUX_CAPABILITY_VERSION_3: Final = 0x20080522
"""linux/prctl.h, linux/capability.h."""


def give_up_privileges() -> None:
    """What far ends send is read here, so this process may do nothing but that. It may not even read its own code any more."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.geteuid() == 0:
        with suppress(OSError):  # in a user namespace there may be nobody else
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.capset(struct.pack("=II", LINUX_CAPABILITY_VERSION_3, 0), bytes(24))


def main(descriptor: int) -> None:
    """What the process does."""
    logging.disable()  # qh3 logs what far ends do
    with socket.socket(fileno=descriptor) as node:
        settings = json.loads(node.recv(LONGEST_MESSAGE) or b"{}")
        if not settings:
            return
        try:
            called = answering(settings["certificate"], settings["key"]) if settings["listens"] else None
            calls = {} if settings["listens"] else calling(settings["authorities"], verify=settings["verify"])
            turning = Turning(node, called, calls, os.urandom)  # noqa: TID251 - the root of a process of its own
        except OSError as error:
            node.send(json.dumps({"error": f"{error.filename or 'its files'}: {error.strerror or error}"}).encode())
            return
        give_up_privileges()
        node.send(json.dumps({"ready": True}).encode())
        node.setblocking(False)  # noqa: FBT003 - its name for it
        turning.run(time.monotonic)  # noqa: TID251 - as above


if __name__ == "__main__":
    main(int(sys.argv[1]))
