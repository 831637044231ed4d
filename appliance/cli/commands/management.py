"""Commands about the API server."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command

HEADING = "Management"

COMMANDS: tuple[Command, ...] = (
    Command(
        "api",
        HEADING,
        "ask an API server: this host's, or any with a token",
        "appliance.cli.api.calls:api",
        (
            Positional(
                "words",
                "OPERATION [NAME=TEXT|NAME:=JSON|NAME=@FILE]",
                "what is asked; without it, what there is to ask",
                optional=True,
            ),
            Option("--url", "the API server; without it that of this host's node, by its Unix socket", "URL"),
            Option("--token-file", "a file with the token; else the variable APPLIANCE_TOKEN", "PATH"),
            JSON,
        ),
        more="Root of a host needs no token there. A secret, as a password, comes from a file, or by =@- from standard input. "
        "The operations, their arguments and answers are those of docs/management.md.",
        exits="6 no token, or not allowed · 7 no API server here · 75 try again",
        many="words",
    ),
    Command(
        "shell",
        HEADING,
        "ask an API server one thing after the other, with completion",
        "appliance.cli.api.shell:shell",
        (
            Option("--url", "the API server; without it that of this host's node, by its Unix socket", "URL"),
            Option("--token-file", "a file with the token; else the variable APPLIANCE_TOKEN", "PATH"),
        ),
        more="`login NAME` goes on as that user, `help` lists the operations. Reads lines from a pipe too, and then ends with "
        "the code of the first that fails.",
        exits="6 no token, or not allowed · 7 no API server here · 75 try again",
    ),
    Command(
        "load",
        HEADING,
        "ask an API server the same again and again, and tell how it stands that",
        "appliance.cli.api.load:load",
        (
            Positional("words", "OPERATION [NAME=TEXT|NAME:=JSON|NAME=@FILE]", "what is asked"),
            Option("--rate", "requests a second in all; without it as many as can be", "N"),
            Option("--connections", "how many at a time", "N", default="8"),
            Option("--during", "for how long", "DURATION", default="10s"),
            Option("--url", "the API server; without it that of this host's node, by its Unix socket", "URL"),
            Option("--token-file", "a file with the token; else the variable APPLIANCE_TOKEN", "PATH"),
            JSON,
        ),
        more="Times are from the sending of a request to the end of its answer. An operation that changes something changes it "
        "each time. On the network the API server's limits hold (management.limits): 429 is an answer too.",
        exits="1 an answer was a mistake of the server's, or there was none",
        many="words",
    ),
    Command(
        "mock-server",
        HEADING,
        "an API server without a node, that answers everything with examples",
        "appliance.cli.example_server:serve",
        (
            Option("--port", "where to listen; 0: any that is free", "PORT", default="8470"),
            Option("--address", "the address to listen at", "ADDRESS", default="127.0.0.1"),
            JSON,
        ),
        more="For those who write clients: requests are judged and errors told as by a node, and answers are always the same. "
        "Tokens are the names of roles: viewer, operator, admin. Ends with Ctrl-C.",
    ),
    Command(
        "generate-client",
        HEADING,
        "write a client of the API in another program's language",
        "appliance.cli.clients.generating:generate_client",
        (
            Positional("language", "LANGUAGE", "go, java, python, rust or typescript"),
            Option("--output", "the folder to write to; without it appliance-client-LANGUAGE", "PATH"),
            Option("--description", "a file with OpenAPI 3.1; without it the API of this version", "PATH"),
            Option("--force", "write over files that are there"),
            JSON,
        ),
        more="The client is typed, sends again what may be sent again, and goes through pages and streams. Works offline.",
    ),
    Command(
        "templates list",
        HEADING,
        "show the templates of jobs that this host has, and what is wrong with others",
        "appliance.cli.templates:list_templates",
        (JSON,),
        more="Ours, and those in /usr/lib, /run and /etc/appliance/templates; a later folder's file takes the place of an "
        "earlier one's. `appliance api templates.execute` runs one.",
    ),
    Command(
        "templates show",
        HEADING,
        "show one template",
        "appliance.cli.templates:show",
        (Positional("name", "NAME", "its name"), JSON),
    ),
    Command(
        "templates check",
        HEADING,
        "read a template and name everything that is wrong with it",
        "appliance.cli.templates:check",
        (Positional("file", "FILE", "its file"), JSON),
        more="Works offline and without privileges; runs nothing.",
    ),
    Command(
        "compat",
        HEADING,
        "compare two descriptions of the API",
        "appliance.cli.compat:compat",
        (
            Positional("old", "OLD", "a file with OpenAPI 3.1: what a client was written for"),
            Positional("new", "NEW", "what it is to get along with; without it the API of this version", optional=True),
            JSON,
        ),
        more="Each difference comes with a sentence. What is only said differently is none.",
        exits="0 no difference · 1 a client would notice · 3 there is more, and no client notices",
    ),
    Command(
        "validate",
        HEADING,
        "judge a file of any kind: a profile, a template, a description of the API, a message",
        "appliance.cli.validating:validate",
        (
            Positional("file", "FILE", "YAML, JSON or TOML; what it is is told by its first keys"),
            Option("--operation", "it is what this operation takes", "NAME"),
            Option("--answer", "it is what the operation answers"),
            JSON,
        ),
        more="Works offline. Each problem has its line and column.",
    ),
)
