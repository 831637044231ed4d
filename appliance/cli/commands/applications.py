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
        "service list",
        HEADING,
        "show which members offer which services, and how these are",
        "appliance.cli.services:list_services",
        (Positional("service", "SERVICE", "this one only", optional=True), JSON),
        more="What members say of themselves in their rows, and whether the network takes the member for alive. `serve` offers "
        "nothing; `service register` and programs that register do.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "service watch",
        HEADING,
        "show it again whenever it has changed, until Ctrl-C",
        "appliance.cli.services:watch_services",
        (Positional("service", "SERVICE", "this one only", optional=True), JSON_LINES),
        exits="6 not allowed to ask · 7 no daemon here, or it has ended",
    ),
    Command(
        "service register",
        HEADING,
        "serve, and tell the network so, with a health that is checked",
        "appliance.cli.services:register",
        (
            Positional("service", "SERVICE", "its name, as with `serve`"),
            Option("--to", "a server of this host that is behind it", "HOST:PORT"),
            Option("--run", "a program that is started for each stream, which is its standard input and output", "PROGRAM"),
            Option("--check", "a command that succeeds while the service works; default: --to takes connections", "COMMAND"),
            Option("--metadata", "what those who look for it are told besides, with commas between", "NAME=TEXT"),
            JSON,
        ),
        more="Until Ctrl-C, or the node ends; then the service is out of this node's row at once. Checked every 5 s, within 2 s; "
        "two failures in a row, and the network hears that it fails.",
        exits="6 not allowed · 7 no daemon here",
    ),
    Command(
        "mesh chat",
        HEADING,
        "talk with all who are in a mesh: each line goes to all, what they say comes out",
        "appliance.cli.meshes:chat",
        (
            Positional("name", "NAME", "the mesh; whoever says the same name is in it"),
            Option("--peers", "peers to look for besides, with commas between; for nodes without a network", "PEERS"),
            Option("--wait", "how long lines of a pipe wait until somebody is there", "DURATION", default="30s"),
            JSON_LINES,
        ),
        more="Until the end of standard input. What programs send with `appliance.sdk` to a mesh of that name comes out too.",
        exits="6 not allowed · 7 no daemon here · 75 nobody else came",
    ),
    Command(
        "mesh peers",
        HEADING,
        "show which members are in a mesh, without joining it",
        "appliance.cli.meshes:peers",
        (Positional("name", "NAME", "the mesh"), JSON),
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "publish",
        HEADING,
        "tell all members something that are subscribed to a topic",
        "appliance.cli.topics:publish",
        (
            Positional("topic", "TOPIC", "its name: letters, digits, dots, dashes, underscores and slashes"),
            Positional("text", "TEXT", "the message. Without it: each line of standard input is one", optional=True),
            Option("--file", "the message is what is in this file, up to 8,000 bytes", "FILE"),
            JSON_LINES,
        ),
        more="Whoever is not subscribed at that moment never gets it, and there is no receipt. A pipe is slowed down to what a "
        "user may publish.",
        exits="2 too long · 6 not allowed · 7 no daemon here",
    ),
    Command(
        "subscribe",
        HEADING,
        "show what members publish in topics, a line each",
        "appliance.cli.topics:subscribe",
        (
            Positional("topics", "TOPIC…", "the topics"),
            Option("--count", "end after so many messages", "NUMBER"),
            JSON_LINES,
        ),
        more="Until Ctrl-C. Each message comes once at most; who published it is proved by a signature. What was "
        "published before does not come.",
        exits="6 not allowed · 7 no daemon here, or it has ended",
        many="topics",
    ),
    Command(
        "topics",
        HEADING,
        "show which topics programs of this host read, and with whom",
        "appliance.cli.topics:show",
        (JSON,),
        exits="6 not allowed · 7 no daemon here",
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
