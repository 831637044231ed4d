"""python -m appliance.plugin_host.trial FOLDER NAME…: loads plugins from a folder and says how they are, as JSON.

With an empty FOLDER those that are installed.

A process of its own: what hangs, crashes or ends the interpreter there does so before the daemon or a command has met it.
"""

from __future__ import annotations

import json
import site
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from appliance.errors import PluginFault
from appliance.foundation import interpreter, plugin_folders
from appliance.foundation.patience import be_brief, limited
from appliance.plugin_host.calling import describe
from appliance.plugin_host.plugins import PluginHost

SECONDS = 15.0
"""For each import; an import takes a fraction of one."""


def try_to_load(folder: Path | None, names: Sequence[str]) -> list[dict[str, object]]:
    """The facts of the plugins `names` whose packages are in `folder`; None: where installed ones are.

    What the worker would import is imported, too. Raises PluginFault for one that does not work."""
    command = interpreter.command("appliance.plugin_host.trial", "" if folder is None else str(folder), *names)
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=4 * SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PluginFault(names[0], "loading it did not end", hint="look for what waits when it is imported") from error
    try:
        facts: list[dict[str, object]] = json.loads(run.stdout.rpartition("\n\0")[2])
    except ValueError as error:
        last = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        raise PluginFault(names[0], f"loading it ended the process: {last}", hint="report this to its author") from error
    for fact in facts:
        if fact["state"] != "active":
            raise PluginFault(str(fact["name"]), f"{fact['stage']}: {fact['problem']}", hint=str(fact["hint"]))
    return facts


def main(arguments: Sequence[str]) -> int:
    """Print the facts behind a NUL: a plugin may print, too."""
    folder, *names = arguments
    plugin_folders.use()
    if folder:
        site.addsitedir(folder)
    be_brief(SECONDS)
    host = PluginHost.load(names)
    for noun, name, path in _of_the_worker(host):
        try:
            module, _, attribute = path.partition(":")
            limited(lambda module=module, attribute=attribute: getattr(import_module(module), attribute))  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
            host.blame(host.owner(noun, name) or "", "import", f"{path} {describe(error)}", "the worker imports it by this path")
    print("\n\0" + json.dumps(host.report()))  # noqa: T201
    return 0


def _of_the_worker(host: PluginHost) -> Iterable[tuple[str, str, str]]:
    yield from (("transport", name, kind.driver) for name, kind in host.transports.items())
    yield from (("suite", name, suite.aead) for name, suite in host.suites.items())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
