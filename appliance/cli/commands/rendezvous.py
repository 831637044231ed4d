"""Commands for finding members by tags."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command
from appliance.cli.commands.network import HEADING

TAG = Positional("tag", "TAG", "1 to 64 letters, digits, `.`, `_`, `:` and `-`")
EXITS = "6 not allowed to ask · 7 no daemon here · 75 there is no meeting place, or none answers"

COMMANDS = (
    Command(
        "rendezvous register",
        HEADING,
        "let members find this node under a tag",
        "appliance.cli.rendezvous:register",
        (
            TAG,
            Option("--ttl", "how long it counts once this node is gone, 1min to 72h", "DURATION", default="2h"),
            JSON,
        ),
        more="The meeting places are told where this node is called, and told again before it expires, until `unregister`; a "
        "restart of the node changes nothing. To have it in the profile: mesh.rendezvous.tags.",
        exits=f"5 no meeting place took it yet; it is tried again · {EXITS}",
    ),
    Command(
        "rendezvous unregister",
        HEADING,
        "let nobody find this node under a tag any more",
        "appliance.cli.rendezvous:unregister",
        (TAG, JSON),
        exits="6 not allowed to ask · 7 no daemon here",
    ),
    Command(
        "rendezvous find",
        HEADING,
        "print the members that are registered under a tag",
        "appliance.cli.rendezvous:find",
        (TAG, Option("--limit", "most members, up to 1024", "NUMBER", default="100"), JSON),
        exits=EXITS,
    ),
    Command(
        "rendezvous list",
        HEADING,
        "print the meeting places, and what this node has registered there",
        "appliance.cli.rendezvous:show",
        (JSON,),
        exits="6 not allowed to ask · 7 no daemon here",
    ),
)
