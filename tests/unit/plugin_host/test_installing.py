"""`appliance plugin install`: what is there afterwards, what is refused, and that what fails leaves nothing behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rigs.environments import wheel

from appliance.errors import ApplianceError, MissingPrivilege, PluginFault
from appliance.foundation import plugin_folders
from appliance.plugin_host import pip
from appliance.plugin_host.installing import Installation, PluginRefused, install, plugins_of, uninstall
from appliance.plugin_host.projects import NoPlugin
from appliance.plugin_host.scaffold import create

pytestmark = pytest.mark.wheels

SHELVES = pip._shelves
PARROT = """
from appliance.api.hookspecs import hookimpl

@hookimpl
def appliance_check_profile(profile, host):
    return ()
"""


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this machine's pip, unpacked and compiled: out of its wheel Python compiles all of pip at each start."""
    folder = tmp_path_factory.mktemp("pip")
    for packed in [path for shelf in pip._shelves() for path in shelf.glob("pip-*.whl")][:1]:
        zipfile.ZipFile(packed).extractall(folder / packed.name)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    return folder


@pytest.fixture(autouse=True)
def quick_pip(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "_shelves", lambda: [unpacked])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "lib/plugins"


def installed(target: Path | str, base: Path, *, editable: bool = False) -> Installation:
    return install(str(target), lambda text: None, editable=editable, base=base)


def left(base: Path) -> set[str]:
    return {path.name for path in base.iterdir()} - {".lock"}


def imported(base: Path, module: str) -> str:
    """The file that a new process imports."""
    code = (
        f"from appliance.foundation import plugin_folders as f; f.use({str(base)!r}); import {module}; print({module}.__file__)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_wheel_comes_with_the_library_it_needs(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "_shelves", SHELVES)  # once by pip as this machine has it
    wheel(tmp_path, "seed", "2.5")
    target = wheel(tmp_path, "appliance-parrot", code=f"import seed\n{PARROT}", entry="parrot", needs=("seed>=2", "pydantic"))
    done = installed(target, base)
    assert (done.distribution, done.version, done.replaced) == ("appliance-parrot", "1.0", "")
    assert done.brought == ("seed 2.5",)
    assert [(fact["name"], fact["provides"]) for fact in done.plugins] == [("parrot", [])]
    assert left(base) == {"appliance-parrot"}
    assert imported(base, "appliance_parrot").startswith(str(base / "appliance-parrot"))
    assert plugins_of("parrot", base) == plugins_of("Appliance_Parrot", base) == ("parrot",)


@pytest.mark.parametrize("umask", [0, 0o077])
def test_only_its_owner_may_write_and_everybody_may_read(tmp_path: Path, base: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot"), base)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (base.parent, base, *base.rglob("*")) if path.name != ".lock"}
    assert {path for path, mode in modes.items() if mode & 0o022} == set()
    assert all(mode & 0o044 for mode in modes.values()), "every user's `appliance check` imports it"


def test_installed_again_it_replaces_what_was_there(tmp_path: Path, base: Path) -> None:
    installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot"), base)
    done = installed(wheel(tmp_path, "appliance-parrot", "1.1", PARROT, entry="parrot"), base)
    assert (done.version, done.replaced) == ("1.1", "1.0")
    assert left(base) == {"appliance-parrot"}
    assert uninstall("parrot", base) == ("appliance-parrot", ("parrot",))
    assert left(base) == set()


def test_one_that_cannot_be_imported_leaves_the_one_before(tmp_path: Path, base: Path) -> None:
    installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot"), base)
    broken = wheel(tmp_path, "appliance-parrot", "1.1", "import no_such_module", entry="parrot")
    with pytest.raises(PluginFault, match=r"plugin parrot: import: .*no_such_module.*appliance_parrot.py:1"):
        installed(broken, base)
    assert left(base) == {"appliance-parrot"}
    assert "1.0" in "".join(str(path) for path in base.rglob("*.dist-info"))


def test_one_that_ends_its_process_is_refused(tmp_path: Path, base: Path) -> None:
    crashes = wheel(tmp_path, "appliance-parrot", code="import os; os._exit(7)", entry="parrot")
    with pytest.raises(PluginFault, match="exit code 7"):
        installed(crashes, base)
    assert left(base) == set()


def test_a_driver_that_the_worker_could_not_import_is_refused(tmp_path: Path, base: Path) -> None:
    create("lost", "transport", tmp_path / "lost")
    (tmp_path / "lost/src/appliance_transport_lost/driver.py").unlink()
    with pytest.raises(PluginFault, match=r"appliance_transport_lost.driver:Driver raised ModuleNotFoundError"):
        installed(tmp_path / "lost", base, editable=True)
    assert left(base) == set()


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path: Path, base: Path) -> None:
    create("lost", "routing", tmp_path / "lost")
    project = tmp_path / "lost/pyproject.toml"
    text = project.read_text().replace('requires = ["hatchling>=1.27"]', 'requires = []\nbackend-path = ["."]')
    project.write_text(text.replace('build-backend = "hatchling.build"', 'build-backend = "backend"'))
    (tmp_path / "lost/backend.py").write_text(
        "def build_wheel(directory, settings=None, metadata=None):\n    raise RuntimeError('out of wood')\n"
    )
    with pytest.raises(pip.PipFailed, match="appliance-routing-lost cannot be built: RuntimeError: out of wood") as failed:
        installed(tmp_path / "lost", base)
    assert "Traceback" in failed.value.output
    assert left(base) == set()


def test_a_folder_that_is_linked_is_used_as_it_is(tmp_path: Path, base: Path) -> None:
    create("lost", "routing", tmp_path / "lost")
    installed(tmp_path / "lost", base, editable=True)
    assert imported(base, "appliance_routing_lost") == str(tmp_path / "lost/src/appliance_routing_lost/__init__.py")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_links_nothing_that_others_may_write(tmp_path: Path, base: Path) -> None:
    create("lost", "routing", tmp_path / "lost")
    (tmp_path / "lost/src").chmod(0o777)
    with pytest.raises(PluginRefused, match=r"others than root may write .*lost/src"):
        installed(tmp_path / "lost", base, editable=True)


def test_the_appliances_own_libraries_stay_as_they_are(tmp_path: Path, base: Path) -> None:
    create("static", "routing", tmp_path / "static")
    wheel(tmp_path, "pydantic", "1.0")
    with pytest.raises(pip.PipFailed, match=r"appliance-parrot 1.0 depends on pydantic<2, and pydantic 2\S+ is here"):
        installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot", needs=("pydantic<2",)), base)
    with pytest.raises(PluginRefused, match="part of the appliance's own environment"):
        installed(tmp_path / "static", base)
    with pytest.raises(PluginRefused, match="part of the appliance's environment already"):
        installed("appliance-routing-static", base)
    assert left(base) == set()


def test_two_plugins_agree_on_a_library(tmp_path: Path, base: Path) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path, "seed", version)
    installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot", needs=("seed==1.0",)), base)
    other = installed(wheel(tmp_path, "appliance-owl", entry="owl", needs=("seed",)), base)
    assert other.brought == ("seed 1.0",)
    with pytest.raises(pip.PipFailed, match=r"appliance-hawk 1.0 depends on seed>=2, and seed 1.0 is here"):
        installed(wheel(tmp_path, "appliance-hawk", entry="hawk", needs=("seed>=2",)), base)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("seed-2.5-py3-none-any.whl", "is no plugin"),
        ("./nowhere", "neither a plugin's folder nor a wheel"),
        (".", "pyproject.toml"),
    ],
)
def test_what_is_no_plugin(target: str, reason: str, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "seed", "2.5")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoPlugin, match=reason):
        installed(target, base)


def test_a_name_that_another_plugin_has(tmp_path: Path, base: Path) -> None:
    with pytest.raises(PluginRefused, match="routing-static is here already, from appliance-routing-static"):
        installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="routing-static"), base)


def test_what_the_index_does_not_have(base: Path) -> None:
    with pytest.raises(pip.PipFailed, match="No matching distribution found for appliance-nowhere") as failed:
        installed("appliance-nowhere", base)
    assert "give the plugin's folder or wheel" in failed.value.hint


def test_an_index_out_of_reach_is_told_from_a_name_that_is_wrong() -> None:
    printed = "WARNING: Retrying … Temporary failure in name resolution\nERROR: No matching distribution found for x\n"
    assert "cannot be reached: No matching distribution found for x" in pip._failed(printed).message


def test_what_is_not_there_cannot_be_taken_out(base: Path) -> None:
    with pytest.raises(PluginRefused, match="appliance's own environment"):
        uninstall("routing-static", base)
    with pytest.raises(ApplianceError, match="parrot is not installed"):
        uninstall("parrot", base)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_who_may_not_write_there_is_told(tmp_path: Path, base: Path) -> None:
    target = wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot")
    base.mkdir(parents=True)
    os.seteuid(65534)
    try:
        with pytest.raises(MissingPrivilege, match="only the owner of"):
            installed(target, base)
    finally:
        os.seteuid(0)


def test_a_machine_without_pip_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "_shelves", list)
    monkeypatch.setattr(pip, "find_spec", lambda name: None)
    with pytest.raises(ApplianceError, match="this machine has none") as missing:
        pip.program()
    assert "python3-pip-whl" in missing.value.hint


def test_what_a_killed_install_left_is_cleared_away(tmp_path: Path, base: Path) -> None:
    (base / ".work-killed").mkdir(parents=True)
    installed(wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot"), base)
    assert left(base) == {"appliance-parrot"}
    assert plugin_folders.folders(str(base)) == [str(base / "appliance-parrot")]


def test_one_for_another_version_of_the_api_is_refused(tmp_path: Path, base: Path) -> None:
    newer = wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot", api="[api-1.99]")
    with pytest.raises(PluginFault, match=r"it needs version 1.99 of the plugin API"):
        installed(newer, base)
    other = wheel(tmp_path, "appliance-parrot", code=PARROT, entry="parrot", group="appliance.v9")
    with pytest.raises(PluginRefused, match="made for version 9 of the plugin API"):
        installed(other, base)
    assert left(base) == set()
