"""The API server's process: started with what it is handed, and ended in order."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import HostError
from appliance.foundation import interpreter
from appliance.linux.privileges import API_USER, ids
from appliance.runtime.management.doors import Descriptors

STOP_SECONDS: Final = 6.0
"""How long it may take to end: it gives streams five."""


LIBRARIES: Final = ("httptools", "jwt", "starlette", "uvicorn", "websockets")
"""What it imports that a node without it does not need: the extra `management` of pyproject.toml."""
GRPC_LIBRARIES: Final = ("grpc", "grpc_health", "grpc_reflection")
"""And where it speaks gRPC: the extra `grpc`."""


class Loads(NamedTuple):
    """What it loads beside its own, before it becomes a user who may not be able to read that."""

    grpc: bool = False
    otlp: bool = False
    plugins: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """For its command line."""
        libraries = {"--grpc": self.grpc, "--otlp": self.otlp}
        return [*(word for word, wanted in libraries.items() if wanted), *(f"--plugin={name}" for name in self.plugins)]


class ApiServerProcess:
    """One process. `died()` is called once when it ends without being told to."""

    def __init__(self, died: Callable[[int], None]) -> None:
        self._died = died
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1

    @property
    def pid(self) -> int:
        """0 while there is none."""
        return 0 if self._process is None else self._process.pid

    def start(self, folder: Path, control: socket.socket, doors: Descriptors, *, loads: Loads) -> None:
        """Start it with its end of the control connection, and the sockets to listen at. Raises HostError."""
        check_libraries(LIBRARIES)
        if loads.grpc:
            check_libraries(GRPC_LIBRARIES, "grpc", "management.grpc out")
        make_folder(folder)
        own = (control.fileno(), doors.unix, *doors.tcp)
        servers = [f"--server={name}={number}" for name, numbers in doors.servers.items() for number in numbers]
        descriptors = (*own, *(number for numbers in doors.servers.values() for number in numbers))
        try:
            self._process = subprocess.Popen(
                interpreter.command("appliance.api_server", *loads.words, *servers, str(folder), *map(str, own)),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError as error:
            raise HostError(f"the API server was not started: {error.strerror}") from error
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    def kill(self) -> None:
        """It hangs. `died` is called once it has ended."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """End it in order; kill it when it does not go. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        self._forget()
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def _ended(self) -> None:
        process, self._process = self._process, None
        self._forget()
        if process is not None:
            self._died(process.wait())

    def _forget(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def check_libraries(names: Sequence[str], extra: str = "management", instead: str = "the section management out") -> None:
    """Raises HostError where the extra is not installed. Nothing is imported."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise HostError(
            f"the API server's libraries are not installed ({', '.join(missing)}): the extra `{extra}` has them",
            hint=f"pip install 'appliance[{extra}]', or take {instead} of the profile",
        )


def make_folder(folder: Path) -> None:
    """The folder of what the API server keeps, for its user alone. Raises HostError.

    Where it or the one around it is that user's already, the API server makes the rest: a service may not give files away (it has
    no CAP_CHOWN)."""
    user = ids(API_USER)[0] if os.geteuid() == 0 else os.geteuid()
    try:
        if user in {_owner(folder), _owner(folder.parent)}:
            return
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, *ids(API_USER))
        folder.chmod(0o700)
    except OSError as error:
        raise HostError(f"{folder}: {error.strerror}", hint="the API server keeps users and jobs there") from error


def _owner(folder: Path) -> int | None:
    """None if there is none, or it cannot be seen."""
    try:
        return folder.stat().st_uid
    except (FileNotFoundError, PermissionError):
        return None
