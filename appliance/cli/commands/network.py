"""Commands for networks of members."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, NEW_PROFILE, Command

HEADING = "Networks of members"

IDENTITY = Option("--identity", "the node's identity; default: identity in /etc/appliance or ~/.config/appliance", "FILE")
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

COMMANDS = (
    Command(
        "join",
        HEADING,
        "make this host a member of a network, by a code",
        "appliance.cli.joining:join",
        (
            Positional("code", "CODE", "what `appliance network invite` printed; without it, it is read", optional=True),
            Option("--profile", f"the profile to write; - for standard output; default {NEW_PROFILE}", "PATH"),
            Option("--identity", "the node's identity, made if it is not there; default: `identity` beside the profile", "FILE"),
            Option("--name", "the node's name in its profile; default: the member's", "NAME"),
            Option("--label", "what to call the network on this host; default: what it calls itself", "LABEL"),
            JSON,
        ),
        more="Calls the member that made the code, proves that this host has it (the code itself never travels), verifies what "
        "it gets, and writes an identity, the network's folder and a profile, or nothing at all. Then `appliance run` needs "
        "nothing more. Without CODE no other user of this host can read it among the processes.",
        exits="6 may not write there · 75 nobody was reached: the same code is good for another try",
    ),
    Command(
        "leave",
        HEADING,
        "make this host a member no more",
        "appliance.cli.leaving:leave",
        (NETWORK, Option("--keep", "only stop the node; files stay, and `appliance run` returns"), JSON),
        more="Stops the node, which says goodbye and undoes what it applied, and removes the network's folder and what `join` "
        "wrote. What was changed since then stays. Its certificate goes on to be valid: to end that, `network revoke`.",
        exits="6 needs root",
    ),
    Command(
        "network new",
        HEADING,
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
            Option("--profile", f"a profile to write, if there is none; default {NEW_PROFILE}", "PATH"),
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
        HEADING,
        "show a network: its fingerprint, who signs for it, what ends soon",
        "appliance.cli.network:show",
        (NETWORK, JSON),
    ),
    Command(
        "network members",
        HEADING,
        "list the members, and the certificates that do not count",
        "appliance.cli.network:members",
        (NETWORK, JSON),
        more="As this host's files have it; a running node learns from the others and writes it down here.",
    ),
    Command(
        "network request",
        HEADING,
        "write what a node hands to whoever signs its certificate",
        "appliance.cli.certificates:request",
        (IDENTITY, OUTPUT, JSON),
        more="For hosts that are not invited by a code. Nothing in it is secret.",
    ),
    Command(
        "network sign",
        HEADING,
        "sign a certificate for the node that made a request",
        "appliance.cli.certificates:sign",
        (*SIGNED, JSON),
        more="Works offline, on the machine that has the key. For a member it replaces the certificate that it has. Carry the "
        "result to the node, and there: `appliance network import FILE`.",
    ),
    Command(
        "network issuer",
        HEADING,
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
        HEADING,
        "sign a member's certificate again before it ends",
        "appliance.cli.certificates:renew",
        (WHO, *SIGNING, JSON),
        more="The owner, or an issuer within its limits: what an issuer renews counts when the owner's certificate has ended.",
    ),
    Command(
        "network revoke",
        HEADING,
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
        HEADING,
        "write the network's key and all statements, for a backup or another machine",
        "appliance.cli.network:export",
        (NETWORK, OUTPUT, JSON),
        more="Never a secret key: the owner's is copied by hand.",
    ),
    Command(
        "network import",
        HEADING,
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
        HEADING,
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
        HEADING,
        "list the invitations of the running node, and what became of each",
        "appliance.cli.invitations:invitations",
        (Option("--revoke", "take this one back, or all open ones for that name", "NUMBER|NAME"), JSON),
        more="A host that has joined stays a member when its invitation is taken back: for that there is `network revoke`.",
        exits="7 no daemon here",
    ),
)
