"""Commands for the store of the API server."""

from __future__ import annotations

from appliance.api.management import Option, Positional
from appliance.cli.commands.command import JSON, Command

HEADING = "Store"
STORE = Option("--store", "the folder of the store; without it that of this node's API server", "PATH")
PASSPHRASE = Option(
    "--passphrase-file", "where its passphrase is, if it has one (/dev/fd/N for a descriptor); else asked for", "FILE"
)
IN_USE = "75 the API server runs: stop it first"
DATABASE = " Of a store in a database copies are made there (docs/postgresql.md)."
SHARED = " With a store in a database the API servers may run."

COMMANDS = (
    Command(
        "store stats",
        HEADING,
        "show how large the store is, and what is in it",
        "appliance.cli.store:stats",
        (STORE, JSON),
        more="Needs no key, and the API server may run. docs/store.md says what the store is.",
        exits="6 only its owner and root may",
    ),
    Command(
        "store check",
        HEADING,
        "look for damage, and open every value",
        "appliance.cli.store:check",
        (STORE, PASSPHRASE, JSON),
        more="The API server may run.",
        exits="1 damaged, or a value does not open · 6 only its owner and root may",
    ),
    Command(
        "store backup",
        HEADING,
        "write a verified copy of the store to a new file",
        "appliance.cli.store:backup",
        (Positional("file", "FILE", "the file to write; it is never overwritten"), STORE, JSON),
        more="The API server may run. The copy is sealed as the store is: without the store's key it is worth nothing, to "
        "anybody. Keep the two in different places." + DATABASE,
        exits="6 only its owner and root may",
    ),
    Command(
        "store restore",
        HEADING,
        "let a backup take the place of the store",
        "appliance.cli.store:restore",
        (Positional("file", "FILE", "a backup"), STORE, PASSPHRASE, JSON),
        more="The backup is verified first, and its key has to be here. What was the store stays beside it as "
        "before-restore.sqlite, which can be restored like any backup." + DATABASE,
        exits=f"6 only its owner and root may · {IN_USE}",
    ),
    Command(
        "store rewrap",
        HEADING,
        "let another key open the store",
        "appliance.cli.store:rewrap",
        (
            Option("--to", "file, credential or passphrase; default: file", "KIND"),
            Option("--key-file", "for `--to file`: an existing file of 32 random bytes or more; without it one is made", "PATH"),
            Option("--new-passphrase-file", "for `--to passphrase`: where it is; without it you are asked", "FILE"),
            STORE,
            PASSPHRASE,
            JSON,
        ),
        more="For a key that others may have seen, or for another place of it. Values are not touched. The key before still "
        "opens older backups, and is not deleted." + SHARED + " They need the new key then.",
        exits=f"6 only its owner and root may · {IN_USE}",
    ),
    Command(
        "store rotate",
        HEADING,
        "seal all values under a new data key",
        "appliance.cli.store:rotate",
        (
            Option("--cipher", "hse, aes-256-gcm or chacha20-poly1305; default: as before", "NAME"),
            STORE,
            PASSPHRASE,
            JSON,
        ),
        more="For when the data key itself may have been seen: by whoever read the memory of the API server, or had a copy of "
        "the store together with its key. Killed in the middle, do it again." + SHARED,
        exits=f"6 only its owner and root may · {IN_USE}",
    ),
)
