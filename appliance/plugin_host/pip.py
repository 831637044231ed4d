"""pip, wherever this machine has it: it knows the index, the proxies and the certificates that the administrator has set.

It runs for this environment without being part of it: neither the Debian package nor an environment that uv makes has pip.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from appliance.errors import ApplianceError, HostError
from appliance.foundation import interpreter

DEBIAN = Path("/usr/share/python-wheels")
"""Where Debian's package python3-pip-whl has it."""
ALWAYS = ("--no-color", "--no-input", "--disable-pip-version-check", "--retries", "2", "--timeout", "15")
UNREACHABLE = re.compile(
    r"name resolution|NewConnectionError|ConnectTimeout|Network is unreachable|Connection refused|Max retries"
)
RAISED = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception)(?:: .+)?)$", re.MULTILINE)
SAID = re.compile(r"^ERROR: (.+)$", re.MULTILINE)
NEEDS = re.compile(r"^ +(\S+ \S+ depends on .+?)\s*$", re.MULTILINE)
HERE = re.compile(r"\(constraint\) ([\w.-]+)==(\S+)")
OF_NO_USE = ("subprocess-exited-with-error", "Failed building wheel", "Failed to build", "ResolutionImpossible: for help")


class PipFailed(ApplianceError):
    """pip ended with an error. `output` is all it printed."""

    def __init__(self, message: str, output: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.output = output


def program() -> list[str]:
    """The beginning of a command line of pip. Raises HostError when this machine has none."""
    if find_spec("pip") is not None:
        return interpreter.command("pip")
    for shelf in _shelves():
        for wheel in sorted(shelf.glob("pip-*.whl")):
            return [*interpreter.program(), str(wheel / "pip")]
    raise HostError(
        "installing plugins needs pip, and this machine has none",
        hint="apt install python3-pip-whl, or put pip into the appliance's environment",
    )


def run(*arguments: str) -> None:
    """Run pip with files that everybody may read and only their owner may write. Raises PipFailed."""
    own = {name: value for name, value in os.environ.items() if name not in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")}
    done = subprocess.run(
        [*program(), *arguments[:1], *ALWAYS, *arguments[1:]],
        env={**own, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=0o022,
        check=False,
    )
    if done.returncode:
        raise _failed(done.stdout)


def _shelves() -> Iterable[Path]:
    try:
        import ensurepip
    except ImportError:
        pass
    else:
        yield Path(ensurepip.__file__).parent / "_bundled"
    yield DEBIAN


def _failed(output: str) -> PipFailed:
    if (needs := NEEDS.search(output)) and (here := HERE.search(output)):
        reason, hint = (
            f"{needs[1]}, and {here[1]} {here[2]} is here",
            "a plugin takes the libraries as they are: ask for another version of it",
        )
        return PipFailed(reason, output, hint=hint)
    said = [line for line in SAID.findall(output) if not line.startswith(OF_NO_USE)]
    raised = RAISED.findall(output)
    reason = (raised or said or output.strip().splitlines() or ["pip gave no reason"])[-1].strip()
    if UNREACHABLE.search(output):
        return PipFailed(
            f"the package index cannot be reached: {(said or [reason])[-1]}",
            output,
            hint="without a network: bring the wheels along (pip download NAME) and set PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER",
        )
    hint = "check the name, or give the plugin's folder or wheel" if "No matching distribution" in reason else ""
    return PipFailed(reason, output, hint=hint)
