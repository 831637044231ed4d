"""A file becomes a document. Its bytes are bounded and decoded here, and its format is chosen by the end of its name.

Content never raises: whatever is wrong is a located problem. If the document is None, it could not be read to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.profile.document import Document, Source, lines_of
from appliance.profile.problems import LocatedProblem, at

MAX_BYTES = 4 * 1024 * 1024
"""The largest file. That of a hub with 25,000 peers fits."""

Read = tuple[Document | None, list[LocatedProblem]]
Reader = Callable[[str, Source], Read]


def read_file(path: Path, *, name: str | None = None) -> Read:
    """The document in a file, and what is wrong with its text. `.toml` is TOML; anything else is YAML, which includes JSON."""
    shown = name or str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "`appliance init` writes a first profile" if isinstance(error, FileNotFoundError) else ""
        problem = LocatedProblem(shown, 0, 0, "", f"cannot be read: {error.strerror or error}", hint)
        return None, [problem]
    return read_bytes(data, shown, reader_for(path), path=path)


def read_bytes(data: bytes, name: str, reader: Reader, *, path: Path | None = None) -> Read:
    """The document in `data`."""
    if len(data) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES // 1024} KiB, which no profile needs"
        return None, [LocatedProblem(name, 0, 0, "", message, "is this the right file?")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _not_utf8(data, error, name)
    source = Source(name, lines=lines_of(text), path=path)
    document, problems = reader(text, source)
    if document is None or (document.tree and isinstance(document.tree, dict)):
        return document, problems
    if not document.tree:
        return None, [at(source, 1, 1, "the file is empty", "`appliance init` writes a first profile")]
    return None, [at(source, 1, 1, "a profile is a mapping of keys", "write `profile: 1` first, then the sections")]


def reader_for(path: Path) -> Reader:
    """The reader for a file of this name."""
    if path.suffix == ".toml":
        from appliance.profile.toml_reader import read_toml

        return read_toml
    from appliance.profile.yaml_reader import read_yaml

    return read_yaml


def _not_utf8(data: bytes, error: UnicodeDecodeError, name: str) -> Read:
    readable = data[: error.start].decode("utf-8", errors="replace")
    source = Source(name, lines=lines_of(data.decode("utf-8", errors="replace")))
    before = lines_of(readable)
    hint = "save the file as UTF-8" + (" (it looks like UTF-16)" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "")
    return None, [at(source, len(before), len(before[-1]) + 1, "this is not UTF-8 text", hint)]
