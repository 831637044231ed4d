"""The user data for cloud-init: its schema and systemd judge it. What it does on a host: docs/rigs.md."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

ROOT = Path(__file__).parents[2]
USER_DATA = ROOT / "packaging/cloud-init/user-data.yaml"
SCHEMA = ROOT / ".tools/cloud-init/usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"
SYSTEM_UNITS = Path("/lib/systemd/system")


@pytest.fixture
def user_data() -> Any:
    return yaml.safe_load(USER_DATA.read_text())


def file_of(user_data: Any, path: str) -> Any:
    return next(file for file in user_data["write_files"] if file["path"] == path)


@pytest.mark.skipif(not SCHEMA.exists(), reason="needs cloud-init's schema, which make setup fetches")
def test_cloud_init_takes_it(user_data: Any) -> None:
    schema = json.loads(SCHEMA.read_text())
    assert USER_DATA.read_text().startswith("#cloud-config\n")
    jsonschema.Draft4Validator(schema).validate(user_data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate({**user_data, "runcmd": {}})


def test_the_code_is_in_a_file_for_root_alone_and_no_argument(user_data: Any) -> None:
    code = file_of(user_data, "/root/appliance-code")
    assert (code["content"], code["permissions"]) == ("CODE", "0600")
    assert "CODE" not in json.dumps([file for file in user_data["write_files"] if file is not code])
    assert "CODE" not in json.dumps(user_data["runcmd"])


def test_the_commands_are_a_script_that_stops_at_its_first_failure(user_data: Any) -> None:
    """cloud-init makes one script for /bin/sh of them."""
    assert user_data["runcmd"][0] == "set -e"
    subprocess.run(["sh", "-n"], input="\n".join(user_data["runcmd"]), text=True, check=True)


@pytest.mark.skipif(
    not (shutil.which("systemd-analyze") and SYSTEM_UNITS.is_dir()), reason="needs systemd-analyze (Debian package systemd)"
)
def test_systemd_takes_the_unit(user_data: Any, tmp_path: Path) -> None:
    shutil.copytree(SYSTEM_UNITS, tmp_path / "lib/systemd/system", symlinks=True)
    unit = file_of(user_data, "/etc/systemd/system/appliance-join.service")
    (tmp_path / "lib/systemd/system/appliance-join.service").write_text(unit["content"])
    for program in ("bin/sh", "usr/bin/systemctl", "usr/bin/rm"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).touch(mode=0o755)
    words = ["systemd-analyze", "--no-pager", f"--root={tmp_path}", "verify", "appliance-join.service"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
