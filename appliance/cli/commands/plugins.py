"""Commands for plugins."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import FROM_PROFILE, JSON, Command

HEADING = "Plugins"

COMMANDS = (
    Command(
        "plugins",
        HEADING,
        "list installed plugins and how they are",
        "appliance.cli.plugins:plugins",
        (*FROM_PROFILE, JSON),
        exits="5 an enabled plugin failed",
    ),
    Command(
        "plugin new",
        HEADING,
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
        HEADING,
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
        HEADING,
        "take out a plugin that was installed so",
        "appliance.cli.plugin_install:uninstall",
        (Positional("name", "NAME", "the plugin, or its distribution"), JSON),
        exits="6 only root may · 8 refused: it is not there, or the running node uses it",
    ),
    Command(
        "plugin check",
        HEADING,
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
)
