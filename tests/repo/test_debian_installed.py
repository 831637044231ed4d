"""The Debian package, built and installed: on a copy of this machine, and on the smallest Debian of each kind that it is for."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.rigs import debian_copy, environments, packaged

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "appliance/debian"
RELEASES = {"bookworm": 12, "trixie": 13}
NEEDED = "python3,nftables,passwd"
"""What apt would install for the package, and a minimal Debian lacks."""

pytestmark = pytest.mark.wheels
in_a_copy = pytest.mark.skipif(bool(debian_copy.missing()), reason=debian_copy.missing())

TRIAL = """
dpkg --purge appliance >/dev/null 2>&1 || true
dpkg --force-unsafe-io -i /srv/given/*.deb >/dev/null
dpkg --verify appliance
appliance version
appliance keys new /etc/appliance/identity | tail -n 1 | cut -c-5
appliance check /srv/given/profile.yaml
cd /usr/lib/appliance/venv
bin/python -I -v -c 'import appliance.cli.entry' 2>/tmp/imports
echo "compiled anew: $(grep -c '^# code object from /usr/lib/appliance' /tmp/imports || true)"
cd lib/python3.*/site-packages
find . -name '*.so' | cut -d. -f2 | cut -c2- | sed 's,/__init__$,,; s,/,.,g' | sort -u >/tmp/modules
../../../bin/python -I -c 'import importlib, sys; [*map(importlib.import_module, sys.stdin.read().split())]' </tmp/modules
"""
"""Ends with the first command that fails."""

REMOVAL = """
cd /
cat >/etc/appliance/profile.yaml <<'PROFILE'
{profile: 1, name: alone, network: {addresses: [10.8.0.1/24]}}
PROFILE
appliance apply >/dev/null
mkfifo /tmp/log
exec 3<>/tmp/log
appliance run 2>/tmp/log &
node=$!
timeout 120 grep -q '"ready"' <&3
devices() { ls /proc/sys/net/ipv4/conf | grep llp || true; }
echo "before the node ended: $(devices)"
dpkg --remove appliance >/dev/null
wait $node
ls /run/appliance 2>/dev/null || true
echo "after: $(devices)"
"""
"""A node that no systemd runs, on what `appliance apply` did before; behind TRIAL."""


def build(wheels: list[Path], folder: Path, uv: str, *words: str, suffix: str = "") -> Path:
    """A folder with the package for a Debian and an architecture, and a profile."""
    command = [str(word) for word in (ROOT / "packaging/debian/build.sh", wheels[0].parent, folder, *words)]
    subprocess.run(command, env={**os.environ, "UV": uv, "VERSION_SUFFIX": suffix}, check=True)
    shutil.copy(ROOT / "profiles/laptop.yaml", folder / "profile.yaml")
    return folder


@pytest.fixture(scope="module")
def built(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    if suite not in RELEASES:
        pytest.skip("needs Debian 12 or 13")
    folder = tmp_path_factory.mktemp("package")
    shutil.copy(packaged.debian_package(wheels, suite), folder)
    shutil.copy(ROOT / "profiles/laptop.yaml", folder / "profile.yaml")
    return folder


@pytest.mark.timeout(600)  # it installs all libraries
def test_the_debian_package_brings_everything(built: Path, tmp_path: Path) -> None:
    (package,) = built.glob(f"appliance_{VERSION}-1~deb*u1_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    assert (tmp_path / "usr/lib/systemd/system/appliance.service").is_file()
    assert (tmp_path / "usr/lib/systemd/system/appliance@.service").is_file()
    program = tmp_path / "usr/lib/appliance/venv/bin/appliance"
    run = subprocess.run(
        [program, "version"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert VERSION in run.stdout
    subprocess.run(
        [program.with_name("python"), "-c", "import grpc, opentelemetry.exporter.otlp.proto.http, starlette"],
        check=True,
        cwd=tmp_path,
    )
    plugin = environments.wheel(tmp_path, "appliance-parrot", code="", entry="parrot")
    run = subprocess.run(
        [program, "plugin", "install", plugin], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "usr/lib/appliance/venv/lib/appliance/plugins/appliance-parrot/appliance_parrot.py").is_file()
    foreign = tmp_path / "foreign/appliance"
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("raise SystemExit('not ours')")
    for environ, folder in (({"PYTHONPATH": str(foreign.parent)}, tmp_path), ({}, foreign.parent)):
        run = subprocess.run(
            [program, "version"], cwd=folder, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True
        )
        assert (run.returncode, run.stderr) == (0, ""), "what the caller has lying about is not run"


@pytest.mark.timeout(600)  # as above, if it is the only one
@in_a_copy
@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="needs /dev/net/tun")
def test_the_debian_package_works_where_it_is_installed_and_leaves_the_host_as_it_was(built: Path) -> None:
    assert try_out(built, Path("/"), TRIAL + REMOVAL)[-2:] == ["before the node ended: llp0", "after: "]


@pytest.mark.slow
@pytest.mark.timeout(600)
@in_a_copy
def test_a_higher_version_is_upgraded_to_and_left_again(built: Path, wheels: list[Path], uv: str, tmp_path: Path) -> None:
    for package in [*built.glob("*.deb"), *build(wheels, tmp_path / "next", uv, suffix="+next").glob("*.deb")]:
        shutil.copy(package, tmp_path)
    run = debian_copy.run(
        f"""dpkg --purge appliance >/dev/null 2>&1 || true
        for version in {VERSION} {VERSION}+next {VERSION}; do
            dpkg --force-unsafe-io -i /srv/given/appliance_$version-*.deb >/dev/null 2>&1
            appliance version
            dpkg --verify appliance
        done
        find /usr/lib/appliance -name '*.dpkg-*'""",
        tmp_path,
    )
    assert run.stdout.splitlines() == [f"appliance {VERSION}{suffix}" for suffix in ("", "+next", "")], run.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes each, once, for a Debian whose machine is emulated
@in_a_copy
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("suite", RELEASES)
def test_it_works_on_the_smallest_debian(suite: str, architecture: str, wheels: list[Path], uv: str, tmp_path: Path) -> None:
    """For another architecture this machine needs qemu-user-static, and binfmt_misc mounted."""
    native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    if architecture != native and not list(Path("/proc/sys/fs/binfmt_misc").glob("qemu-*")):
        pytest.skip("runs no programs of another architecture: needs qemu-user-static")
    (tmp_path / "given").mkdir()
    folder = build(wheels, tmp_path / "given", uv, suite, architecture)
    assert list(folder.glob(f"appliance_{VERSION}-1~deb{RELEASES[suite]}u1_{architecture}.deb"))
    system = tmp_path / "system"
    system.mkdir()
    subprocess.run(["tar", "-x", "--numeric-owner", "-C", system, "-f", smallest(suite, architecture)], check=True)
    try_out(folder, system, TRIAL)


def try_out(folder: Path, system: Path, commands: str) -> list[str]:
    """What commands print that begin with TRIAL."""
    run = debian_copy.run(commands, folder, system)
    assert run.returncode == 0, run.stdout + run.stderr
    version, identity, _, compiled, *rest = run.stdout.splitlines()
    assert version == f"appliance {VERSION}"
    assert identity == "llp1:"
    assert compiled == "compiled anew: 0", "Python may not write there: each start would do it"
    return rest


def smallest(suite: str, architecture: str) -> Path:
    """A minimal Debian as an archive, made from the mirror once."""
    archive = CACHE / f"{suite}-{architecture}-root.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = archive.with_suffix(f".{os.getpid()}")
        options = ["--format=tar", "--variant=minbase", f"--architectures={architecture}", f"--include={NEEDED}"]
        subprocess.run([ROOT / "packaging/mmdebstrap.sh", suite, part, *options], check=True)
        part.rename(archive)
    return archive
