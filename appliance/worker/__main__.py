"""`python -m appliance.worker FD`: the data-plane process, started by the control process and by nobody else.

FD is the worker's end of the control socket. The first message carries the packet device and the counters' memory; then suites
and drivers are imported, every privilege is dropped, all system calls but those that the loop needs are given up, and it begins.
A fresh interpreter that imports little: about 20 MB resident.
"""

from __future__ import annotations

import faulthandler
import gc
import mmap
import os
import resource
import signal
import socket
import sys
import time
from typing import Any, Final

from appliance.dataplane.compression import Codec
from appliance.foundation import plugin_folders
from appliance.linux import seccomp
from appliance.linux.privileges import drop_all
from appliance.worker import pairs
from appliance.worker.blame import Blame
from appliance.worker.commands import Commands, Suite
from appliance.worker.devices import PairEnd, TunQueue
from appliance.worker.loading import load_all
from appliance.worker.loop import DEAD_MAN, Loop
from appliance.worker.orders import ORDERS, Start, SuiteLine
from appliance.worker.reports import REPORTS, Failed, Ready

FILTER: Final = "APPLIANCE_SECCOMP"
"""With "off" in this variable the worker may make any system call: for measuring and debugging tools that live in it."""
LAST_WORDS: Final = signal.SIGUSR1
"""Makes the worker write down where it is, for the control process, which is about to end it."""
KEEP_BYTES: Final = 1 << 20
"""The library takes 220 KB for each frame it undoes. Measured without this: 38 page faults a frame, and twice the time."""


def main(argv: list[str]) -> int:
    """Run until told to stop. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the control process decides
    control = socket.socket(fileno=int(argv[1]))
    message, descriptors = pairs.receive(control)
    if not message:
        return 0
    start: Start = ORDERS.decode(message, descriptors)
    faulthandler.enable(start.last_words, all_threads=False)
    faulthandler.register(LAST_WORDS, start.last_words, all_threads=False)
    lines = [SuiteLine(*line) for line in start.suites]
    plugin_folders.use()
    loaded, broken = load_all(dict.fromkeys((*(line.aead for line in lines), *start.drivers)))
    suites = {line.name: _suite(line, loaded) for line in lines if line.aead in loaded}
    drivers = {path: loaded[path] for path in start.drivers if path in loaded}
    try:
        codec = _codec() if start.compression else None
    except Exception as error:  # noqa: BLE001  told to the control process
        pairs.send(control, *REPORTS.encode(Failed(f"{type(error).__name__}: {error}")))
        return 1
    _raise_descriptor_limit()
    drop_all()
    user = os.geteuid()  # not a call that the loop may make
    counters = memoryview(mmap.mmap(start.counters, 0)).cast("Q")
    os.close(start.counters)
    control.settimeout(0)
    device = PairEnd(start.device, vnet=start.vnet) if start.pair else TunQueue(start.device, vnet=start.vnet)
    loop = Loop(device, control, counters, time.monotonic)
    loop.dead_man = DEAD_MAN if start.lasts else 0.0
    loop.reporting.blame = Blame(loaded).of
    loop.handle = Commands(loop, suites, drivers, codec).handle
    gc.collect()
    gc.freeze()
    filtered = os.environ.get(FILTER) == "off" or seccomp.restrict()
    pairs.send(control, *REPORTS.encode(Ready(user, filtered, broken)))
    loop.run()
    return 0


def _suite(line: SuiteLine, loaded: dict[str, Any]) -> Suite:
    return Suite(loaded[line.aead], line.key_bytes, line.tag_bytes, line.max_records)


def _codec() -> Codec:
    from appliance.linux import memory
    from appliance.worker import zstd

    memory.keep(KEEP_BYTES)
    return zstd.codec()


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
