"""`appliance mock-server`: the API without a node."""

from __future__ import annotations

import argparse
import asyncio

from appliance import __version__
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ExitCode

MOST_PORT = 65535


def serve(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Answer until Ctrl-C."""
    port = _port(arguments.port)
    try:
        from appliance.api_server import example_server
    except ImportError as error:
        raise ApplianceError(
            f"the package {error.name} is not installed", hint="pip install 'appliance-core[management]'"
        ) from error
    try:
        listener = example_server.listening(arguments.address, port)
    except OSError as error:
        raise ApplianceError(
            f"cannot listen at {arguments.address} port {port}: {error.strerror or error}", hint="choose another: --port 0"
        ) from error
    url = f"http://{_host(arguments.address)}:{listener.getsockname()[1]}"

    def ready() -> None:
        terminal.line(
            {"url": url, "tokens": example_server.TOKENS},
            f"{url}/api/v1/openapi.json has the operations; tokens: {', '.join(example_server.TOKENS)}",
        )

    asyncio.run(example_server.serve(listener, __version__, ready))
    return ExitCode.OK


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= MOST_PORT):
        raise UsageError(f"{text!r} is no port", hint="0 to 65535")
    return int(text)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
