"""The commands in the documents that no test runs, each with the reason. An entry that no document shows any more is an error."""

from __future__ import annotations

import re

NOT_RUN = {
    r"appliance join CODE": "a code comes from another node: docs/mesh.md, where it is typed",
    r"appliance run --rootless": "an ordinary user's: tests/netns/test_rootless.py",
    r"make [a-z]+( [a-zA-Z_]+=.*)?": "words of the Makefile: tests/repo/test_documents.py knows that they exist",
    r"(make deb && )?sudo apt .*": "installs and removes the package: tests/repo/test_debian_installed.py does it in a copy",
    r"sudo (rm|userdel) .*": "deletes what an admin has",
    r"appliance lab \S+( --json| --story)?": "half a minute each: tests/scenarios/test_labs.py runs every lab, and its story",
    r"appliance lab \S+ --keep": "stays until Ctrl-C: tests/scenarios/test_engine.py interrupts one",
    r"\.venv/bin/python tests/perf/\S+.*": "minutes of measurements beside other programs, on a quiet machine",
    r"\.venv/bin/python -m tests\.perf\.\S+.*": "minutes of measurements; the tests named alike are the short forms",
    r"pip install .*": "changes the environment that the tests run in",
    r"appliance store .*": "needs the store of an API server: tests/unit/cli/test_store.py types each of them",
    r"(LAB=\S+ )?vagrant .*": "needs a provider of machines: tests/repo/test_vagrant.py has Vagrant judge the file",
    r"ruby packaging/\S+ .*": "tests/repo/test_vagrant.py",
    r"sudo systemctl .*": "needs a service manager; the unit is tested by tests/repo/test_systemd.py",
}


def reason(command: str) -> str:
    """Why this command is not run; empty when it is."""
    return next((why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, command)), "")
