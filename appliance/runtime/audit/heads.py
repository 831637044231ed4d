"""The heads that this node signs of its own log. One is kept beside it, and tells the next start whether something is missing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.aside import Busy
from appliance.foundation.logging import get_logger
from appliance.foundation.patience import TookTooLong
from appliance.foundation.tasks import Tasks
from appliance.foundation.whole_files import write_whole
from appliance.management.audit.entry import Entry, Outcome
from appliance.management.audit.head import HeadInvalid, SignedHead, of_document, sign
from appliance.runtime.audit.folder import HEAD

if TYPE_CHECKING:
    from appliance.protocol.identity import Identity
    from appliance.runtime.audit.log import AuditLog

log = get_logger("audit")

SIGN_EVERY: Final = 600.0
"""Seconds between two looks whether there is something new to sign."""
MOST_BYTES: Final = 1 << 20


class NoHead(ApplianceError):
    """The audit log cannot say where it ends, as its disk does not answer."""

    exit_code = ExitCode.RETRY
    retryable = True


class Heads:
    """Those of `log`, which is in `folder`."""

    def __init__(self, audit: AuditLog, folder: Path, identity: Identity) -> None:
        self._log = audit
        self._path = folder / HEAD
        self._identity = identity
        self._newest: SignedHead | None = None
        self._signing = asyncio.Lock()
        self._tasks = Tasks()

    async def open(self) -> None:
        """The log is open: compare it with the last head, and begin to sign."""
        before = await asyncio.to_thread(self._kept)
        now = self._log.writer.head(0.0)
        if before is not None and before.node == self._identity.fingerprint and not self._log.problem:
            known, there = before.head, 0 if now is None else now.number
            if now is None or known.log != now.log or known.number > now.number:
                self._log.writer.damage = f"the last head knows of entry {known.number}, and the log ends with entry {there}"
                self._log.note(Entry("log.truncated", Outcome.FAILED, more={"head": known.number, "last": there}))
        self._tasks.spawn(self._sign_for_ever(), "sign heads of the audit log")

    async def close(self) -> None:
        """Sign what there is."""
        await self._tasks.close()
        await self._keep()

    async def newest(self) -> SignedHead | None:
        """Of the log as it is now, on the disk. None: nothing was recorded yet. Raises NoHead."""
        async with self._signing:
            try:
                head = await self._log.head()
            except (TookTooLong, Busy):
                raise NoHead("the disk of the audit log does not answer", hint="look at `appliance health`") from None
            if head is not None and (self._newest is None or head[:3] != self._newest.head[:3]):
                self._newest = await asyncio.to_thread(sign, head, self._identity)
            return self._newest

    async def _sign_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SIGN_EVERY)
            await self._keep()

    async def _keep(self) -> None:
        try:
            before = self._newest
            head = await self.newest()
            if head is not None and (head is not before or not self._path.exists()):
                text = json.dumps({"heads": [head.document()]}).encode()
                await asyncio.to_thread(write_whole, self._path, text)
        except (NoHead, OSError) as error:
            log.warning("the head of the audit log is not kept", reason=str(error))

    def _kept(self) -> SignedHead | None:
        try:
            with self._path.open("rb") as file:
                return of_document(json.loads(file.read(MOST_BYTES))["heads"][0])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, RecursionError, HeadInvalid) as error:
            log.warning("the last head of the audit log cannot be read", reason=str(error))
            return None
