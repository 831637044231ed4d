"""`appliance lab`: hands a lab file to the engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from appliance.cli.terminal import Terminal


def lab(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Run a lab file's hosts and probes."""
    from appliance import lab as engine

    return int(
        engine.run(
            Path(arguments.path),
            json=terminal.json,
            keep=arguments.keep,
            story=arguments.story,
            probe=arguments.probe,
            on=arguments.on,
            package=Path(arguments.package) if arguments.package else None,
        )
    )
