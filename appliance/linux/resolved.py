"""What systemd-resolved asks where, link by link, by its own command `resolvectl`, which speaks with it over D-Bus and is there
wherever it runs. It forgets a link's settings with the link."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.errors import HostError, MissingPrivilege
from appliance.linux import interfaces
from appliance.linux.refusals import PRIVILEGE_HINT

PATIENCE: Final = 5.0
"""Seconds for one command, which takes a twentieth of one."""


async def read(link: str) -> dict[str, Any] | None:
    """{link, servers, domains} as set for the link, empty ones where there is no such link; None if nobody answers."""
    if tool() is None:
        return None
    if interfaces.index(link) is None:
        code, _, _ = await _resolvectl("dns")
        return None if code else {"link": link, "servers": [], "domains": []}
    found: dict[str, Any] = {"link": link}
    for noun, word in (("servers", "dns"), ("domains", "domain")):
        code, output, _ = await _resolvectl(word, link)
        if code:
            return None
        found[noun] = output.partition("): ")[2].split()
    return found


async def set_link(args: Mapping[str, Any]) -> None:
    """Have it ask `servers` about names in `domains` ("~" before those that short names are not looked for in) over `link`, and
    about no others; without servers, nobody. Raises HostError, MissingPrivilege."""
    link: str = args["link"]
    if not args["servers"]:
        await _do("revert", link)
        return
    await _do("default-route", link, "no")
    await _do("domain", link, *args["domains"])
    await _do("dns", link, *args["servers"])


async def asks(link: str, server: str, seconds: float = PATIENCE) -> bool | None:
    """Does it ask that server over the link already? It does so once it has heard of the link's address and carrier from the
    kernel. None: it was not told to, or does not answer within `seconds`, so there is nothing to wait for."""
    code, output, _ = await _resolvectl("status", link, seconds=seconds)
    if code or server not in output.split():
        return None
    return any("DNS" in _scopes(line) for line in output.splitlines())


def _scopes(line: str) -> list[str]:
    """Of "    Current Scopes: DNS LLMNR/IPv4"."""
    name, _, scopes = line.strip().partition(": ")
    return scopes.split() if name == "Current Scopes" else []


def tool() -> str | None:
    """Where the command is; None if it is not installed."""
    return shutil.which("resolvectl", path=os.environ.get("PATH", "") + ":/usr/bin:/bin")


async def _do(*words: str) -> None:
    code, _, errors = await _resolvectl(*words)
    if not code:
        return
    if "denied" in errors or "authentication" in errors:
        raise MissingPrivilege("no permission for telling systemd-resolved where to ask", hint=PRIVILEGE_HINT)
    first = errors.strip().splitlines()[0] if errors.strip() else "no reason given"
    raise HostError(f"resolvectl {words[0]} failed: {first}", hint="look with: resolvectl status")


async def _resolvectl(*words: str, seconds: float = PATIENCE) -> tuple[int, str, str]:
    path = tool()
    if path is None:
        return 127, "", "the command resolvectl is not installed"
    process = await asyncio.create_subprocess_exec(
        path,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        close_fds=False,  # as `nft`: it goes on when we are killed, so it has to keep our lock on the host
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return 124, "", f"it did not answer within {seconds:.0f} s"
    return process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace")


def same(args: Mapping[str, Any], found: Mapping[str, Any] | None) -> bool:
    """Is it as `args` say?"""
    if found is None:
        return False
    return all(_words(args[noun]) == _words(found[noun]) for noun in ("servers", "domains"))


def _words(found: Sequence[str]) -> list[str]:
    return sorted(word.lower() for word in found)
