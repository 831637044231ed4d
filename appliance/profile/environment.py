"""What the environment says about a profile: variables, files that variables name, and systemd credentials.

APPLIANCE_NETWORK__MTU=1280                  section and key joined by two underscores; the value is read as YAML
APPLIANCE_MAIL__TOKEN_FILE=/run/secrets/t    the value is the text of that file, without its last line break
$CREDENTIALS_DIRECTORY/appliance.mail.token  the same by systemd's LoadCredential=appliance.mail.token:…
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.profile.document import Document, KeyPath, Source, Spot, dotted, lines_of
from appliance.profile.problems import LocatedProblem, at

PREFIX = "APPLIANCE_"
SEPARATOR = "__"
FILE_SUFFIX = "_FILE"
CREDENTIAL_PREFIX = "appliance."
MAX_SECRET_BYTES = 64 * 1024
"""The longest secret that is read from a file."""


def read_environment(environ: Mapping[str, str]) -> tuple[list[Document], list[LocatedProblem]]:
    """Documents of the environment and then of the credentials, and what is wrong with them.

    Names without two underscores behind the prefix (APPLIANCE_LOG) do not belong to the profile.
    """
    documents: list[Document] = []
    problems: list[LocatedProblem] = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and SEPARATOR in name[len(PREFIX) :]:
            _collect(_variable(name, environ), documents, problems)
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        for path in _credentials(Path(directory)):
            _collect(_credential(path), documents, problems)
    return documents, problems


_Found = tuple[Document | None, list[LocatedProblem]]


def _collect(found: _Found, documents: list[Document], problems: list[LocatedProblem]) -> None:
    document, wrong = found
    documents += [document] if document else []
    problems += wrong


def _variable(name: str, environ: Mapping[str, str]) -> _Found:
    shown = f"environment {name}"
    keys = name[len(PREFIX) :].lower().split(SEPARATOR)
    if name.endswith(FILE_SUFFIX):
        if name[: -len(FILE_SUFFIX)] in environ:
            return None, [LocatedProblem(shown, 0, 0, "", f"{name[: -len(FILE_SUFFIX)]} is set as well", "keep one of the two")]
        keys[-1] = keys[-1][: -len(FILE_SUFFIX)]
        source = Source(shown, "environment")
        return _secret(tuple(keys), Path(environ[name]), source) if all(keys) else _no_key(shown)
    return _parsed(tuple(keys), environ[name], name) if all(keys) else _no_key(shown)


def _no_key(shown: str) -> _Found:
    return None, [LocatedProblem(shown, 0, 0, "", "names no key of a profile", "for example APPLIANCE_NETWORK__MTU")]


def _parsed(keys: KeyPath, text: str, name: str) -> _Found:
    from appliance.profile.yaml_reader import read_yaml

    source = Source(f"environment {name}", "environment", lines_of(text))
    document, problems = read_yaml(text, source)
    # a variable has no lines to point into, and its value may be a secret
    told = [problem._replace(line=0, col=0, path=dotted(keys), source_line="") for problem in problems]
    if document is None:
        return None, told
    hidden = replace(source, lines=())
    spots = {path: spot._replace(source=hidden) for path, spot in document.spots.items()}
    return _nested(keys, Document(document.tree, spots)), told


def _credentials(directory: Path) -> Iterable[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.name.startswith(CREDENTIAL_PREFIX))
    except OSError:  # systemd names the directory even when the unit has no credentials
        return []


def _credential(path: Path) -> _Found:
    keys = path.name[len(CREDENTIAL_PREFIX) :].split(".")
    shown = f"credential {path.name}"
    if len(keys) < 2 or not all(keys):
        return None, [LocatedProblem(shown, 0, 0, "", "names no key of a profile", "for example appliance.section.key")]
    return _secret(tuple(keys), path, Source(shown, "credential"))


def _secret(keys: KeyPath, path: Path, source: Source) -> _Found:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_SECRET_BYTES + 1).decode()
    except OSError as error:
        problem = LocatedProblem(source.name, 0, 0, dotted(keys), f"{path} cannot be read: {error.strerror or error}")
        return None, [problem]
    except ValueError:  # no UTF-8, or a path with a zero byte
        return None, [LocatedProblem(source.name, 0, 0, dotted(keys), "the file does not hold UTF-8 text")]
    if len(text) > MAX_SECRET_BYTES:
        return None, [at(source, 0, 0, f"{path} is larger than {MAX_SECRET_BYTES} bytes", path=keys)]
    value = text.removesuffix("\n")
    return _nested(keys, Document(value, {(): Spot(source, 1, 1, 1, 1, 1, 1)})), []


def _nested(keys: KeyPath, document: Document) -> Document:
    """The document below the keys."""
    tree: Any = document.tree
    for key in reversed(keys):
        tree = {key: tree}
    spots = {keys + path: spot for path, spot in document.spots.items()}
    for length in range(len(keys)):
        spots[keys[:length]] = document.spots[()]
    return Document(tree, spots)
