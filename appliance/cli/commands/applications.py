"""Commands for applications: how programs reach each other by way of the node."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command

HEADING = "Applications"
JSON_LINES = Option("--json", "what happens, a JSON object a line on standard output")

COMMANDS: tuple[Command, ...] = (
    Command(
        "connect",
        HEADING,
        "talk with a service of a peer: standard input goes there, what it says comes out",
        "appliance.cli.streaming:connect",
        (
            Positional("peer", "PEER", "who: a name or an identity"),
            Positional("service", "SERVICE|PORT", "what is served there, or a port of its overlay address"),
            Option("--metadata", "what the service is told besides, with commas between", "NAME=TEXT"),
            Option("--timeout", "how long opening may take", "DURATION", default="5s"),
        ),
        more="The end of standard input is the end of one direction only: what the service still says comes out. The stream is "
        "TCP inside the overlay, encrypted from node to node.",
        exits="6 not allowed · 7 no daemon here · 75 not reached now",
    ),
    Command(
        "serve",
        HEADING,
        "let peers have a service of this host",
        "appliance.cli.streaming:serve",
        (
            Positional(
                "service", "SERVICE", "its name: small letters, digits, dots, dashes and underscores; `echo` sends all back"
            ),
            Option("--to", "a server of this host that is behind it", "HOST:PORT"),
            Option("--udp", "datagrams instead of streams; with --to"),
            Option("--run", "a program that is started for each stream, which is its standard input and output", "PROGRAM"),
            JSON,
        ),
        more="Until Ctrl-C, or the node ends.",
        exits="6 not allowed · 7 no daemon here",
    ),
    Command(
        "tunnel",
        HEADING,
        "make a service or port of a peer a local port",
        "appliance.cli.streaming:tunnel",
        (
            Positional("peer", "PEER", "who: a name or an identity"),
            Positional("service", "SERVICE|PORT", "what is served there, or a port of its overlay address"),
            Option("--listen", "the local port; port 0 is any that is free", "[ADDRESS:]PORT", default="127.0.0.1:0"),
            Option("--udp", "datagrams instead of streams"),
            JSON,
        ),
        more="Until Ctrl-C. Each local connection is a stream of its own, tried for 15 s while the peer, or this host's node, is "
        "away. Datagrams of one sender are one flow, which ends after a minute of silence.",
        exits="2 the local port cannot be had",
    ),
    Command(
        "proxy",
        HEADING,
        "be a SOCKS5 and HTTP proxy onto the overlay for programs of this host",
        "appliance.cli.streaming:proxy",
        (Option("--listen", "the local port", "[ADDRESS:]PORT", default="127.0.0.1:1080"), JSON),
        more="Until Ctrl-C. Both kinds at one port: SOCKS5 with UDP (RFC 1928), without a password, and HTTP's CONNECT. Names "
        "are looked up in the overlay; what is no peer's is refused, and nothing goes outside in the clear.",
        exits="2 the local port cannot be had",
    ),
    Command(
        "send",
        HEADING,
        "send files and folders to a peer that receives",
        "appliance.cli.files:send",
        (
            Positional("paths", "PATH…", "files and folders"),
            Positional("peer", "PEER", "to whom: a name or an identity"),
            JSON_LINES,
        ),
        more="The peer runs `appliance receive`. A lost connection is made again. After Ctrl-C, a kill or a reboot of either "
        "side the same command goes on where it was. Links, devices, pipes and sockets in folders are left out.",
        exits="6 not allowed · 7 no daemon here · 75 the same command may go on later",
        many="paths",
    ),
    Command(
        "receive",
        HEADING,
        "take files and folders that peers send",
        "appliance.cli.files:receive",
        (
            Positional("folder", "FOLDER", "where to; a folder for each sender is made in it. Default: here", optional=True),
            Option("--from", "take files of these peers only: names or identities, with commas between", "PEERS"),
            Option("--once", "end after the first transfer that is complete"),
            Option("--overwrite", "replace files that are there already"),
            JSON_LINES,
        ),
        more="Until Ctrl-C. Who may send is whom the node lets in, or whom --from names. What is not complete is kept in "
        "FOLDER/.receiving.",
        exits="6 not allowed · 7 no daemon here",
    ),
)
