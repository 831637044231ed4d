"""Commands that change this host, or say how."""

from __future__ import annotations

from appliance.api.management import Option
from appliance.cli.commands.command import FROM_PROFILE, JSON, Command

HEADING = "Change this host"

CONFIRM_WITHIN = Option("--confirm-within", "undo everything unless `appliance confirm` comes in time (60s, 5min)", "DURATION")

COMMANDS = (
    Command(
        "plan",
        HEADING,
        "show what apply would change",
        "appliance.cli.applying:plan",
        (*FROM_PROFILE, JSON),
        more="Reads the host, changes nothing. An empty plan means that the host is as the profile says.",
        exits="3 changes are pending",
    ),
    Command(
        "apply",
        HEADING,
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
        HEADING,
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
        HEADING,
        "undo what was applied",
        "appliance.cli.applying:rollback",
        (JSON,),
        more="Brings the host back to what it was before the first apply, also after a crash. A second run completes an "
        "interrupted one.",
    ),
    Command(
        "run",
        HEADING,
        "apply, then be a node until SIGTERM or Ctrl-C, then undo",
        "appliance.cli.applying:run",
        (
            *FROM_PROFILE,
            CONFIRM_WITHIN,
            Option("--rootless", "for ordinary users: leave this host alone, and be a node in a network namespace of its own"),
            Option("--userspace", "the same where there are no namespaces and no TUN device: the node has a TCP/IP of its own"),
            Option("--attended", "end when standard input ends: for a program that starts a node of its own"),
        ),
        more="Stays in the foreground and logs to standard error. SIGHUP reads the profile again. When it ends, the host is as "
        "before.",
        exits="6 needs root, CAP_NET_ADMIN, --rootless or --userspace · 8 refused until you decide, not confirmed, or "
        "rolled back · 9 this host cannot be so now",
    ),
    Command(
        "stop",
        HEADING,
        "end the running node, and undo what it applied",
        "appliance.cli.stopping:stop",
        (JSON,),
        more="Returns when the node has ended. A service is ended by `systemctl stop appliance`, which does not start it again.",
        exits="6 not allowed to ask · 7 no daemon here",
    ),
)
