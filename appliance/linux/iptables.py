"""What iptables-legacy has set up, in the form of `nft -j list ruleset`. (nftables itself shows what iptables-nft has set up.)

The command is run only if the kernel has such tables already: otherwise it would load their modules.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOOLS = {"ip": ("iptables-legacy", "ip_tables_names"), "ip6": ("ip6tables-legacy", "ip6_tables_names")}
HOOKS = {"INPUT": "input", "FORWARD": "forward"}
VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}


async def read() -> list[dict[str, Any]]:
    """Chains and rules of the table filter, of both families."""
    found = []
    for family, (command, names) in TOOLS.items():
        path = shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is not None and "filter" in _tables(Path("/proc/net") / names):
            process = await asyncio.create_subprocess_exec(
                path, "-S", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, close_fds=False
            )
            output, _ = await process.communicate()
            found += list(parsed(output.decode(errors="replace"), family))
    return found


def parsed(text: str, family: str) -> Iterator[dict[str, Any]]:
    """What `iptables -S` printed. Rules without matches are judged; of others it is not known what they match."""
    place = {"family": family, "table": "filter"}
    for words in map(str.split, text.splitlines()):
        match words:
            case ["-P", name, policy] if name in HOOKS:
                base = {"name": name, "type": "filter", "hook": HOOKS[name], "prio": 0, "policy": policy.lower()}
                yield {"chain": {**place, **base, "tool": TOOLS[family][0]}}
            case ["-A", chain, *matches] if "-j" in matches or "-g" in matches:
                at = next(index for index, word in enumerate(matches) if word in {"-j", "-g"})
                target = matches[at + 1]
                jump = {"jump" if matches[at] == "-j" else "goto": {"target": target}}
                verdict = {VERDICTS[target]: None} if target in VERDICTS else jump
                yield {"rule": {**place, "chain": chain, "expr": [*([{"xt": None}] if at else []), verdict]}}


def _tables(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
