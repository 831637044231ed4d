"""Every command with its arguments, as data. The parser, `--help` and docs/cli.md are made from this table.

The code of a command is named by an import path, and loaded when that command runs: `appliance status` loads nothing else.
"""

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


SYSTEM_PROFILE = "/etc/appliance/profile.yaml"
PROFILE = Positional(
    "profile",
    "PATH",
    "the profile; without it that of the running node, or the system's: /usr/lib, /run and /etc/appliance, layered",
    optional=True,
)
CONFIG = Option("--config", "the profile, said as an option", "PATH")
JSON = Option("--json", "one JSON document on standard output")
FROM_PROFILE = (PROFILE, CONFIG)
CONFIRM_WITHIN = Option("--confirm-within", "undo everything unless `appliance confirm` comes in time (60s, 5min)", "DURATION")

IDENTITY = Option("--identity", "the node's identity; default: /etc/appliance/identity", "FILE")
OUTPUT = Option("--output", "a new file for the result; without it standard output", "FILE")
NETWORK = Positional("label", "LABEL", "the network; without it the only one of this host", optional=True)
NETWORK_OPTION = Option("--label", "the network; without it the only one of this host", "LABEL")
KEY = Option("--key", "who signs: a file with the owner's key or an issuer's identity; default: what this host has", "FILE")
LIFETIME = Option("--lifetime", "how long it is valid; default: a year, or as long as the issuer may", "DURATION")
WHO = Positional("name", "NAME|IDENTITY", "the member")
SIGNING = (NETWORK_OPTION, KEY, LIFETIME, OUTPUT)
SIGNED = (
    Positional("request", "FILE", "what `network request` wrote; - for standard input"),
    Option("--name", "what the node is called, a DNS label; a member keeps its name", "NAME"),
    Option("--address", "its addresses in the overlay, with commas between; default: what it has, or free ones", "ADDRESSES"),
    Option("--prefix", "networks behind it that it may carry, with commas between", "PREFIXES"),
    Option("--exit", "it may carry what is for no member"),
    Option("--tags", "tags for policies, with commas between", "TAGS"),
    Option("--role", "what it may be for the others: relay, rendezvous", "ROLES"),
    Option("--final", "it ends with --lifetime: issuers that run do not renew it by themselves"),
    *SIGNING,
)

WRITE = "Write a profile"
HOST = "Change this host"
LOOK = "Look at it"
KEYS = "Identities"
MEMBERS = "Networks of members"
PLUGINS = "Plugins"
TRY = "Try it out"

GROUPS = (WRITE, HOST, LOOK, KEYS, MEMBERS, PLUGINS, TRY)

COMMANDS = (
    Command(
        "init",
        WRITE,
        "write a commented starter profile",
        "appliance.cli.profile:init",
        (
            Positional("profile", "PATH", f"where to write it; - for standard output; default {SYSTEM_PROFILE}", optional=True),
            Option("--name", "the node's name; default: this host's", "NAME"),
        ),
        more="Never overwrites a file. Edit the result, make an identity with `appliance keys new`, then `appliance check`.",
    ),
    Command(
        "check",
        WRITE,
        "read a profile and name everything that is wrong with it",
        "appliance.cli.profile:check",
        (*FROM_PROFILE, JSON),
        more="Works offline and without privileges; changes nothing. All problems are shown at once, each with file, line and "
        "column.",
    ),
    Command(
        "config show",
        WRITE,
        "show each key with its value and where that comes from",
        "appliance.cli.profile:config_show",
        (*FROM_PROFILE, JSON),
        more="The origin is a file with line and column, a variable, a credential, or `default`. Secrets are hidden.",
    ),
    Command(
        "schema",
        WRITE,
        "print the JSON Schema of profiles",
        "appliance.cli.profile:schema",
        more="For editors: `# yaml-language-server: $schema=FILE` as a profile's first line. Sections of enabled plugins are in "
        "it.",
    ),
    Command(
        "plan",
        HOST,
        "show what apply would change",
        "appliance.cli.applying:plan",
        (*FROM_PROFILE, JSON),
        more="Reads the host, changes nothing. An empty plan means that the host is as the profile says.",
        exits="3 changes are pending",
    ),
    Command(
        "apply",
        HOST,
        "make this host what the profile says",
        "appliance.cli.applying:apply",
        (
            *FROM_PROFILE,
            CONFIRM_WITHIN,
            JSON,
        ),
        more="When a daemon runs in this network namespace it takes the profile over without dropping unaffected sessions "
        "(without PATH what it was started with, read again, as on SIGHUP). PATH lasts until the next reload or start, and is "
        "read by this command, so it may lie where the service sees nothing. Otherwise the host is configured and `appliance "
        "run` finds it ready. A step that fails undoes all before it.",
        exits="4 a step failed and the host is as before · 6 needs root · 8 refused until you decide · 9 this host cannot be so "
        "now",
    ),
    Command(
        "confirm",
        HOST,
        "keep what `apply --confirm-within` changed",
        "appliance.cli.applying:confirm",
        (
            *FROM_PROFILE,
            Option("--refused", "let profiles be used again that nobody confirmed in time, or that were rolled back"),
            JSON,
        ),
        more="A profile that was not confirmed, or was rolled back, is refused by start, restart, reload and boot until it is "
        "changed, confirmed in a new window, or accepted by --refused (PATH is for a node that does not run).",
        exits="1 nothing awaits confirmation (any more)",
    ),
    Command(
        "rollback",
        HOST,
        "undo what was applied",
        "appliance.cli.applying:rollback",
        (JSON,),
        more="Brings the host back to what it was before the first apply, also after a crash. A second run completes an "
        "interrupted one.",
    ),
    Command(
        "run",
        HOST,
        "apply, then be a node until SIGTERM or Ctrl-C, then undo",
        "appliance.cli.applying:run",
        (*FROM_PROFILE, CONFIRM_WITHIN),
        more="Stays in the foreground and logs to standard error. SIGHUP reads the profile again. When it ends, the host is as "
        "before.",
        exits="6 needs root or CAP_NET_ADMIN · 8 refused until you decide, not confirmed, or rolled back · 9 this host cannot be "
        "so now",
    ),
    Command(
        "status",
        LOOK,
        "show the running node: sessions, peers, drops",
        "appliance.cli.node:status",
        (JSON, Option("--watch", "show it again each second, and when something happens, until Ctrl-C")),
        more="With --watch and --json each status is one line.",
        exits="5 degraded · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "peers",
        LOOK,
        "show the peers of the running node, and which of them are there",
        "appliance.cli.peers:peers",
        (JSON, Option("--watch", "show it again each second, and when something happens, until Ctrl-C")),
        more="Those of the profile, and members of its network: since when there is a session and where, directly or by a relay "
        "and why, the round trip, whether it is taken for dead, and how long a member's certificate holds. A member that this "
        "node does not take as a peer is there with the reason.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "events",
        LOOK,
        "say what happens to the running node, until Ctrl-C",
        "appliance.cli.follow:events",
        (Option("--json", "one JSON object a line"),),
        more="Begins with its health. Sessions that open, move and end are told at once, a change of health or profile within a "
        "second. Who reads too slowly hears how many events were lost.",
        exits="6 not allowed to ask · 7 no daemon here, or it has ended",
    ),
    Command(
        "ping",
        LOOK,
        "ask a peer for an echo, and say by which path it came",
        "appliance.cli.finding:ping",
        (
            Positional("name", "NAME", "the peer, with or without the network's label"),
            Option("--count", "how many times, a second apart; default 4", "N"),
            JSON,
        ),
        more="Works whether or not this host looks up names at the node. Sends ordinary pings through the overlay.",
        exits="1 nothing came back, or nobody is called so · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "discover",
        LOOK,
        "show where peers may be, which discovery kind says so, and whether it works",
        "appliance.cli.finding:discover",
        (JSON, Option("--watch", "show it again each second, and when something happens, until Ctrl-C")),
        more="An endpoint works if the peer's session goes there now. Found by `profile`: it is written there; by `roster`: "
        "members told each other.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "netcheck",
        LOOK,
        "find out what NAT this node is behind, and what passes it",
        "appliance.cli.netcheck:netcheck",
        (JSON,),
        more="Asks peers of the running node, which takes up to five seconds. What cannot be found out is said with the reason; "
        "docs/nat.md says what the answers mean.",
        exits="1 the node does not look for direct paths · 6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "doctor",
        LOOK,
        "look for what hinders or slows the node, and say what to do",
        "appliance.cli.doctor.command:doctor",
        (*FROM_PROFILE, JSON),
        more="Changes nothing. Each finding has a code with a section in docs/troubleshooting.md.",
        exits="1 something does not work · 5 it works but not well",
    ),
    Command("version", LOOK, "print the version", "appliance.cli.node:version", (JSON,)),
    Command(
        "keys new",
        KEYS,
        "make a new identity",
        "appliance.cli.keys:new",
        (Positional("path", "PATH", "the file to write, readable by you alone"), JSON),
        more="Never overwrites a file. Prints the identity that other nodes put into their profiles; the file itself stays "
        "secret.",
    ),
    Command(
        "keys show",
        KEYS,
        "print the identity of a key file",
        "appliance.cli.keys:show",
        (Positional("path", "PATH", "a file written by `appliance keys new`"), JSON),
    ),
    Command(
        "join",
        MEMBERS,
        "make this host a member of a network, by a code",
        "appliance.cli.joining:join",
        (
            Positional("code", "CODE", "what `appliance network invite` printed; without it, it is read", optional=True),
            Option("--profile", f"the profile to write; - for standard output; default {SYSTEM_PROFILE}", "PATH"),
            Option("--identity", "the node's identity, made if it is not there; default: `identity` beside the profile", "FILE"),
            Option("--name", "the node's name in its profile; default: the member's", "NAME"),
            Option("--label", "what to call the network on this host; default: what it calls itself", "LABEL"),
            JSON,
        ),
        more="Calls the member that made the code, proves that this host has it (the code itself never travels), verifies what "
        "it gets, and writes an identity, the network's folder and a profile, or nothing at all. Then `appliance run` needs "
        "nothing more. Without CODE no other user of this host can read it among the processes.",
        exits="6 needs root",
    ),
    Command(
        "leave",
        MEMBERS,
        "make this host a member no more",
        "appliance.cli.leaving:leave",
        (NETWORK, Option("--keep", "only stop the node; files stay, and `appliance run` returns"), JSON),
        more="Stops the node, which says goodbye and undoes what it applied, and removes the network's folder and what `join` "
        "wrote. What was changed since then stays. Its certificate goes on to be valid: to end that, `network revoke`.",
        exits="6 needs root",
    ),
    Command(
        "network new",
        MEMBERS,
        "make a network of members: its owner's key, and this node's certificate",
        "appliance.cli.network:new",
        (
            Positional("label", "LABEL", "what it is called on this host, a DNS label: NAME.LABEL is a member's name"),
            Option("--name", "this node's name; default: this host's", "NAME"),
            Option(
                "--address",
                "its addresses in the overlay, with commas between; the /16 and the /48 around them are the network's",
                "ADDRESSES",
            ),
            Option("--profile", f"a profile to write, if there is none; default {SYSTEM_PROFILE}", "PATH"),
            Option("--identity", "the node's identity, made if it is not there; default: `identity` beside the profile", "FILE"),
            Option(
                "--owner-key", "where to write the owner's key, for example on a stick; default: the network's folder", "FILE"
            ),
            Option(
                "--role",
                "what this node may be for the others, with commas between",
                "ROLES",
                default="relay,rendezvous",
            ),
            JSON,
        ),
        more="Prints the network's fingerprint. Who has the owner's key makes and removes members; nothing can replace it. "
        "The first node relays between members that cannot reach each other; `--role ''` if it should not. Nothing is "
        "overwritten.",
    ),
    Command(
        "network show",
        MEMBERS,
        "show a network: its fingerprint, who signs for it, what ends soon",
        "appliance.cli.network:show",
        (NETWORK, JSON),
    ),
    Command(
        "network members",
        MEMBERS,
        "list the members, and the certificates that do not count",
        "appliance.cli.network:members",
        (NETWORK, JSON),
        more="As this host's files have it; a running node learns from the others and writes it down here.",
    ),
    Command(
        "network request",
        MEMBERS,
        "write what a node hands to whoever signs its certificate",
        "appliance.cli.certificates:request",
        (IDENTITY, OUTPUT, JSON),
        more="For hosts that are not invited by a code. Nothing in it is secret.",
    ),
    Command(
        "network sign",
        MEMBERS,
        "sign a certificate for the node that made a request",
        "appliance.cli.certificates:sign",
        (*SIGNED, JSON),
        more="Works offline, on the machine that has the key. For a member it replaces the certificate that it has. Carry the "
        "result to the node, and there: `appliance network import FILE`.",
    ),
    Command(
        "network issuer",
        MEMBERS,
        "make a node an issuer: it signs for the owner, within limits",
        "appliance.cli.certificates:issuer",
        (
            *SIGNED,
            Option("--may-last", "longest validity of what it signs", "DURATION", default="90d"),
            Option("--may-addresses", "prefixes that it may give addresses of", "PREFIXES"),
            Option("--may-prefixes", "prefixes that it may give parts of", "PREFIXES"),
            Option("--may-tags", "tags that it may give, or `any`", "TAGS"),
            Option("--may-roles", "roles that it may give: relay, rendezvous", "ROLES"),
            Option("--may-exit", "it may say that a node is an exit"),
            JSON,
        ),
        more="Only the owner's key makes issuers. As `network sign` otherwise. With a second issuer whose key lies in a drawer "
        "the network goes on when the first one's is lost.",
    ),
    Command(
        "network renew",
        MEMBERS,
        "sign a member's certificate again before it ends",
        "appliance.cli.certificates:renew",
        (WHO, *SIGNING, JSON),
        more="The owner, or an issuer within its limits: what an issuer renews counts when the owner's certificate has ended.",
    ),
    Command(
        "network revoke",
        MEMBERS,
        "remove a member: its certificates count no more",
        "appliance.cli.certificates:revoke",
        (
            WHO,
            NETWORK_OPTION,
            KEY,
            Option("--all-it-signed", "of an issuer: what it has signed so far counts no more either"),
            OUTPUT,
            JSON,
        ),
        more="An issuer removes what it signed, the owner anybody. Whom the owner removed only the owner's key brings back.",
    ),
    Command(
        "network export",
        MEMBERS,
        "write the network's key and all statements, for a backup or another machine",
        "appliance.cli.network:export",
        (NETWORK, OUTPUT, JSON),
        more="Never a secret key: the owner's is copied by hand.",
    ),
    Command(
        "network import",
        MEMBERS,
        "take certificates and revocations from a file",
        "appliance.cli.network:take",
        (
            Positional("path", "FILE", "what `network sign`, `renew`, `revoke` or `export` wrote; - for standard input"),
            Option("--label", "what to call a network that is new here", "LABEL"),
            Option("--network", "the fingerprint that it must have", "FINGERPRINT"),
            JSON,
        ),
        more="Each statement is judged as if a member had said it.",
    ),
    Command(
        "network invite",
        MEMBERS,
        "make a code with which a new host joins the network",
        "appliance.cli.invitations:invite",
        (
            Positional("name", "NAME", "what the new member is called: a DNS label"),
            Option("--ttl", "how long the code is good for, up to 30 days", "DURATION", default="1h"),
            Option("--uses", "how many hosts may use it; the second is called NAME-2", "NUMBER", default="1"),
            Option("--tags", "tags of its certificate, with commas between", "TAGS"),
            Option("--prefix", "networks behind it that it may carry, with commas between", "PREFIXES"),
            Option("--exit", "it may carry what is for no member"),
            Option("--role", "what it may be for the others: relay, rendezvous", "ROLES"),
            Option("--at", "where the new host calls this node, best first; without it this host's own addresses", "ENDPOINTS"),
            JSON,
        ),
        more="The running node makes it; the node is the network's owner (`network new` was run there) or one of its issuers. "
        "The code has where to call, whom to expect there, and a secret of 128 bits; it is shown once, and nowhere kept. A wrong "
        "guess ends it.",
        exits="7 no daemon here",
    ),
    Command(
        "network invitations",
        MEMBERS,
        "list the invitations of the running node, and what became of each",
        "appliance.cli.invitations:invitations",
        (Option("--revoke", "take this one back, or all open ones for that name", "NUMBER|NAME"), JSON),
        more="A host that has joined stays a member when its invitation is taken back: for that there is `network revoke`.",
        exits="7 no daemon here",
    ),
    Command(
        "plugins",
        PLUGINS,
        "list installed plugins and how they are",
        "appliance.cli.plugins:plugins",
        (*FROM_PROFILE, JSON),
        exits="5 an enabled plugin failed",
    ),
    Command(
        "plugin new",
        PLUGINS,
        "write a new plugin whose tests pass",
        "appliance.cli.plugins:plugin_new",
        (
            Positional("name", "NAME", "its name: lower-case letters, digits and dashes"),
            Option(
                "--kind",
                "transport, crypto, routing, discovery, monitoring or protocol; default: what NAME begins with, or routing",
                "KIND",
            ),
            Option("--directory", "the folder to write; default: KIND-NAME here", "DIRECTORY"),
            JSON,
        ),
    ),
    Command(
        "plugin install",
        PLUGINS,
        "install a plugin where the node finds it",
        "appliance.cli.plugin_install:install",
        (
            Positional("target", "PATH|NAME", "the folder of a plugin, a wheel (.whl), or a distribution in the package index"),
            Option("--editable", "use the folder as it is at each start, for whoever writes the plugin"),
            JSON,
        ),
        more="Builds the plugin, fetches what it needs beyond what the appliance brings, loads it once in a process of its own, "
        "and only then puts it into /usr/local/lib/appliance/plugins (lib/appliance/plugins of a virtual environment), which no "
        "upgrade touches. A plugin that cannot be built or loaded leaves nothing behind. Installing it again replaces it.",
        exits="6 only root may · 8 refused: it is part of the appliance, or takes another plugin's name",
    ),
    Command(
        "plugin uninstall",
        PLUGINS,
        "take out a plugin that was installed so",
        "appliance.cli.plugin_install:uninstall",
        (Positional("name", "NAME", "the plugin, or its distribution"), JSON),
        exits="6 only root may · 8 refused: it is not there, or the running node uses it",
    ),
    Command(
        "plugin check",
        PLUGINS,
        "run the conformance suites on what a plugin registers",
        "appliance.cli.plugin_check:check",
        (
            Positional("name", "PATH|NAME", "the folder of a plugin, or the name of an installed one"),
            Option("--lab", "then also two real nodes that use it, in a laboratory on this machine"),
            JSON,
        ),
        more="Runs in a process of its own, so a plugin that hangs or breaks takes nothing with it. The suites are tests of "
        "pytest, which is fetched for the check where it is not installed. The laboratory needs root or user namespaces.",
        exits="1 a suite or the laboratory failed, or there was none",
    ),
    Command(
        "lab",
        TRY,
        "build the hosts of a lab file on this machine and probe them",
        "appliance.cli.lab:lab",
        (
            Positional("path", "FILE", "a lab file, for example profiles/lab/pair.yaml"),
            JSON,
            Option("--probe", "run only this kind of probe (ping) or this one (ping-v6)", "NAME"),
            Option("--keep", "leave the hosts standing after the probes, until Ctrl-C"),
            Option("--story", "tell what happens at each step"),
        ),
        more="Each host is a network namespace with a real node in it; every trace is removed at the end, also after Ctrl-C.",
    ),
    Command(
        "completion",
        TRY,
        "print a completion script for bash",
        "appliance.cli.completion:completion",
        FROM_PROFILE,
        more='In ~/.bashrc: eval "$(appliance completion)"',
    ),
)


def find(words: list[str]) -> tuple[Command, list[str]] | None:
    """The command that `words` begin with, and the words behind it. None if there is no such command."""
    for length in (2, 1):
        typed = " ".join(words[:length])
        for command in COMMANDS:
            if command.words == typed and len(words) >= length:
                return command, words[length:]
    return None
