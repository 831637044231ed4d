"""Who loads what: a worker stays small, a command answers at once, and nothing is depended on for nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"asyncio", "prometheus_client", "pydantic", "pyroute2", "ruamel", "scapy", "yaml"}
HEAVY_FOR_A_WORKER = HEAVY | {"dataclasses", "hashlib", "inspect", "ssl"}
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
"""A measurement of coverage would load more than the product."""
IMPORT_NAMES = {"pyyaml": "yaml", "ruamel.yaml": "ruamel"}


def loaded_by(statement: str) -> set[str]:
    return {name.split(".")[0] for name in modules_loaded_by(statement)}


def modules_loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=UNMEASURED)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import appliance.worker.__main__",
        "import appliance.worker.loop, appliance_transport_ip.datagram, appliance.api.stream",
        "import cryptography.hazmat.primitives.ciphers.aead, appliance_crypto_standard.cascade",
        "import appliance.api.transport",
    ],
)
def test_the_worker_stays_small(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY_FOR_A_WORKER


def test_registering_loads_nothing_heavy() -> None:
    assert not loaded_by("import appliance_transport_ip.plugin, appliance_crypto_standard.plugin, appliance.api.crypto") & HEAVY


def test_a_node_has_one_openssl() -> None:
    code = (
        "from appliance.linux.deferring import deferring; from appliance.runtime.daemon import SELDOM_NEEDED\n"
        "with deferring(*SELDOM_NEEDED): import appliance.runtime.hosted_node, appliance.apply.engine, appliance_transport_ip.tcp"
    )
    assert not loaded_by(code) & {"_hashlib", "_ssl"}


def test_a_node_without_an_audit_log_loads_nothing_of_it() -> None:
    loaded = modules_loaded_by("import appliance.runtime.hosted_node")
    assert {name for name in loaded if name.startswith(("appliance.runtime.audit.", "appliance.management"))} == {
        *("appliance.runtime.audit.part", "appliance.runtime.audit.told")
    }


def test_opentelemetry_is_loaded_where_a_collector_is_named_and_nowhere_else() -> None:
    loaded = modules_loaded_by("import appliance.api_server.serving, appliance.api_server.__main__, appliance.sdk")
    assert "appliance.api_server.parts" in loaded
    assert not {name.split(".")[0] for name in loaded} & {"opentelemetry", "requests", "urllib3", "google"}
    assert not loaded & {"appliance.api_server.tracing.part", "appliance.api_server.tracing.sending"}
    assert "opentelemetry" in loaded_by("import appliance.api_server.tracing.otlp")


def test_a_host_is_changed_without_what_else_pyroute2_can_do() -> None:
    code = "from appliance.runtime.host import changes; changes._load_ahead()"
    assert "pyroute2" in loaded_by(code)
    assert not modules_loaded_by(code) & {"pyroute2.ndb.main", "pyroute2.ipset", "pyroute2.plan9.client"}


def test_the_command_line_loads_what_its_command_needs() -> None:
    assert not loaded_by("import appliance.cli") & (HEAVY - {"asyncio"})


def test_an_ordinary_profile_is_read_by_one_reader_of_yaml() -> None:
    code = (
        "from pathlib import Path; from appliance.profile import load; load([Path('profiles/office-gateway.yaml')], environ={})"
    )
    assert "yaml" in loaded_by(code)
    assert "ruamel" not in loaded_by(code)


def test_every_dependency_is_used() -> None:
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[<>=\[; ]", requirement)[0] for requirement in requirements]
    source = "\n".join(path.read_text() for path in (ROOT / "appliance").rglob("*.py"))
    unused = [
        name
        for name in names
        if not re.search(rf"^\s*(from|import) {IMPORT_NAMES.get(name, name.replace('-', '_'))}\b", source, re.MULTILINE)
    ]
    assert not unused
