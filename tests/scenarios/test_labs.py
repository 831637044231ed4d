"""The labs that ship, run as an admin runs them: every probe succeeds, and the machine is as before."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
LONG = {
    "ladder": "forty seconds",
    "dht-20": "two and a half minutes; test_dht.py has three of them",
    "mesh-8": "two minutes",
    "nat-grid": "a minute and a half",
    "pubsub-20": "two minutes; test_topics.py has three of them",
    "roaming": "twenty seconds",
    "cgnat": "twenty seconds",
    "fallback": "twenty seconds; test_fallback.py has its networks one by one",
}
LABS = [
    pytest.param(file, id=file.stem, marks=[pytest.mark.slow] if file.stem in LONG else [])
    for file in sorted((ROOT / "profiles/lab").glob("*.yaml"))
]
NOBODY = 65534


def run_lab(*words: str | Path, python: str | Path = sys.executable, prefix: Sequence[str] = ()) -> dict[str, Any]:
    """The document of `appliance lab … --json`."""
    done = subprocess.run(
        [*prefix, python, "-m", "appliance.cli", "lab", *words, "--json"], capture_output=True, text=True, timeout=200, cwd="/"
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("file", LABS)
def test_every_probe_of_a_lab_succeeds(file: Path) -> None:
    document = run_lab(file)
    assert document["ok"]
    assert document["probes"]
    assert all(probe["ok"] for probe in document["probes"])
    assert document["left_behind"] == []
    sessions = [session for host in document["hosts"] for session in host["sessions"]]
    assert sessions
    assert all(session["pq"] is True and session["suite"] == "aes-256-gcm" for session in sessions)


def test_the_story_tells_every_step() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "lab", ROOT / "profiles/lab/pair.yaml", "--story", "--probe", "ping"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("llp1:", "appliance plan", "+ TUN device llp0", "aes-256-gcm", "ping-v6", "all is well", "no namespace"):
        assert told in done.stdout


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that everybody may use; pytest shuts its own again and again."""
    with tempfile.TemporaryDirectory(prefix="open-") as directory:
        Path(directory).chmod(0o777)
        yield Path(directory)


def test_a_lab_runs_without_root(open_to_all: Path) -> None:
    python = readable_python(open_to_all)
    # In a mount namespace of our own, everybody may open the TUN device, as on a desktop.
    tun = "mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun"
    variables = f"HOME=/nonexistent TMPDIR={open_to_all} PYTHONDONTWRITEBYTECODE=1"
    drop = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups env {variables}"
    prefix = ["unshare", "--mount", "sh", "-c", f'{tun} && exec {drop} "$@"', "sh"]
    if reason := refused([*prefix, "unshare", "--user", "--map-root-user", "--net", "--mount", "true"]):
        pytest.skip(f"no user namespaces here: {reason}")
    document = run_lab(ROOT / "profiles/lab/pair.yaml", "--probe", "ping", python=python, prefix=prefix)
    assert document["ok"]
    assert document["left_behind"] == []


def test_in_a_chroot_a_lab_says_that_it_is_one(tmp_path: Path) -> None:
    # Each top directory of this root, in a directory that is no mount point; all of it ends with the mount namespace.
    show = 'for one in /*; do [ ! -d $one ] || { mkdir -p "$0$one" && mount --rbind $one "$0$one"; }; done; exec chroot "$0" "$@"'
    lab = [sys.executable, "-m", "appliance.cli", "lab", ROOT / "profiles/lab/pair.yaml", "--probe", "ping"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", show, tmp_path, *lab], capture_output=True, text=True, timeout=100, cwd="/"
    )
    assert done.returncode == ExitCode.PERMISSION, done.stdout + done.stderr
    assert "inside a chroot" in done.stderr
    assert "pivot_root" in done.stderr


def readable_python(directory: Path) -> Path:
    """An interpreter that nobody may run, with the libraries of this one."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [path for path in (f"/usr/bin/python{wanted}", "/usr/bin/python3", sys.executable) if shutil.which(path)]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    show = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        done = subprocess.run([*drop, candidate, "-c", show], capture_output=True, text=True)
        if done.stdout.strip() == wanted:
            break
    else:
        pytest.skip(f"no Python {wanted} that everybody may run")
    where = directory / "venv"
    subprocess.run([candidate, "-m", "venv", "--without-pip", where], check=True)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (where / f"lib/python{wanted}/site-packages/these.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")
    return where / "bin/python"


def refused(words: Sequence[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip() or "it fails"
