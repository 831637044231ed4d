"""Management as a part of a hosted node: made when a profile first has the section.

The API server is started again when it ends or hangs, later and later, and a port that somebody else has is tried again; the node
goes on without it, and says so.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from appliance import __version__
from appliance.api.management import Principal
from appliance.api.profile import Management
from appliance.control.authority import Permits, no_roles
from appliance.control.conversation import API_SERVER, OF_THE_API_SERVER, Operation, Patience, Request
from appliance.errors import ApplianceError, HostError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.linux.privileges import API_USER, NOBODY, ids
from appliance.management.iam import roles
from appliance.plugin_host.registry import API_PARTS, parts_of
from appliance.protocol.pressure import Resource
from appliance.runtime.management.api_plugins import ApiPlugins
from appliance.runtime.management.doors import Doors
from appliance.runtime.management.process import ApiServerProcess, Loads
from appliance.runtime.management.secret_files import secret_of
from appliance.runtime.management.spans import NodeSpans
from appliance.runtime.management.tls_files import tls_files
from appliance.runtime.management.tracing_headers import tracing_headers
from appliance.runtime.management.watch import Watch

log = get_logger("management")

SERVE: Final = "api.serve"
CERTIFICATE: Final = ("pin", "backup", "until", "source", "exchange")
"""What the API server says of the certificate in use."""
PAUSES: Final = (0.2, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds until what did not work is tried again: the first time, the second, …; from then on the last."""
MOST_WORDS: Final = 500
"""Characters of why the API server ends."""
TROUBLE: Final = ("store", "grpc")
"""Parts of the API server that may be unwell."""
SILENT: Final = "the API server does not answer"
WELL_AFTER: Final = 60.0
"""Seconds after which a start counts as a good one, and the pauses begin anew."""


class Attend(Protocol):
    """`ControlServer.attend`."""

    def __call__(self, connection: socket.socket, principal: Principal, patience: Patience) -> asyncio.Task[None]:
        """Answer on that connection."""


class Joints(NamedTuple):
    """What the part needs of the node."""

    attend: Attend
    folder: Path
    """What the API server keeps."""
    path: Path
    """Its Unix socket."""
    about: Callable[[], dict[str, Any]]
    """The node's name and identity, and from where on it protects its host."""
    permit: Callable[[Permits], None]
    """What roles bring is this from now on."""
    plugins: ApiPlugins


class ManagementPart:
    """The API server of one node."""

    def __init__(self, joints: Joints) -> None:
        self._joints = joints
        self._doors = Doors(joints.path)
        self._process = ApiServerProcess(self._died)
        self._watch = Watch(self._hangs)
        self.spans = NodeSpans()
        self._section: Management | None = None
        self._about: dict[str, Any] = {}
        """What the API server was told of the node."""
        self._closed = False
        self._again: asyncio.TimerHandle | None = None
        self._trying: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._since = 0.0
        self._failures = 0
        self._ready = False
        self._certificate: dict[str, str] = {}
        """What clients may pin, as the API server said last."""
        self._tracing: dict[str, Any] = {}
        """How sending spans to the collector goes, as the API server said last."""
        self._blocked = ""
        """Why it does not listen everywhere; "" if it does."""
        self._failed = ""
        """Why it does not run; "" if it does."""
        self._shut: dict[str, str] = {}
        """Servers of plugins that do not listen, and why."""
        self._parts: dict[str, str] = {}
        """What is wrong with what plugins bring, by its key ("exports.nats"); "" if nothing is."""
        self._trouble: dict[str, str] = {}
        """What is wrong with its own parts (TROUBLE), as the API server said last; "" if nothing is."""
        self._short: dict[str, str] = {}
        """What the API server is short of, as it said last."""
        self._last_words = ""
        """Why the API server is about to end, as it said itself."""
        self.restarts = 0

    @property
    def problem(self) -> str:
        """What is wrong; "" if nothing is."""
        return self._failed or self._blocked or (SILENT if self._watch.silent else "")

    def problems(self) -> dict[str, str]:
        """What is wrong with the parts, for health; "" if nothing is."""
        return {
            "management": self.problem,
            **{f"management.{key}": self._trouble.get(key, "") for key in TROUBLE},
            **{f"management.{key}": problem for key, problem in self._parts.items()},
            **{f"management.servers.{name}": problem for name, problem in self._shut.items()},
        }

    def operations(self) -> dict[str, Operation]:
        """What the API server asks for itself."""

        async def settings(_request: Request) -> Any:
            section = self._in_use()
            return {"node": {**self._joints.about(), "version": __version__}, "management": section.model_dump(mode="json")}

        async def ready(_request: Request) -> Any:
            self._ready, self._failed = True, ""
            self._watch.heard()
            log.info("the API server is ready", pid=self._process.pid, listen=self._doors.addresses, socket=str(self._doors.path))
            return {}

        async def files(_request: Request) -> Any:
            return await asyncio.to_thread(tls_files, self._in_use().tls)

        async def secret(request: Request) -> Any:
            return {"text": await asyncio.to_thread(secret_of, self._in_use(), str(request.args.get("reference", "")))}

        async def part(request: Request) -> Any:
            key, name, problem = (str(request.args.get(word, ""))[:MOST_WORDS] for word in ("key", "name", "problem"))
            if key in API_PARTS and name in parts_of(self._in_use())[key]:
                self._parts[f"{key}.{name}"] = problem
                self._joints.plugins.tell(key, name, problem)
            return {}

        async def certificate(request: Request) -> Any:
            self._certificate = {name: str(request.args.get(name, "")) for name in CERTIFICATE}
            return {}

        async def headers(_request: Request) -> Any:
            return await asyncio.to_thread(tracing_headers, self._in_use().tracing)

        async def tracing(request: Request) -> Any:
            self._tracing = dict(request.args)
            return {}

        async def alive(request: Request) -> Any:
            self._watch.heard()
            told = request.args.get("trouble")
            self._trouble = {key: str(told.get(key, ""))[:MOST_WORDS] for key in TROUBLE} if isinstance(told, dict) else {}
            self._short = short_of(request.args.get("short"))
            self._joints.plugins.figures(self._section, request.args.get("figures"))
            return {}

        async def failed(request: Request) -> Any:
            self._last_words = str(request.args.get("reason", ""))[:MOST_WORDS]
            return {}

        return {
            "api_alive": Operation(SERVE, alive),
            "api_failed": Operation(SERVE, failed),
            "api_settings": Operation(SERVE, settings),
            "api_ready": Operation(SERVE, ready),
            "api_tls_files": Operation(SERVE, files),
            "api_secret": Operation(SERVE, secret),
            "api_part": Operation(SERVE, part),
            "api_certificate": Operation(SERVE, certificate),
            "api_spans": Operation(SERVE, lambda _request: self.spans.follow()),
            "api_tracing": Operation(SERVE, tracing),
            "api_tracing_headers": Operation(SERVE, headers),
        }

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None while the profile has no such section."""
        if self._section is None:
            return None
        return {
            "ready": self._ready and not self._watch.silent,
            "pid": self._process.pid,
            "listen": self._doors.addresses,
            "grpc": [str(each) for each in self._section.grpc],
            "servers": self._doors.of_servers,
            "socket": str(self._doors.path),
            "restarts": self.restarts,
            "plain": self._plain(),
            "shares_user": os.geteuid() == 0 and ids(API_USER)[0] == NOBODY,
            "certificate": self._certificate,
            "short": self._short,
            **({} if self._section.tracing is None else {"tracing": self._tracing}),
        }

    def _in_use(self) -> Management:
        if self._section is None:
            raise HostError("this node has no API server now", hint="its profile has no section management")
        return self._section

    def _plain(self) -> list[str]:
        """Addresses where others may read what is said."""
        section = self._section
        if section is None or not section.tls.plain:
            return []
        return [str(each) for each in (*section.listen, *section.grpc) if not each.address.is_loopback]

    async def use(self, management: Management | None) -> None:
        """The profile's section is this from now on. What goes wrong is a problem of this part, and of no other."""
        async with self._changing:
            if self._closed:
                return
            before, self._section = self._section, management
            if management is None:
                await self._end()
                log.info("the API server has ended")
                self._joints.permit(no_roles)
                return
            self._joints.permit(lambda held, permission: roles.permits(held, permission, management.roles))
            self.spans.use(0.0 if management.tracing is None else management.tracing.sample)
            about, self._about = self._about, self._joints.about()
            changed = management != before or about != self._about
            if changed:
                self._failures = 0
            if plain := self._plain():
                log.warning("the API server speaks plain HTTP on the network: tokens can be read on the way", listen=plain)
            await self._serve(management, anew=changed)

    async def close(self) -> None:
        """End the API server, and listen no more."""
        async with self._changing:
            self._closed, self._section = True, None
            await self._end()

    async def _end(self) -> None:
        self._forget_again()
        self._watch.end()
        self._ready, self._failed, self._blocked, self._shut = False, "", "", {}
        self._forget_told()
        await self._process.stop()
        self._doors.close()

    async def _serve(self, section: Management, *, anew: bool) -> None:
        """Listen and run, `anew` also where it runs already. What does not work is tried again later; where a port is taken, it
        is served at the others."""
        self._forget_again()
        moved, before = False, self._doors.open_to_host
        try:
            moved = self._doors.open(section)
            self._blocked = ""
        except ApplianceError as error:
            self._blocked = self._told(error, self._blocked)
        moved |= self._let_servers_listen(section)
        runs = True
        if self._doors.open_to_host and (moved or anew or not before or not self._process.pid):
            self._watch.end()
            await self._process.stop()
            runs = self._start()
        if self._blocked or self._doors.blocked or not runs:
            self._later()

    def _let_servers_listen(self, section: Management) -> bool:
        """Returns whether anything is different now."""
        wanted, wrong = self._joints.plugins.servers(section)
        moved = self._doors.open_servers(wanted)
        before, self._shut = self._shut, {**wrong, **self._doors.blocked}
        for name, reason in self._shut.items():
            if before.get(name) != reason:
                log.error("a server of a plugin does not listen", server=name, reason=reason)
        return moved

    def _start(self) -> bool:
        self._ready, self._since, self._last_words = False, clock.monotonic(), ""
        self._forget_told()
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            self._failed = self._told(HostError(f"the API server was not started: {error.strerror}"), self._failed)
            return False
        try:
            with theirs:
                self._process.start(self._joints.folder, theirs, self._doors.descriptors(), loads=self._loads())
        except ApplianceError as error:
            ours.close()
            self._failed = self._told(error, self._failed)
            return False
        self._joints.attend(ours, Principal(API_SERVER, API_SERVER), OF_THE_API_SERVER)
        self._watch.begin()
        return True

    def _loads(self) -> Loads:
        section = self._in_use()
        otlp = section.tracing is not None and section.tracing.otlp is not None
        return Loads(bool(section.grpc), otlp, tuple(self._joints.plugins.of(section)))

    def _hangs(self) -> None:
        log.warning("the API server has said nothing for long, and is ended", pid=self._process.pid)
        self._process.kill()

    def _died(self, code: int) -> None:
        self._watch.end()
        if self._section is None:
            return
        if clock.monotonic() - self._since > WELL_AFTER:
            self._failures = 0
        self._ready = False
        self.restarts += 1
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        self._failed = f"the API server ended {how}: {self._last_words or 'see the log'}"
        log.warning("the API server ended", how=how, again_in=self._later())

    def _later(self) -> float:
        self._forget_again()
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._again = asyncio.get_running_loop().call_later(pause, self._try_again)
        return pause

    def _try_again(self) -> None:
        self._trying = asyncio.get_running_loop().create_task(self._served_again(), name="management")

    async def _served_again(self) -> None:
        async with self._changing:
            if self._section is not None:
                await self._serve(self._section, anew=False)

    @staticmethod
    def _told(error: ApplianceError, before: str) -> str:
        """What is wrong; into the log only if it was something else before."""
        if error.message != before:
            log.error("the API server does not run as the profile says", reason=error.message, hint=error.hint)
        return error.message

    def _forget_told(self) -> None:
        """What the last API server said of itself."""
        self._trouble, self._parts, self._tracing, self._short = {}, {}, {}, {}
        self._joints.plugins.forget()

    def _forget_again(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None


def short_of(told: object) -> dict[str, str]:
    """What the API server says that it is short of."""
    if not isinstance(told, dict):
        return {}
    return {str(name): str(told[name])[:MOST_WORDS] for name in Resource if name in told}
