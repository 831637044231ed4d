"""A worker's process and its life: how it starts, how it is ended, and how its death is noticed."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import HostError
from appliance.foundation import interpreter
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.readable import readable
from appliance.linux import priority
from appliance.runtime.workers.counters import SharedCounters
from appliance.runtime.workers.hearing import Hearing, Spoken, WorkerListener
from appliance.runtime.workers.telling import Telling
from appliance.worker import orders, pairs, reports
from appliance.worker.reports import REPORTS

if TYPE_CHECKING:
    from appliance.api.crypto import CryptoSuite
    from appliance.runtime.workers.packet_device import PacketDevice

log = get_logger("worker")

START_SECONDS: Final = 30.0
"""How long a worker may take to say that it is ready: a fifth of a second on an idle machine, and more than 10 on an emulated one
with others beside it."""
LAST_WORDS: Final = signal.SIGUSR1
LAST_WORDS_SECONDS: Final = 0.2
"""Between asking a worker where it is and ending it. Writing that takes a millisecond; one that is stopped does not answer."""
MAX_STACK: Final = 16384
FATAL: Final = "Fatal Python error"
"""So `faulthandler` begins when a process crashes."""
HEARD_A_TURN: Final = 64
"""Reports of one worker before others have the event loop."""


class WorkerProcess(Telling):
    """One worker. `slots` bounds the sessions whose counters it can keep, replaced ones in their last seconds included; `spoken`
    is what is known of which of our addresses far ends spoke to, shared by the workers of a node."""

    def __init__(self, listener: WorkerListener, slots: int, spoken: Spoken | None = None) -> None:
        spoken = {} if spoken is None else spoken
        self._shared = shared = SharedCounters(slots)
        super().__init__(shared, spoken)
        self.session_counters, self.records, self.packets = shared.session, shared.records, shared.packets
        self.drops, self.classes, self.channels = shared.drops, shared.classes, shared.channels
        self.beat, self.beat_at = shared.beat, shared.beat_at
        self._listener = listener
        self._hearing = Hearing(listener, spoken)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._pidfd = -1
        self._last_words = os.memfd_create("appliance-last-words")
        self._ending = self._asked_where = False
        self.broken: Mapping[str, str] = {}
        """Import paths that the worker could not load, with the reasons."""
        self._started = False
        self._stopping = False

    @property
    def pid(self) -> int:
        """The worker's process number; 0 before `start`."""
        return self._process.pid if self._process else 0

    def spawn(self) -> None:
        """Start the process already, so that its imports are done when it gets a device. `start` does so otherwise."""
        if self._process is not None:
            return
        ours, theirs = pairs.pair()
        with theirs:
            self._process = subprocess.Popen(
                interpreter.command("appliance.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(0)
        self._control = ours
        self._outbox.open(ours)

    async def start(
        self, device: PacketDevice, *, suites: Iterable[CryptoSuite], drivers: Iterable[str], compression: bool = False
    ) -> None:
        """Start the worker on a device, which stays the caller's. `compression`: it is to be able to.

        Raises HostError when the worker does not come up. What it could not import is in `broken` afterwards.
        """
        self.spawn()
        assert self._control is not None
        assert self._process is not None
        ours, self._started = self._control, True
        lines = [orders.SuiteLine(each.name, each.aead, each.key_bytes, each.tag_bytes, each.max_records) for each in suites]
        given = (os.dup(each) for each in (device.fd, self._shared.descriptor, self._last_words))
        self._tell(orders.Start(device.pair, device.vnet_hdr, lines, sorted(drivers), compression, device.lasts, *given))
        await self._ready(ours)
        loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self._died)
        loop.add_reader(ours.fileno(), self._heard)

    async def _ready(self, ours: socket.socket) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await readable(ours.fileno())
                packet, _ = pairs.receive(ours)
        except TimeoutError:
            packet = b""
        match REPORTS.decode(packet) if packet else None:
            case reports.Ready(user, filtered, broken):
                self.broken = broken
                if user == os.geteuid() and once_per(math.inf, "same user"):
                    log.warning(
                        "the worker has this process's user, since there were no privileges to give up: one protection less",
                        user=user,
                    )
                if not filtered and once_per(math.inf, "no seccomp"):
                    log.warning("this kernel does not limit the worker's system calls (seccomp): one protection less")
            case reports.Failed(error):
                self._end_process()
                raise HostError(f"the worker cannot compress: {error}", hint="take compression out of the profile")
            case _:
                self._end_process()
                raise HostError(
                    "the data-plane process did not come up", hint="its last words are in the log above; run: appliance doctor"
                )

    async def stop(self) -> None:
        """End the worker in order; kill it when it does not go within two seconds. Safe to call twice."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        if self._started:
            self._tell(orders.Stop())
            self._forget_readers()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, 2.0)
        self._end_process()

    def kill(self) -> None:
        """End a worker that does not answer, once it has said where it is; its death is heard as any other."""
        if self._process is not None and not self._ending:
            self._ending = True
            self._forget_words()
            self._process.send_signal(LAST_WORDS)
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._kill_now)

    def ask_where(self) -> bool:
        """Have the worker write down where it is, for `where`. False if it has ended, or is about to be ended."""
        if self._process is None or self._pidfd < 0 or self._ending or self._stopping:
            return False
        self._forget_words()
        self._asked_where = True
        self._process.send_signal(LAST_WORDS)
        return True

    def where(self) -> str:
        """What it has written down since; "" if it has not come to it, or has ended."""
        if self._pidfd < 0 or self._ending:
            return ""
        words = os.pread(self._last_words, MAX_STACK, 0).decode(errors="replace")
        self._forget_words()
        return words

    def _forget_words(self) -> None:
        """The worker has the same open file, so it writes from the beginning too."""
        self._asked_where = False
        os.ftruncate(self._last_words, 0)
        os.lseek(self._last_words, 0, os.SEEK_SET)

    def close(self) -> None:
        """Free the shared memory, once the worker has stopped."""
        if self._last_words >= 0:
            os.close(self._last_words)
            self._last_words = -1
        self._shared.close()

    def set_qos(self, settings: Mapping[str, Any] | None) -> None:
        """As Telling.set_qos. What is urgent on the wire is urgent on the host: while there are classes, the worker goes before
        other processes."""
        priority.prefer(self.pid, priority.ORDINARY if settings is None else priority.URGENT)
        super().set_qos(settings)

    def _kill_now(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _end_process(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        self._outbox.close()
        if self._control is not None:
            self._control.close()
            self._control = None

    def _forget_readers(self) -> None:
        loop = asyncio.get_running_loop()
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._control is not None:
            loop.remove_reader(self._control.fileno())

    def _heard(self) -> None:
        for _ in range(HEARD_A_TURN):
            if self._control is None:
                return
            try:
                packet, _ = pairs.receive(self._control)
            except OSError:
                return
            if not packet:
                asyncio.get_running_loop().remove_reader(self._control.fileno())
                return
            self._hearing.hear(packet)

    def _died(self) -> None:
        self._forget_readers()
        process = self._process
        code = process.wait() if process is not None else 0
        self._end_process()
        stack = os.pread(self._last_words, MAX_STACK, 0).decode(errors="replace")
        if self._asked_where:  # where it was before it died, for a profile; only what comes after that was it
            stack = stack[stack.index(FATAL) :] if FATAL in stack else ""
        if stack and not self._stopping:
            self._listener.on_last_words(stack, hung=self._ending)
        if not self._stopping:
            self._listener.on_exit(code)
