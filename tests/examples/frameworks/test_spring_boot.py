"""The starter for Spring Boot: compiled, and an application that uses it is run at a real node.

Spring Boot comes by Maven. Where its repository cannot be reached, $SPRING_CLASSPATH may name jars or folders of classes instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from appliance.cli import main
from examples.management import PASSWORD, Api, trial
from tests.clients.driver import LONGEST
from tests.clients.drivers.java import DRIVER, JACKSON, compiled

SAMPLE = Path(__file__).parents[3] / "examples/frameworks/spring-boot"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(DRIVER.missing), reason=f"needs {', '.join(DRIVER.missing)}: run packaging/setup.sh clients"),
]


def spring(client: Path, folder: Path) -> list[str]:
    """Where Spring Boot's classes are."""
    if given := os.environ.get("SPRING_CLASSPATH"):
        return given.split(":")
    if not shutil.which("mvn"):
        pytest.skip("needs Maven (Debian package maven), or $SPRING_CLASSPATH")
    found = folder / "classpath"
    words = ["mvn", "-B", "-q", "package", "dependency:build-classpath", f"-Dmdep.outputFile={found}"]
    for where, command in ((client, ["mvn", "-B", "-q", "install"]), (folder, words)):
        ran = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=LONGEST)
        if "Could not transfer" in ran.stdout or "Unknown host" in ran.stdout:
            pytest.skip("Maven's repository cannot be reached: set $SPRING_CLASSPATH")
        assert ran.returncode == 0, ran.stdout
    return found.read_text().split(":")


class Application(NamedTuple):
    """The example, compiled."""

    libraries: str

    def says(self, *settings: str) -> str:
        """What it prints, also where it ends with an error."""
        command = ["java", "-Dorg.springframework.boot.logging.LoggingSystem=none", "-cp", self.libraries, "example.Example"]
        words = [*command, *(f"--{each}" for each in settings)]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, check=False)
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    folder = tmp_path_factory.mktemp("spring")
    client, sample, classes = folder / "client", folder / "sample", folder / "classes"
    classes.mkdir()
    assert main(["generate-client", "java", "--output", str(client)]) == 0
    shutil.copytree(SAMPLE, sample)
    libraries = [*spring(client, sample), *JACKSON]
    compiled([*sorted(client.rglob("*.java")), *sorted(sample.rglob("*.java"))], classes, libraries)
    shutil.copytree(SAMPLE / "src/main/resources", classes, dirs_exist_ok=True)
    return Application(":".join([str(classes), *libraries]))


def test_an_application_has_the_nodes_api_and_its_health(application: Application, tmp_path: Path) -> None:
    with trial() as (port, code, _):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        alice = Api(port).log_in("alice")
        file = tmp_path / "token"
        file.write_text(alice.ask("POST", "/tokens", name="spring", scopes=["node.read"])["token"] + "\n")
        url = f"appliance.url=http://127.0.0.1:{port}"
        said = application.says(url, f"appliance.token-file={file}")
        assert "health: UP" in said
        assert "node: trial" in said
        assert "peers: [other]" in said
        assert file.read_text().strip() not in said
        stranger = application.says(url, "appliance.token=apl_wrong")
        assert "health: DOWN {code=TokenNotValid" in stranger
        assert "apl_wrong" not in stranger
    assert "health: DOWN {error=appliance.client.ConnectionFailedException" in application.says(
        "appliance.url=http://127.0.0.1:1"
    )
