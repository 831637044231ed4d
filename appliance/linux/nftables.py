"""nftables tables, by `nft -j`: read whole, and replaced whole in one transaction."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.errors import HostError, MissingPrivilege
from appliance.linux.refusals import PRIVILEGE_HINT

PACKAGE_HINT = "install the package nftables (apt install nftables), or take masquerade and policy out of the profile"

MOST_CHARACTERS = 4 << 20
"""The longest ruleset that we judge: parsing a longer one would stop a running node for more than 50 ms."""


def tool() -> str | None:
    """Where `nft` is; None if it is not installed. Looks into the sbin directories too, which are not in an ordinary user's
    PATH."""
    return shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


async def read(table: str) -> list[dict[str, Any]] | None:
    """A table as libnftables' JSON, without handles; None if there is no such table."""
    code, output, errors = await _nft(["-j", "list", "table", *table.split()])
    if code == 0:
        return [_plain(entry) for entry in json.loads(output)["nftables"] if "metainfo" not in entry]
    if "No such file or directory" in errors:
        return None
    raise _failed(errors, f"reading the nftables table {table}")


async def read_all() -> list[dict[str, Any]]:
    """The whole ruleset, in the same form. Raises what `read` raises, and HostError if it has more than MOST_CHARACTERS."""
    code, output, errors = await _nft(["-j", "list", "ruleset"])
    if code:
        raise _failed(errors, "reading the nftables ruleset")
    if len(output) > MOST_CHARACTERS:
        raise HostError("the nftables ruleset is too long to be judged")
    return [_plain(entry) for entry in json.loads(output)["nftables"] if "metainfo" not in entry]


async def replace(args: Mapping[str, Any]) -> None:
    """Make `table` be `ruleset` (entries as `read` gives them); None removes it. All of it happens, or nothing."""
    commands = json.dumps({"nftables": _transaction(args["table"], args["ruleset"])}).encode()
    for flags in (["-c"], []):
        code, _, errors = await _nft([*flags, "-j", "-f", "-"], commands)
        if code:
            raise _failed(errors, f"changing the nftables table {args['table']}")


async def fill(table: str, sets: Mapping[str, Sequence[str]]) -> None:
    """Let these sets of a table hold exactly these addresses. All at once, or nothing. Raises HostError, MissingPrivilege."""
    family, name = table.split()
    commands: list[dict[str, Any]] = []
    for each, addresses in sets.items():
        itself = {"family": family, "table": name, "name": each}
        commands.append({"flush": {"set": itself}})
        if addresses:
            commands.append({"add": {"element": {**itself, "elem": list(addresses)}}})
    if not commands:
        return
    code, _, errors = await _nft(["-j", "-f", "-"], json.dumps({"nftables": commands}).encode())
    if code:
        raise _failed(errors, f"filling the sets of the nftables table {table}")


def _transaction(table: str, ruleset: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    family, name = table.split()
    itself = {"table": {"family": family, "name": name}}
    # Deleting a missing table is an error, adding one that is there is not: hence add before delete.
    clear: list[dict[str, Any]] = [{"add": itself}, {"delete": itself}]
    return clear if ruleset is None else clear + [{"add": entry} for entry in ruleset]


async def _nft(arguments: Sequence[str], text: bytes = b"") -> tuple[int, str, str]:
    path = tool()
    if path is None:
        raise HostError("the command nft is not installed", hint=PACKAGE_HINT)
    process = await asyncio.create_subprocess_exec(
        path,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        close_fds=False,  # it goes on when we are killed, so it has to keep our lock on the host
        start_new_session=True,  # a Ctrl-C is for us, who undo what was done
    )
    output, errors = await process.communicate(text)
    return process.returncode or 0, output.decode(), errors.decode()


def _failed(errors: str, doing: str) -> HostError | MissingPrivilege:
    if "Operation not permitted" in errors or "must be root" in errors:
        return MissingPrivilege(f"no permission for {doing}", hint=PRIVILEGE_HINT)
    first = errors.strip().splitlines()[0] if errors.strip() else "no reason given"
    return HostError(f"nft failed while {doing}: {first}")


def _plain(value: Any) -> Any:
    """Without handles, which the kernel numbers anew each time."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key != "handle"}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
