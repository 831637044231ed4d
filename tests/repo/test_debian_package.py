"""What dpkg does with the package: its scripts and its list of files, in copies of this Debian, around a program of one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rigs import debian_copy

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "packaging/debian"
PROGRAM = '#!/bin/sh\necho "appliance $*" >>/run/calls\n'

SYSTEMD = r"""
rm -f /usr/sbin/policy-rc.d
mkdir -p /run/systemd/system
cat >/usr/local/bin/systemctl <<'SCRIPT'
#!/bin/sh
[ -e /usr/bin/appliance ] && there=with || there=without
echo "systemctl $* ($there program)" >>/run/calls
for word in "$@"; do ! grep -qx -e "$word" /run/fails 2>/dev/null || exit 1; done
SCRIPT
chmod 755 /usr/local/bin/systemctl
"""
"""A systemd that runs in the copy, as far as scripts can tell. What it is asked is kept in /run/calls, with whether the program
was still there; verbs in /run/fails fail."""

NO_USERS = """
for user in appliance appliance-api; do userdel $user; groupdel $user; done 2>/dev/null || true
rm -rf /var/lib/appliance /var/lib/appliance-api /etc/appliance
"""
FIRST, SECOND, THIRD = (f"dpkg --force-unsafe-io -i /srv/given/appliance_{version}.deb" for version in "123")

Pack = Callable[..., Path]


def test_the_scripts_are_scripts_of_sh_that_end_at_what_fails() -> None:
    for name in ("postinst", "prerm", "postrm"):
        script = DEBIAN / name
        assert subprocess.run(["sh", "-n", script], capture_output=True, text=True).stderr == ""
        assert "\nset -e\n" in script.read_text()
        assert os.access(script, os.X_OK)


def test_the_package_has_files_in_these_places_only() -> None:
    text = (DEBIAN / "nfpm.yaml").read_text()
    assert set(re.findall(r"^ +(?:- )?dst: (\S+)", text, re.MULTILINE)) == {
        "/usr",
        "/usr/bin/appliance",
        "/usr/lib/systemd/system/appliance.service",
        "/usr/lib/systemd/system/appliance@.service",
        "/usr/lib/modules-load.d/appliance.conf",
        "/usr/lib/systemd/networkd.conf.d/50-appliance.conf",
        "/etc/appliance",
        "/usr/share/doc/appliance/README.md",
        "/usr/share/doc/appliance/copyright",
        "/usr/share/appliance/profile-1.schema.json",
    }
    for source in re.findall(r"^ +- src: (\w\S+)", text, re.MULTILINE):
        assert (ROOT / source).is_file()


def test_what_cannot_be_built_is_said_before_anything_is_done(tmp_path: Path) -> None:
    for words, reason in ((["sid"], "not 'sid'"), (["trixie", "riscv64"], "not 'riscv64'")):
        run = subprocess.run([DEBIAN / "build.sh", tmp_path, tmp_path, *words], capture_output=True, text=True)
        assert run.returncode == 2
        assert reason in run.stderr


@pytest.fixture(scope="module")
def pack(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Makes a package of a version, with the scripts and the list of files that ours has; `config` is that of nfpm."""
    nfpm = [uv, "tool", "run", "-q", "--from", "nfpm>=2.48,<3", "nfpm", "package", "--packager", "deb"]

    def make(to: Path, version: str, config: Path = DEBIAN / "nfpm.yaml", more_bytes: int = 0) -> Path:
        tree = tmp_path_factory.mktemp("tree")
        program = tree / "usr/lib/appliance/venv/bin/appliance"
        program.parent.mkdir(parents=True)
        program.write_text(PROGRAM)
        program.chmod(0o755)
        (tree / "usr/lib/appliance/version").write_text(f"{version}\n")
        (tree / "usr/lib/appliance/more").write_bytes(os.urandom(more_bytes))
        environ = {"TREE": str(tree), "VERSION": version, "RELEASE": "1", "ARCH": "all", "PYTHON_DEPENDS": "python3"}
        package = to / f"appliance_{version}.deb"
        command = [*nfpm, "--config", str(config), "--target", str(package)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, check=True, capture_output=True)
        return package

    return make


@pytest.fixture(scope="module")
def packages(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the versions 1 and 2."""
    folder = tmp_path_factory.mktemp("packages")
    for version in ("1", "2"):
        pack(folder, version)
    return folder


def story(commands: str, packages: Path) -> tuple[list[str], list[str]]:
    """What commands print in a copy that has never seen our package: before and after they say MARK."""
    run = debian_copy.run(f"dpkg --purge appliance >/dev/null 2>&1 || true\n{NO_USERS}{commands}", packages)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    lines = run.stdout.splitlines()
    mark = lines.index("MARK")
    return lines[:mark], lines[mark + 1 :]


@pytest.mark.wheels
@pytest.mark.skipif(bool(debian_copy.missing()), reason=debian_copy.missing())
class TestDpkg:
    def test_installed_twice_it_is_as_installed_once(self, packages: Path) -> None:
        _, found = story(
            f"""{FIRST}; {FIRST}; echo MARK
            dpkg --verify appliance
            getent passwd appliance appliance-api | cut -d: -f1,6,7
            stat -c '%U %G %a %n' /var/lib/appliance-api /etc/appliance
            dpkg -S /usr/lib/systemd/system/appliance.service""",
            packages,
        )
        assert found == [
            "appliance:/nonexistent:/usr/sbin/nologin",
            "appliance-api:/nonexistent:/usr/sbin/nologin",
            "appliance-api appliance-api 700 /var/lib/appliance-api",
            "root root 750 /etc/appliance",
            "appliance: /usr/lib/systemd/system/appliance.service",
        ]

    def test_purged_it_leaves_the_users_and_what_an_admin_wrote(self, packages: Path) -> None:
        removed, purged = story(
            f"""{FIRST}
            echo secret >/etc/appliance/identity
            mkdir -p /var/lib/appliance/audit /var/lib/appliance-api/store /usr/local/lib/appliance/plugins/fast
            touch /var/lib/appliance/audit/log /var/lib/appliance-api/store/data
            touch /usr/local/lib/appliance/plugins/fast/installed.json
            mkdir -p /usr/lib/appliance/venv/lib/__pycache__
            touch /usr/lib/appliance/venv/lib/__pycache__/old.cpython-311.pyc
            dpkg --remove appliance
            ls /var/lib/appliance/audit /var/lib/appliance-api/store
            dpkg --purge appliance
            echo MARK
            cd /srv/written; find . -type f -not -path './var/*' | sort
            ls -d /usr/lib/appliance /usr/share/appliance /usr/share/doc/appliance /var/lib/appliance* 2>/dev/null || true
            getent passwd appliance appliance-api | cut -d: -f1
            ! dpkg-query -W appliance 2>/dev/null""",
            packages,
        )
        assert {"log", "data"} <= set(removed), "removed and not purged, it keeps what it knows"
        accounts = {
            f"./etc/{name}{end}" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid") for end in ("", "-")
        }
        assert [line for line in purged if line not in {*accounts, "./etc/.pwd.lock"}] == [
            "./etc/appliance/identity",
            "./usr/local/lib/appliance/plugins/fast/installed.json",
            "appliance",
            "appliance-api",
        ]

    def test_a_state_folder_that_is_mounted_is_emptied(self, packages: Path) -> None:
        _, left = story(
            f"""{FIRST}
            mkdir -p /var/lib/appliance && mount -t tmpfs tmpfs /var/lib/appliance && touch /var/lib/appliance/kept
            dpkg --purge appliance
            echo MARK; ls -A /var/lib/appliance""",
            packages,
        )
        assert left == []

    def test_a_group_that_is_there_before_becomes_the_users(self, packages: Path) -> None:
        _, group = story(f"groupadd appliance; {FIRST}; echo MARK; id -gn appliance", packages)
        assert group == ["appliance"]

    def test_an_upgrade_restarts_what_ran_and_a_downgrade_too(self, packages: Path) -> None:
        installed, changed = story(
            f"""{SYSTEMD}
            {FIRST}; cat /run/calls; : >/run/calls
            echo MARK
            {SECOND} >/dev/null; cat /usr/lib/appliance/version
            {FIRST} >/dev/null 2>&1; cat /usr/lib/appliance/version
            grep -E 'start|stop' /run/calls""",
            packages,
        )
        assert not [line for line in installed if "start" in line], "installed first, it starts nothing"
        restart = "systemctl try-restart appliance.service appliance@*.service (with program)"
        assert changed == ["2", "1", restart, restart]

    def test_a_node_that_does_not_start_again_leaves_the_package_in_order(self, packages: Path) -> None:
        said, status = story(
            f"""{SYSTEMD} {FIRST}
            printf '%s\\n' try-restart daemon-reload >/run/fails
            {SECOND} 2>&1
            echo MARK; dpkg -s appliance | grep Status""",
            packages,
        )
        assert status == ["Status: install ok installed"]
        assert "appliance: a node did not start again: systemctl status 'appliance*'" in said

    @pytest.mark.parametrize("fails", ["nothing", "stop disable"])
    def test_removed_it_stops_the_services_while_they_can_undo_what_they_did(self, packages: Path, fails: str) -> None:
        _, calls = story(
            f"""{SYSTEMD} {FIRST}
            printf '%s\\n' {fails} >/run/fails; : >/run/calls
            dpkg --remove appliance
            echo MARK; cat /run/calls; ls -d /usr/lib/appliance /usr/bin/appliance 2>/dev/null || true""",
            packages,
        )
        assert calls == [
            "systemctl --no-reload disable appliance.service appliance@.service (with program)",
            "systemctl stop appliance.service appliance@*.service (with program)",
            "systemctl daemon-reload (without program)",
        ]

    def test_removed_it_undoes_what_was_applied_without_a_service(self, packages: Path) -> None:
        _, calls = story(
            f"""{FIRST}
            mkdir -p /run/appliance/netns-1 /run/appliance/netns-1@office /run/appliance/netns-2
            touch /run/appliance/netns-1/journal /run/appliance/netns-1@office/journal
            dpkg --remove appliance
            echo MARK; cat /run/calls""",
            packages,
        )
        assert calls == [
            f"appliance {words}" for words in ("stop", "rollback", "--instance office stop", "--instance office rollback")
        ]

    def test_what_cannot_be_undone_keeps_nobody_from_removing(self, packages: Path) -> None:
        said, _ = story(
            f"""{FIRST}
            mkdir -p /run/appliance/netns-1; touch /run/appliance/netns-1/journal
            printf '#!/bin/sh\\nexit 8\\n' >/usr/lib/appliance/venv/bin/appliance
            dpkg --remove appliance 2>&1
            ! ls -d /usr/bin/appliance
            echo MARK""",
            packages,
        )
        assert "appliance: this host is not as before; a reboot makes it so" in said

    def test_a_disk_without_room_leaves_the_version_before(self, packages: Path, pack: Pack, tmp_path: Path) -> None:
        shutil.copy(packages / "appliance_1.deb", tmp_path)
        pack(tmp_path, "3", more_bytes=2 << 20)
        said, found = story(
            f"""{SYSTEMD}
            mkdir -p /usr/lib/appliance; mount -t tmpfs -o size=1m tmpfs /usr/lib/appliance
            {FIRST}; : >/run/calls
            ! {THIRD}
            dpkg --verify appliance; cat /run/calls
            echo MARK
            dpkg-query -W -f '${{Status}} ${{Version}}\\n' appliance; cat /usr/lib/appliance/version
            mount -o remount,size=8m /usr/lib/appliance
            {THIRD} >/dev/null; cat /usr/lib/appliance/version""",
            tmp_path,
        )
        assert found == ["install ok installed 1-1", "1", "3"]
        assert not [line for line in said if re.search("restart|stop", line)], "what runs is left running"

    def test_half_installed_it_is_finished_later(self, packages: Path) -> None:
        _, found = story(
            f"""printf '#!/bin/sh\\ncase $* in *-api) exit 1;; esac\\nexec /usr/sbin/useradd "$@"\\n' >/usr/local/sbin/useradd
            chmod 755 /usr/local/sbin/useradd
            ! {FIRST}
            rm /usr/local/sbin/useradd
            dpkg --configure -a
            echo MARK; dpkg-query -W -f '${{Status}}\\n' appliance; id -un appliance-api; dpkg --verify appliance""",
            packages,
        )
        assert found == ["install ok installed", "appliance-api"]

    def test_units_that_lay_below_lib_are_not_lost(self, packages: Path, pack: Pack, tmp_path: Path) -> None:
        """To dpkg /lib and /usr/lib are two places, though one is a link to the other (DEP 17)."""
        before = tmp_path / "nfpm.yaml"
        before.write_text((DEBIAN / "nfpm.yaml").read_text().replace("dst: /usr/lib/systemd", "dst: /lib/systemd"))
        pack(tmp_path, "0", before)
        shutil.copy(packages / "appliance_1.deb", tmp_path)
        _, units = story(
            f"""dpkg --force-unsafe-io -i /srv/given/appliance_0.deb
            {FIRST}
            echo MARK; ls /usr/lib/systemd/system/appliance*.service; dpkg --verify appliance""",
            tmp_path,
        )
        assert units == [f"/usr/lib/systemd/system/{unit}.service" for unit in ("appliance", "appliance@")]
