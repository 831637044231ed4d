"""Java: compiled by javac of JDK 17 with all its warnings as errors, against Debian's Jackson."""

from __future__ import annotations

from pathlib import Path

from tests.clients.driver import STORIES, Driver, done

JACKSON = [f"/usr/share/java/jackson-{part}.jar" for part in ("annotations", "core", "databind")]


def compiled(sources: list[Path], folder: Path, libraries: list[str]) -> None:
    """Write classes into `folder`."""
    words = ["javac", "-Xlint:all", "-Werror", "--release", "17", "-encoding", "US-ASCII", "-proc:none", "-d", folder]
    names = folder / "sources"
    names.write_text("\n".join(map(str, sources)))
    done([*words, "-cp", ":".join(libraries), f"@{names}"], folder.parent)


def _built(client: Path, work: Path) -> list[str]:
    classes = work / "classes"
    classes.mkdir()
    compiled(sorted(client.rglob("*.java")), classes, JACKSON)
    compiled([STORIES / "Story.java"], classes, [*JACKSON, str(classes)])
    return ["java", "-cp", ":".join([*JACKSON, str(classes)]), "Story"]


DRIVER = Driver(("javac", "java", *JACKSON), _built, frozenset({"key", "pin", "authority"}))
