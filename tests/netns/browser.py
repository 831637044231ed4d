"""Chromium without a window, driven by the DevTools protocol over two pipes: no port, so it may be in another namespace."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 60.0
"""Seconds for anything. Nothing takes as long unless the machine is crowded."""
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip


class Refused(Exception):
    """The browser did not do it, for example as the page just gives way to another one."""


class Browser:
    """One tab at a time. `entering` is the command that goes to the browser's namespace, `flags` are further ones of Chromium."""

    def __init__(self, entering: list[str], *flags: str) -> None:
        self.complaints: list[str] = []
        """What the console had: errors, and what the content security policy refused."""
        self._numbers = 0
        self._rest = b""
        self._session: str | None = None
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (theirs_in, theirs_out)]  # clear of 3 and 4
        where = f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}'
        command = [
            *entering,
            "bash",
            "-c",
            where,
            "bash",
            "chromium",
            *QUIET,
            *flags,
            f"--user-data-dir={self._folder.name}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            command, pass_fds=ends, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for each in (theirs_in, theirs_out, *ends):
            os.close(each)
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in pages if each["type"] == "page")
        self._attach(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._out)  # it ends itself then
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        self._folder.cleanup()

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask the browser; the answer."""
        self._numbers += 1
        asked = {"id": self._numbers, "method": method, "params": parameters} | (
            {"sessionId": self._session} if self._session else {}
        )
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        while (said := self._read()).get("id") != self._numbers:
            self._note(said)
        if "error" in said:
            raise Refused(said["error"]["message"])
        return said["result"]

    def duplicate(self) -> tuple[str, str]:
        """Another tab of the same page, with what the first one has in its sessionStorage, as when a user duplicates it. Returns
        the first and the other; the other is the one that is asked from now on."""
        first, known = self._session, self._tabs()
        assert first is not None
        self.call("Runtime.evaluate", expression="void window.open(location)", userGesture=True)
        until = time.monotonic() + PATIENCE
        while not (new := self._tabs() - known):
            assert time.monotonic() < until, "no other tab opens"
        return first, self._attach(new.pop())

    def turn(self, tab: str) -> None:
        """Ask that tab from now on."""
        self._session = tab
        self.call("Page.bringToFront")

    def connected(self, *, wanted: bool, latency_ms: float = 0) -> None:
        """Whether the page's network works, and how long it takes."""
        self.call("Network.enable")
        limits = {"offline": not wanted, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", **limits)

    def _tabs(self) -> set[str]:
        return {each["targetId"] for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"}

    def _attach(self, target: str) -> str:
        self._session = None
        session: str = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = session
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        return session

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Until that expression is true."""
        until = time.monotonic() + PATIENCE
        while not self._is(script):
            assert time.monotonic() < until, (script, self.run("document.body.innerText"), self.complaints)
            select.select([self._in], [], [], 0.05)

    def _is(self, script: str) -> bool:
        try:
            return bool(self.run(script))
        except Refused:
            return False

    def resize(self, width: int, height: int = 900, scheme: str = "light") -> None:
        """The page's size in CSS pixels, and what its user likes."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            assert select.select([self._in], [], [], PATIENCE)[0], "the browser says nothing"
            more = os.read(self._in, 1 << 16)
            assert more, "the browser ended"
            self._rest += more
        one, _, self._rest = self._rest.partition(b"\0")
        return json.loads(one)

    def _note(self, said: Any) -> None:
        match said:
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error" | "warning"} as entry}}:
                self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.complaints.append(str(details))
            case {"method": "Runtime.consoleAPICalled", "params": {"type": "error", "args": arguments}}:
                self.complaints.append(str(arguments))


def screenshot(browser: Browser, path: Path) -> None:
    """The page as it looks, as PNG."""
    path.write_bytes(base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"]))
