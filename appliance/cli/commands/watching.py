"""Commands that look at the running node."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import FROM_PROFILE, JSON, Command

HEADING = "Look at it"

COMMANDS = (
    Command(
        "status",
        HEADING,
        "show the running node: sessions, peers, drops",
        "appliance.cli.node:status",
        (JSON, Option("--watch", "show it again each second, and when something happens, until Ctrl-C")),
        more="With --watch and --json each status is one line.",
        exits="5 degraded · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "health",
        HEADING,
        "say whether the running node is well, and what is wrong if not",
        "appliance.cli.services:health",
        (JSON,),
        more="`status` shows much more; this is for scripts and monitors.",
        exits="5 something is wrong, or it is not ready · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "peers",
        HEADING,
        "show the peers of the running node, and which of them are there",
        "appliance.cli.peers:peers",
        (JSON, Option("--watch", "show it again each second, and when something happens, until Ctrl-C")),
        more="Those of the profile, and members of its network: since when there is a session and where, directly or by a relay "
        "and why, the round trip, whether it is taken for dead, and how long a member's certificate holds. A member that this "
        "node does not take as a peer is there with the reason.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "peers block",
        HEADING,
        "have no session with a peer: those that there are end, and its calls are refused",
        "appliance.cli.scores:block",
        (
            Positional("name", "PEER", "its name, or its identity"),
            Option("--for", "for so long; without it until `peers unblock`", "DURATION"),
            Option("--reason", "why, for whoever asks later", "TEXT"),
            JSON,
        ),
        more="In a network of members (docs/scores.md). Holds across restarts and for whatever certificate that identity gets. "
        "Other members are not told, and go on to have to do with it: to end its membership, `network revoke`.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "peers unblock",
        HEADING,
        "take a block of a peer back, and what spoke against it",
        "appliance.cli.scores:unblock",
        (Positional("name", "PEER", "its name, or its identity"), JSON),
        more="A block that the node made by itself, or one by hand.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "peers scores",
        HEADING,
        "show what the node thinks of members, and why; and who is blocked, since when and until when",
        "appliance.cli.scores:scores",
        (JSON,),
        more="From -100 to 100, by what this node saw itself; what a member did counts half as much an hour later.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "top",
        HEADING,
        "watch the running node: who has how much traffic, what is dropped, what its processes use",
        "appliance.cli.top.command:top",
        (
            Option("--every", "look so often; default 1s", "DURATION", "1s"),
            Option("--once", "print the figures once, with the rates between two looks, and end"),
            JSON,
        ),
        more="On a whole screen, with the extra `top` (textual): ? tells the keys. --once and --json need nothing but the node, "
        "and print the same figures. Jobs are there where the node has an API server that this user may ask.",
        exits="5 with --once or --json: something is wrong with the node · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "events",
        HEADING,
        "say what happens to the running node, until Ctrl-C",
        "appliance.cli.follow:events",
        (Option("--json", "one JSON object a line"),),
        more="Begins with its health. Sessions that open, move and end are told at once, a change of health or profile within a "
        "second. Who reads too slowly hears how many events were lost.",
        exits="6 not allowed to ask · 7 no daemon here, or it has ended",
    ),
    Command(
        "ping",
        HEADING,
        "ask a peer for an echo, and say by which path it came",
        "appliance.cli.finding:ping",
        (
            Positional("name", "PEER", "its name, with or without the network's label"),
            Option("--count", "how many times, a second apart; default 4", "N"),
            JSON,
        ),
        more="Works whether or not this host looks up names at the node. Sends ordinary pings through the overlay.",
        exits="1 nothing came back, or nobody is called so · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "discover",
        HEADING,
        "show where peers may be, which discovery kind says so, and whether it works",
        "appliance.cli.finding:discover",
        (JSON, Option("--watch", "show it again each second, and when something happens, until Ctrl-C")),
        more="An endpoint works if the peer's session goes there now. Found by `profile`: it is written there; by `roster`: "
        "members told each other; by `dht`: it stands in the network's hash table, under the member's identity.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "netcheck",
        HEADING,
        "find out what NAT this node is behind, and what passes it",
        "appliance.cli.netcheck:netcheck",
        (JSON,),
        more="Asks peers of the running node, which takes up to five seconds. What cannot be found out is said with the reason; "
        "docs/nat.md says what the answers mean.",
        exits="1 the node does not look for direct paths · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "doctor",
        HEADING,
        "look for what hinders or slows the node, and say what to do",
        "appliance.cli.doctor.command:doctor",
        (
            *FROM_PROFILE,
            Option("--during", "look at what the running node counts for so long (30s), and say what rose meanwhile", "DURATION"),
            JSON,
        ),
        more="Changes nothing. Each finding has a code with a section in docs/troubleshooting.md.",
        exits="1 something does not work · 5 it works but not well",
    ),
    Command(
        "debug profile",
        HEADING,
        "say where the running node spends its time",
        "appliance.cli.debugging:profile",
        (
            Option("--during", "look for so long, up to 60s; default 10s", "DURATION", "10s"),
            Option("--worker", "look at this worker, from 0 on, instead of the control process", "NUMBER"),
            Option("--output", "write the stacks there, as flame graphs want them", "FILE"),
            JSON,
        ),
        more="Looks a hundred times a second (at a worker fifty times) where the program is: names of functions, never values. "
        "Costs nothing while nobody asks.",
        exits="6 not allowed to ask · 7 no daemon here · 75 somebody is asking already",
    ),
    Command(
        "debug memory",
        HEADING,
        "say what the running node's control process holds",
        "appliance.cli.debugging:memory",
        (JSON,),
        more="Objects by type, descriptors by kind, threads: counts, never values.",
        exits="6 not allowed to ask · 7 no daemon here · 75 somebody is asking already",
    ),
    Command(
        "debug trace",
        HEADING,
        "say which requests and streams took long of late, and where the time of one went",
        "appliance.cli.traces:trace",
        (
            Positional(
                "trace", "TRACE", "this one, step by step: 32 digits, from the list, a log or a traceparent", optional=True
            ),
            Option("--name", "only traces with a step whose name has this in it", "TEXT"),
            Option("--failed", "only traces in which a step went wrong"),
            Option("--url", "the API server; without it that of this host's node, by its Unix socket", "URL"),
            Option("--token-file", "a file with the token; else the variable APPLIANCE_TOKEN", "PATH"),
            JSON,
        ),
        more="Needs `management: {tracing: {}}` in the profile (docs/tracing.md). `itself` is the time that no step within one "
        "accounts for: look for the largest.",
        exits="6 no token, or not allowed · 7 no API server here",
    ),
    Command("version", HEADING, "print the version", "appliance.cli.node:version", (JSON,)),
)
