"""The command line. `main` is the console script; importing this package costs nothing but the table of commands."""

from __future__ import annotations

from appliance.cli.entry import main

__all__ = ["main"]
