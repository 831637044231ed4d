"""One command as data: what is typed, what it takes, what runs it; and the arguments that many commands have."""

from __future__ import annotations

from typing import NamedTuple

from appliance.api.management import Option, Positional


class Command(NamedTuple):
    """One command."""

    words: str
    """What is typed."""
    group: str
    """The heading in help texts."""
    summary: str
    run: str
    """The import path of `run(arguments, terminal)`, which returns the exit code."""
    arguments: tuple[Positional | Option, ...] = ()
    more: str = ""
    """Help for somebody who has not used it before."""
    exits: str = ""
    """The exit codes besides 0, 1 and 2."""
    many: str = ""
    """The name of the positional argument that is said once or more often, if there is such."""


NEW_PROFILE = "/etc/appliance/profile.yaml, or below ~/.config for an ordinary user"
PROFILE = Positional(
    "profile",
    "PATH",
    "the profile; without it that of the running node, or your own (~/.config/appliance), or the system's: /usr/lib, /run and "
    "/etc/appliance, layered",
    optional=True,
)
CONFIG = Option("--config", "the profile, said as an option", "PATH")
JSON = Option("--json", "one JSON document on standard output")
FROM_PROFILE = (PROFILE, CONFIG)
