"""Profiles, lab files, JSON and Python that the documents show are judged by what reads them."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from appliance.cli import main
from appliance.lab.loading import load as load_lab
from appliance.lab.report import Report
from appliance.plugin_host.scaffold import create
from appliance.wire import hello_json
from tests.docs.markdown import DOCUMENTS, ROOT, Block, blocks

ALL = [block for document in DOCUMENTS for block in blocks(document) if not block.is_shell]
APPLIANCE = Path(sys.executable).parent / "appliance"
PYTHON_CLIENT = "client-python.md"
"""tests/clients/test_quick_starts.py runs its program."""
IDENTITY = "llp1:" + "a" * 52

# What a profile that a page shows only in part may be a part of.
WHOLE = f"""
profile: 1
server: {{listen: ["udp://0.0.0.0:8443"]}}
network: {{addresses: [10.8.0.1/24]}}
peers:
  - {{name: relay, identity: "{IDENTITY}", endpoints: ["udp://relay.example:8443"], allowed: [10.8.0.2/32]}}
  - {{name: hub, identity: "llp1:b{IDENTITY[6:]}", endpoints: ["udp://hub.example:8443"], allowed: [10.8.0.3/32]}}
"""

# Runs a snippet as a page shows it: `await` at the outermost level, as in `python -m asyncio`, in the module that PREPARED names.
RUNNER = """
import ast, asyncio, inspect, os, runpy, sys
names = runpy.run_path(os.environ["PREPARED"]) if os.environ.get("PREPARED") else {}
names["__name__"] = "snippet"
code = compile(sys.stdin.read(), "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
if code.co_flags & inspect.CO_COROUTINE:
    asyncio.run(eval(code, names))
else:
    exec(code, names)
mine = [value for value in names.values() if isinstance(value, type) and value.__module__ == "snippet"]
for suite in [value for value in mine if value.__name__.startswith("Test")]:
    assert suite().kind().name == "fast"
for hook in [name for name in names if name in ("appliance_api_routes", "appliance_cli_commands")]:
    assert list(names[hook]())
"""


def in_language(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [block for block in ALL if block.language in languages], ids=str)


def test_every_language_has_a_judge() -> None:
    strange = [str(block) for block in ALL if block.language not in {"", "text", "yaml", "toml", "json", "python", "bash"}]
    judged = [f"docs/client-{name}.md" for name in ("go", "java", "rust", "typescript")]
    assert [place.rpartition(":")[0] for place in strange] == judged, "tests/clients runs those"


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin of docs/plugins.md, installed as far as finding and importing goes: a folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("plugin") / "routing-fast"
    create("fast", "routing", folder)
    metadata = folder / "src/appliance_routing_fast-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: appliance-routing-fast\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[appliance.v1]\nrouting-fast = appliance_routing_fast.plugin\n")
    return folder


@pytest.fixture
def within(fast: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process finds that plugin, as a node does that has it; a command in here leaves nothing behind."""
    for name in [name for name in os.environ if name.startswith("APPLIANCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.syspath_prepend(fast / "src")
    yield
    gc.enable()  # commands switch it off


@in_language("yaml", "toml")
@pytest.mark.usefixtures("within")
def test_a_profile_is_valid(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if schema := re.search(r"\$schema=(\S+)", block.text):
        assert (ROOT / "profiles" / schema[1]).is_file()
    text = block.text.replace("llp1:…", IDENTITY)
    tree = YAML(typ="safe").load(text) if block.language == "yaml" else None
    file = tmp_path / f"shown.{block.language}"
    file.write_text(text)
    if tree and "lab" in tree:
        load_lab(file)
        return
    if tree is not None and "profile" not in tree:
        with (tmp_path / "whole.yaml").open("w") as whole:
            YAML(typ="safe").dump({**YAML(typ="safe").load(WHOLE), **tree}, whole)
        file = tmp_path / "whole.yaml"
    if block.language == "yaml" and tree is None:
        return  # a comment alone
    monkeypatch.chdir(tmp_path)
    assert main(["check", file.name]) == 0, f"{block}\n{capsys.readouterr()}"


def check(file: Path, more: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("APPLIANCE_")}
    environ |= {"NO_COLOR": "1", "PYTHONPATH": str(more / "src")}
    return subprocess.run([APPLIANCE, "check", file.name], cwd=file.parent, env=environ, capture_output=True, text=True)


def test_the_problems_of_a_profile_look_as_shown(tmp_path: Path, fast: Path) -> None:
    page = next(block.text for block in ALL if block.document.name == "profile.md" and block.text.startswith("office.yaml:"))
    # the page quotes the lines; what stands above them is any profile
    quoted = {int(number): line for number, line in re.findall(r"^ +(\d+) \| (.*)$", page, re.MULTILINE)}
    above = ["profile: 1", *["#"] * (min(quoted) - 3), "network:"]
    (tmp_path / "office.yaml").write_text("\n".join([*above, *quoted.values()]) + "\n")
    done = check(tmp_path / "office.yaml", fast)
    assert done.returncode == 2
    assert page in done.stdout + done.stderr


def documents() -> Iterator[tuple[str, Any]]:
    """Every JSON document that is shown; an ellipsis stands for what was left out."""
    for block in ALL:
        if block.language == "json":
            yield str(block), json.loads(re.sub(r",\s*…", "", block.text))
        elif block.language == "" and block.text.startswith('{"'):
            for line in block.text.splitlines():
                yield str(block), json.loads(line)


def test_json_is_json() -> None:
    assert len(list(documents())) >= 4


def test_the_hellos_have_the_keys_of_the_codec() -> None:
    source = Path(hello_json.__file__).read_text()
    shown = [document for where, document in documents() if where.startswith("docs/protocol.md")]
    assert {document["type"] for document in shown} == {"client_hello", "server_hello", "client_finish"}
    for document in shown:
        assert all(f'"{key}"' in source for key in document)


def test_the_result_of_a_lab_has_the_keys_it_has() -> None:
    shown = next(document for where, document in documents() if where.startswith("docs/lab.md"))
    assert list(shown) == list(Report("pair").document())


@pytest.mark.netns
@pytest.mark.parametrize(
    "block", [each for each in ALL if each.language == "python" and each.document.name != PYTHON_CLIENT], ids=str
)
def test_python_runs(block: Block, fast: Path) -> None:
    prepared = str(fast / "tests/test_plugin.py") if block.document.name == "plugins.md" else ""
    environ = {**os.environ, "PREPARED": prepared, "PYTHONPATH": str(fast / "src")}
    done = subprocess.run([sys.executable, "-c", RUNNER], input=block.text, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
