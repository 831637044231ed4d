"""Commands to try it out."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import FROM_PROFILE, JSON, Command

HEADING = "Try it out"

COMMANDS = (
    Command(
        "lab",
        HEADING,
        "build the hosts of a lab file and probe the overlay between them",
        "appliance.cli.lab:lab",
        (
            Positional("path", "FILE", "a lab file, for example profiles/lab/pair.yaml"),
            JSON,
            Option("--on", "what the hosts are: namespaces, vms (or vms:trixie), or those of this ssh_config", "WHERE"),
            Option("--package", "the Debian package for them, instead of the newest that fits in dist/", "FILE"),
            Option("--probe", "run only this kind of probe (ping) or this one (ping-v6)", "NAME"),
            Option("--keep", "leave the hosts standing after the probes, until Ctrl-C"),
            Option("--story", "tell what happens at each step"),
        ),
        more="Each host is a network namespace with a real node in it, unless --on says otherwise; every trace is removed at the "
        "end, also after Ctrl-C.",
    ),
    Command(
        "completion",
        HEADING,
        "print a completion script for bash",
        "appliance.cli.completion:completion",
        (*FROM_PROFILE, Option("--of", "print what the running node knows instead: peers, or services", "WHAT")),
        more='In ~/.bashrc: eval "$(appliance completion)"',
    ),
)
