"""`python -m appliance.api_server [--grpc] [--otlp] [--plugin=NAME …] [--server=NAME=TCP …] FOLDER CONTROL UNIX [TCP …]`: started
by the daemon alone.

FOLDER is where it keeps what must outlive it. The numbers are descriptors: its end of the control connection, the Unix socket,
and the sockets at which HTTP is spoken, or a server of a plugin listens. It gives up every privilege before it reads a byte of
anybody's.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from itertools import takewhile
from pathlib import Path

from appliance.foundation.logging import configure, get_logger
from appliance.linux import memory
from appliance.linux.privileges import API_USER, drop_all

log = get_logger("api")

PLUGIN = "--plugin="
SERVER = "--server="
LARGE_BYTES = 1 << 20
"""What a password is hashed in has 19 MiB: it is not to stay for ever after the first log-in."""


def main(argv: list[str]) -> int:
    """Serve until the daemon goes or says so. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the daemon decides
    faulthandler.enable()
    options = list(takewhile(lambda word: word.startswith("--"), argv[1:]))
    folder, control, *listeners = argv[1 + len(options) :]
    plugins = [option.removeprefix(PLUGIN) for option in options if option.startswith(PLUGIN)]
    servers: dict[str, list[socket.socket]] = {}
    for option in options:
        if option.startswith(SERVER):
            name, _, number = option.removeprefix(SERVER).partition("=")
            servers.setdefault(name, []).append(_socket(number))
    os.umask(0o077)
    from appliance.api_server.jobs.templates import standard
    from appliance.api_server.serving import LATE, Doors, serve
    from appliance.store.keys import read_credentials

    credentials = read_credentials(os.environ)
    for name in LATE:  # the user that it becomes may not be able to read the interpreter's folder, where that is root's own
        import_module(name)
    if "--grpc" in options:
        import_module("appliance.api_server.grpc.server").prepare()
    if "--otlp" in options:
        with suppress(ImportError):  # traces are kept here all the same, and the status says what is missing
            import_module("appliance.api_server.tracing.otlp")
    kinds = import_module("appliance.api_server.plugins.loading").load(plugins) if plugins else {}
    standard()
    memory.map_apart(LARGE_BYTES)
    drop_all(API_USER)
    configure()
    try:
        doors = Doors([_socket(each) for each in listeners], servers)
        return asyncio.run(serve(Path(folder), _socket(control), doors, credentials, kinds))
    except OSError as error:
        log.error("the API server ends", reason=str(error))  # noqa: TRY400  nobody's bug
        return 1


def _socket(number: str) -> socket.socket:
    return socket.socket(fileno=int(number))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
