"""What is shipped: wheels of one version that hold our names only and work where the repository is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import plugin_commands
from appliance.foundation.places import api_dir
from appliance.linux.privileges import API_USER, OWN_USER
from appliance.plugin_host import PluginHost

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]


def project(path: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(path.read_text())["project"]
    return table


CORE, *PLUGINS = map(project, PROJECTS)


def test_the_core_stands_on_ten_libraries_at_most() -> None:
    assert len(CORE["dependencies"]) <= 10


def test_one_version() -> None:
    namespace: dict[str, str] = {}
    exec((ROOT / "appliance/__init__.py").read_text(), namespace)
    assert {p["version"] for p in [CORE, *PLUGINS]} == {namespace["__version__"]}


def test_every_plugin_of_ours_has_an_extra() -> None:
    """`standard` has them all but those of the API server alone and of foreign networks, which have an extra of that name."""
    extras = CORE["optional-dependencies"]
    of_programs = {"postgresql": "appliance-store-postgresql", "redis": "appliance-cache-redis"}
    of_programs |= {
        "graphql": "appliance-gateway-graphql",
        "libp2p": "appliance-discovery-libp2p",
        "oidc": "appliance-login-oidc",
        "signalling": "appliance-server-signalling",
    }
    of_programs |= {name: f"appliance-export-{name}" for name in ("nats", "mqtt", "webhook")}
    assert {*extras["standard"], *of_programs.values()} == {p["name"] for p in PLUGINS}
    assert {name: extras[name] for name in of_programs} == {name: [plugin] for name, plugin in of_programs.items()}


@pytest.mark.parametrize("path", PROJECTS[1:], ids=lambda p: p.parent.name)
def test_a_plugin_is_found_by_its_name(path: Path) -> None:
    name = path.parent.name
    plugin = project(path)
    module = plugin["name"].replace("-", "_")
    assert plugin["name"] == f"appliance-{name}"
    assert plugin["entry-points"]["appliance.v1"] == {name: f"{module}.plugin"}
    assert (path.parent / "src" / module / "py.typed").is_file()
    assert (path.parent / "README.md").is_file()


def test_what_need_not_be_loaded_for_its_commands_has_none() -> None:
    own = {path.parent.name for path in PROJECTS[1:]}
    assert own == plugin_commands.WITHOUT_COMMANDS
    assert not PluginHost.load(sorted(own)).cli_commands()


def test_the_package_makes_the_users_that_the_product_becomes() -> None:
    script = (ROOT / "packaging/debian/postinst").read_text()
    for user in (OWN_USER, API_USER):
        assert re.search(rf"^  make_user {user} ", script, re.MULTILINE)
    folder = api_dir({})
    assert f"install -d -o {API_USER} -g {API_USER} -m 0700 {folder}\n" in script
    for unit in (ROOT / "packaging/systemd").glob("*.service"):
        assert f"\nReadWritePaths=-{folder}\n" in unit.read_text(), "the API server may write there"


@pytest.fixture(scope="module")
def elsewhere(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory with the unpacked wheels in `site`, and no way to the repository."""
    directory = tmp_path_factory.mktemp("elsewhere")
    for wheel in wheels:
        zipfile.ZipFile(wheel).extractall(directory / "site")
    return directory


def run_elsewhere(elsewhere: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without `site` no .pth file is read, so the editable installs are not seen and the wheels are.
    path = os.pathsep.join([str(elsewhere / "site"), sysconfig.get_path("purelib")])
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=elsewhere, env={**environ, "PYTHONPATH": path}, capture_output=True, text=True)


@pytest.mark.wheels
def test_wheels_hold_our_names_only(wheels: list[Path]) -> None:
    expected = {p["name"].replace("-", "_"): p["name"].replace("-", "_") for p in PLUGINS} | {"appliance_core": "appliance"}
    assert {wheel.name.split("-")[0] for wheel in wheels} == set(expected)
    for wheel in wheels:
        distribution, version = wheel.name.split("-")[:2]
        tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
        assert tops == {expected[distribution], f"{distribution}-{version}.dist-info"}


@pytest.mark.wheels
def test_wheels_hold_every_file_of_the_tree_as_it_is(wheels: list[Path]) -> None:
    """Templates, pages and descriptors too: what works in the tree finds the same beside it when it is installed."""
    packages = {"appliance_core": ROOT / "appliance"} | {
        path.name: path for path in ROOT.glob("plugins/*/src/*") if (path / "__init__.py").is_file()
    }
    assert packages.keys() == {wheel.name.split("-")[0] for wheel in wheels}
    for wheel in wheels:
        package = packages[wheel.name.split("-")[0]]
        archive = zipfile.ZipFile(wheel)
        held = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
        tree = {
            str(path.relative_to(package.parent)): path.read_bytes()
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert held.keys() == tree.keys()
        assert not [name for name in tree if held[name] != tree[name]]


IMPORT_EVERYTHING = """
import importlib, importlib.metadata, pathlib, sys
site = pathlib.Path("site").resolve()
for path in sorted(site.rglob("*.py")):
    name = ".".join(path.relative_to(site).with_suffix("").parts).removesuffix(".__init__")
    if path.name == "__main__.py" or not all(part.isidentifier() for part in name.split(".")):
        continue
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(site), module.__file__
found = {point.name for point in importlib.metadata.entry_points(group="appliance.v1") if point.load()}
print(*sorted(found))
"""


@pytest.mark.wheels
def test_everything_in_the_wheels_imports_from_an_empty_directory(elsewhere: Path) -> None:
    run = run_elsewhere(elsewhere, "-c", IMPORT_EVERYTHING)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == sorted(path.parent.name for path in PROJECTS[1:])


STANDS_ON_FILES = (
    "api_server/dashboard/test_pages.py",
    "api_server/grpc/test_descriptors.py",
    "api_server/jobs/test_templates.py",
    "api_server/reference/test_pages.py",
    "cli/clients/test_languages.py",
    "cli/test_entry.py",
    "cli/test_imports.py",
    "foundation",
    "lab",
    "linux/test_deferring.py",
    "plugin_host/test_another_list.py",
    "plugin_host/test_checking.py::test_an_installed_plugin",
    "plugin_host/test_installed.py",
    "plugin_host/test_plugins.py",
    "plugin_host/test_scaffold.py::test_a_new_plugin_passes_its_tests_untouched[routing]",
    "profile/test_schema.py",
    "testing",
    "worker",
)
"""Of tests/unit: those whose code reads files of the package, starts programs of it, or looks for itself."""


@pytest.mark.wheels
def test_what_stands_on_files_passes_against_the_wheels(elsewhere: Path) -> None:
    of_repository(elsewhere)
    pass_elsewhere(elsewhere, *(f"tests/unit/{part}" for part in STANDS_ON_FILES))


@pytest.mark.wheels
@pytest.mark.slow
@pytest.mark.timeout(3600)  # half an hour of tests on a machine that has as much else to do
def test_the_fast_suite_passes_against_the_wheels(elsewhere: Path) -> None:
    of_repository(elsewhere)
    pass_elsewhere(elsewhere, "tests/unit")


def of_repository(elsewhere: Path) -> None:
    """Bring along what tests need, and nothing that is in a wheel."""
    shutil.copytree(ROOT / "tests", elsewhere / "tests", ignore=shutil.ignore_patterns("repo", "__pycache__"), dirs_exist_ok=True)
    for shelf in ("profiles", "schemas", "docs", "examples"):
        shutil.copytree(ROOT / shelf, elsewhere / shelf, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, elsewhere)


def pass_elsewhere(elsewhere: Path, *tests: str) -> None:
    run = run_elsewhere(elsewhere, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not netns", *tests)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
