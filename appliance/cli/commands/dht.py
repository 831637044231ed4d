"""Commands for the hash table of a network of members."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command
from appliance.cli.commands.network import HEADING

KEY = Positional("key", "KEY", "a text, 128 bytes at most")
MEMBER = Positional("member", "NAME|IDENTITY", "the member")
FOR = Option("--for", "for how long it is kept, up to 7 days; default: 1 day", "DURATION")
EXITS = "1 nobody knows it · 6 not allowed · 7 no daemon here"
EXITS_KEPT = "6 not allowed · 7 no daemon here · 75 nobody keeps it now"

COMMANDS = (
    Command(
        "dht put",
        HEADING,
        "let the members of the network keep a record of this node",
        "appliance.cli.dht:put",
        (
            KEY,
            Positional("value", "VALUE", "the value, 1,024 bytes at most; without it standard input", optional=True),
            Option("--file", "the file that is the value", "FILE"),
            FOR,
            JSON,
        ),
        more="Signed by this node, so nobody else can change it: under one key each member has a record of its own. Put again, "
        "the later one counts. While this node runs it has the record kept until its time is over.",
        exits=EXITS_KEPT,
    ),
    Command(
        "dht get",
        HEADING,
        "look up the records under a key",
        "appliance.cli.dht:get",
        (KEY, Option("--output", "write the first record's value to this file", "FILE"), JSON),
        more="A single text is printed as it is, bytes that are no text in base 64, several records as a table.",
        exits=EXITS,
    ),
    Command(
        "dht provide",
        HEADING,
        "say that this node has what a key names",
        "appliance.cli.dht:provide",
        (KEY, FOR, Option("--withdraw", "it has it no more"), JSON),
        exits=EXITS_KEPT,
    ),
    Command(
        "dht providers", HEADING, "look up who has what a key names", "appliance.cli.dht:providers", (KEY, JSON), exits=EXITS
    ),
    Command(
        "dht find",
        HEADING,
        "look up where a member is, by its identity alone",
        "appliance.cli.dht:find",
        (MEMBER, JSON),
        more="Each member puts where it can be called into the hash table under its identity.",
        exits=EXITS,
    ),
    Command(
        "dht nodes",
        HEADING,
        "show whom this node has in its hash table",
        "appliance.cli.dht:nodes",
        (JSON,),
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "dht add",
        HEADING,
        "have a member asked, so that it comes into this node's hash table",
        "appliance.cli.dht:add",
        (MEMBER, JSON),
        exits="6 not allowed · 7 no daemon here",
    ),
    Command(
        "dht remove",
        HEADING,
        "take a member out of this node's hash table, until it answers again",
        "appliance.cli.dht:remove",
        (MEMBER, JSON),
        exits="1 it is not there · 6 not allowed · 7 no daemon here",
    ),
)
