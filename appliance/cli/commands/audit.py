"""Commands for the audit log."""

from __future__ import annotations

from appliance.api.management import Option
from appliance.cli.commands.command import JSON, Command

HEADING = "Audit log"
FOLDER = Option("--folder", "the folder of the log; without it the only one of this host", "PATH")
CHOICE = (
    Option("--since", "from this time on: 2h, 2026-11-28 or 2026-11-28T06:00:00Z", "TIME"),
    Option("--until", "before this time", "TIME"),
    Option("--who", "only what somebody of this name did", "NAME"),
    Option("--what", "only this operation or event: reload, stream, user.login", "NAME"),
)

COMMANDS = (
    Command(
        "audit show",
        HEADING,
        "show who changed what, and who was refused",
        "appliance.cli.audit:show",
        (
            *CHOICE,
            Option("--limit", "the newest so many; default 50", "N"),
            Option("--follow", "go on with what is recorded from now on, until Ctrl-C"),
            Option("--json", "one JSON object a line"),
        ),
        more="Asks the running node. It keeps a log if its profile has `audit: {}`; docs/audit.md says what is in it.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "audit verify",
        HEADING,
        "find out whether anybody changed the log",
        "appliance.cli.audit:verify",
        (
            FOLDER,
            Option("--head", "heads that were kept elsewhere, as `audit heads --json` prints them", "FILE"),
            Option("--ask", "a connected peer: compare with the heads that it keeps of this node", "PEER"),
            JSON,
        ),
        more="Reads the files, and needs no running node. Says entry, file and line. A log that was cut off, or written anew by "
        "who may write it, shows only by heads that were kept elsewhere.",
        exits="1 it was changed · 2 there is no log, or no such head · 6 its files may not be read · 7 no daemon here, for --ask",
    ),
    Command(
        "audit export",
        HEADING,
        "print the log for other programs, the oldest entry first",
        "appliance.cli.audit:export",
        (FOLDER, *CHOICE, Option("--csv", "a table with commas instead of JSON objects, one a line")),
        more="Reads the files as they are; `audit verify` says whether they are right.",
        exits="6 its files may not be read",
    ),
    Command(
        "audit heads",
        HEADING,
        "show the signed heads of this log and of other nodes' logs: keep them elsewhere",
        "appliance.cli.audit:heads",
        (JSON,),
        more="A head says which entry is the last one, and its hash. Whoever has it can tell later that the log was cut off or "
        "written anew: `appliance audit verify --head FILE`. Nodes that keep a log give their heads to three of their peers.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
)
