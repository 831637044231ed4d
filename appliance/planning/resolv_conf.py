"""/etc/resolv.conf (resolv.conf(5)) as it was, and as it is while this host asks a node for names. Pure.

What was there before stands inside of ours, line by line behind a mark. So the file alone says what to bring back: after a power
cut, too, when the undo journal is gone and the file is not. Files are texts here, one character for each byte (Latin-1): any
file comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

FIRST_LINE: Final = "# Made by the appliance, whose node on {interface} answers here; gone with it, when this comes back:"
_OURS: Final = re.compile(r"# Made by the appliance, whose node on ([^\s/;]{1,15}) answers here; ")
KEPT: Final = "#| "
"""Before each line of the file that was there before."""
MOST_BYTES: Final = 64 * 1024
"""Of a file that we change: resolvers read the first lines, and it goes into the journal."""
RESOLVED: Final = frozenset({"127.0.0.53", "127.0.0.54"})
"""Where systemd-resolved answers (systemd-resolved.service(8))."""


def interface_of(text: str) -> str:
    """The interface of the node that wrote this file; "" if no node did."""
    found = _OURS.match(text)
    return found[1] if found else ""


def before(text: str) -> str:
    """What the file said before a node wrote it; the text itself if none did."""
    if not interface_of(text):
        return text
    return "\n".join(line[len(KEPT) :] for line in text.split("\n") if line.startswith(KEPT))


def ours(was: str, interface: str, server: str, label: str) -> str:
    """The file that names our server, and `label` as the domain that is tried first. All else stays as it `was`."""
    searched = [label, *(name for name in search(was) if name.lower() != label)]
    others = [line for line in was.split("\n") if _word(line) not in {"", "nameserver", "search", "domain"}]
    return "\n".join(
        [
            FIRST_LINE.format(interface=interface),
            *(KEPT + line for line in was.split("\n")),
            f"nameserver {server}",
            f"search {' '.join(searched)}",
            *others,
            "",
        ]
    )


def servers(text: str) -> list[str]:
    """The addresses of name servers in the file, in its order."""
    return [words[1] for words in _words(text) if words[0] == "nameserver" and len(words) > 1]


def search(text: str) -> list[str]:
    """The domains in which short names are looked for: those of the last such line (resolv.conf(5))."""
    found: Sequence[str] = ()
    for words in _words(text):
        if words[0] in {"search", "domain"}:
            found = words[1:] if words[0] == "search" else words[1:2]
    return list(found)


def asks_resolved(text: str) -> bool:
    """Does it lead to systemd-resolved, and to nobody else?"""
    found = servers(text)
    return bool(found) and RESOLVED.issuperset(found)


def _words(text: str) -> Iterator[list[str]]:
    for line in text.split("\n"):
        if _word(line):
            yield line.split()


def _word(line: str) -> str:
    """The word that a line begins with; "" for a comment."""
    words = line.split(None, 1)
    return words[0] if words and words[0][0] not in "#;" else ""
