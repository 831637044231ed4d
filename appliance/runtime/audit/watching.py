"""What callers of the control socket do, as the audit log has it: each change before it begins and when it has ended, on the disk
before it is answered; streams and what was refused as far as they are news; reading never.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import ApplianceError
from appliance.foundation import entropy
from appliance.management.audit.entry import Entry, Outcome, Who
from appliance.runtime.audit.log import AuditLog, NotRecorded
from appliance.runtime.audit.targets import target_of

if TYPE_CHECKING:
    from appliance.api.management import Principal
    from appliance.control.conversation import Operation, Request

READS: Final = ".read"
"""Permissions of what changes nothing end so: only refusals are news."""
OWN: Final = frozenset({"audit.add", "api.serve"})
"""Permissions of the API server's own: one writes its own entries, and by the other nothing is changed."""
OFTEN: Final = ("stream.open", "stream.serve")
"""Permissions of what applications do all day: repetitions are counted, and nobody waits for the disk."""
REQUEST_BYTES: Final = 6


class Watching:
    """Writes into `log`. `ending()`: the node stops, and nobody waits for the disk any more."""

    def __init__(self, log: AuditLog, ending: Callable[[], bool]) -> None:
        self._log = log
        self._ending = ending

    def watched(self, name: str, operation: Operation) -> Operation:
        """The same operation, with what is done by it recorded."""
        if operation.permission.endswith(READS) or operation.permission in OWN:
            return operation

        def handle(request: Request) -> Awaitable[Any] | AsyncGenerator[Any, None]:
            answer = operation.handler(request)
            deed = _Deed(name, operation.permission, request)
            return self._items(deed, answer) if isinstance(answer, AsyncGenerator) else self._answer(deed, answer)

        return operation._replace(handler=handle)

    def refused(self, principal: Principal, permission: str, target: str) -> None:
        """Somebody may not do that."""
        self._log.note_repeating(Entry(target, Outcome.DENIED, who(principal), permission=permission, reason="permission"))

    async def _answer(self, deed: _Deed, answer: Awaitable[Any]) -> Any:
        if deed.is_seldom:
            try:
                await self._begin(deed)
            except BaseException:
                if isinstance(answer, Coroutine):
                    answer.close()
                raise
        try:
            result = await answer
        except BaseException as error:
            reason = error.code if isinstance(error, ApplianceError) else type(error).__name__
            await self._end(deed, Outcome.FAILED, reason)
            raise
        await self._end(deed, Outcome.DONE)
        return result

    async def _items(self, deed: _Deed, items: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """A stream: that it began is the news."""
        async with aclosing(items):
            if deed.is_seldom:
                await self._begin(deed)
            else:
                self._log.note_repeating(deed.entry(Outcome.ALLOWED))
            async for item in items:
                yield item

    async def _begin(self, deed: _Deed) -> None:
        """Raises NotRecorded to users of the API server; root goes on, with an alarm."""
        try:
            await self._log.record(deed.entry(Outcome.ALLOWED))
        except NotRecorded as error:
            if deed.principal.kind != "local":
                self._log.note(deed.entry(Outcome.FAILED, error.code))
                raise

    async def _end(self, deed: _Deed, outcome: Outcome, reason: str = "") -> None:
        entry = deed.entry(outcome, reason)
        if not deed.is_seldom:
            self._log.note_repeating(entry)
        elif self._ending() or reason == "CancelledError":
            self._log.note(entry)
        else:
            with suppress(NotRecorded):  # it is done: that is what the answer has to say
                await self._log.record(entry)


class _Deed:
    """One question that changes something."""

    def __init__(self, name: str, permission: str, request: Request) -> None:
        self.principal = principal = request.principal
        self.is_seldom = permission not in OFTEN or principal.kind != "local"
        self._name = name
        self._permission = permission
        self._target = target_of(name, request)
        self._request = principal.request or (entropy.random_bytes(REQUEST_BYTES).hex() if self.is_seldom else "")

    def entry(self, outcome: Outcome, reason: str = "") -> Entry:
        """What is to be recorded of it."""
        return Entry(
            self._name,
            outcome,
            who(self.principal),
            permission=self._permission,
            target=self._target,
            reason=reason,
            request=self._request,
        )


def who(principal: Principal) -> Who:
    """Somebody who asks, as the log has him."""
    return Who(principal.kind, principal.name, principal.uid, principal.roles)
