"""Templates from files: ours in the wheel, those of packages, and the admin's own, layered as profiles are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import ApplianceError, ExitCode
from appliance.foundation.logging import get_logger
from appliance.management.jobs import checks
from appliance.management.jobs.checks import Operations
from appliance.management.jobs.template import MOST_BYTES, Template
from appliance.management.operations.row import AnsweredBy, Row
from appliance.profile.document import Document, dotted
from appliance.profile.loaded import locate
from appliance.profile.places import SYSTEM_FOLDERS, layered
from appliance.profile.problems import LocatedProblem, ProfileInvalid, in_order
from appliance.profile.reading import read_bytes, reader_for
from appliance.profile.validation import validate

log = get_logger("jobs")

OURS: Final = Path(__file__).parents[2] / "management/jobs/standard"
"""Where the templates are that come with the appliance."""
FOLDER: Final = "templates"
MOST_FILES: Final = 500


class TemplateUnknown(ApplianceError):
    """There is no template of this name, or its file is wrong."""

    exit_code = ExitCode.INVALID


class TemplateInvalid(ProfileInvalid):
    """A template's file is wrong. Has `problems` and `text`, as the error of a profile has."""

    def __init__(self, problems: Sequence[LocatedProblem]) -> None:
        super().__init__(problems)
        self.message = self.message.replace("the profile", "the template", 1)


class Found(NamedTuple):
    """A template, and its file."""

    template: Template
    file: Path


class Templates:
    """The templates of this host, read again whenever a file has changed."""

    def __init__(self, operations: Operations, root: Path = Path("/")) -> None:
        self._operations = operations
        self._folders = [root / folder / FOLDER for folder in SYSTEM_FOLDERS]
        self._seen: object = None
        self._found: dict[str, Found] = {}
        self._invalid: dict[str, TemplateInvalid] = {}

    def all(self) -> Mapping[str, Found]:
        """Those that are right, by name, in its order."""
        self._look()
        return self._found

    def invalid(self) -> Mapping[str, TemplateInvalid]:
        """What is wrong with the others, by file."""
        self._look()
        return self._invalid

    def get(self, name: str) -> Template:
        """The template of this name. Raises TemplateUnknown, and says why where its file is wrong."""
        self._look()
        if found := self._found.get(name):
            return found.template
        for file, error in self._invalid.items():
            if Path(file).stem == name:
                raise TemplateUnknown(
                    f"template {name} cannot be used: {error.message}", hint=f"`appliance templates check {file}`"
                )
        raise TemplateUnknown(f"there is no template {name[:64]!a}", hint=f"there are: {', '.join(self._found)}")

    def _look(self) -> None:
        try:
            files = layered(self._folders, standard())[:MOST_FILES]
        except OSError as error:
            log.warning("templates cannot be looked at", reason=str(error))
            files = list(standard())
        seen = [(file, _stamp(file)) for file in files]
        if seen == self._seen:
            return
        self._found, self._invalid = {}, {}
        for file in files:
            try:
                template = load(file, self._operations)
            except TemplateInvalid as error:
                self._invalid[str(file)] = error
            else:
                self._found[template.name] = Found(template, file)
        self._seen = seen


@cache
def standard() -> Mapping[Path, bytes]:
    """The texts of ours, by file. Read once: the user that the API server becomes may not be able to read them."""
    return {file: file.read_bytes() for file in sorted(OURS.iterdir())}


def for_steps(rows: Sequence[Row]) -> dict[str, Row]:
    """The operations that steps of templates may have: those that the node answers, once. What the API server answers may be a
    secret, such as a token, and would lie among the results."""
    return {row.name: row for row in rows if row.answered_by is AnsweredBy.NODE and not row.stream}


def text_of(file: Path) -> bytes:
    """What is in a file, up to a byte more than a template may have. Raises OSError."""
    if file in standard():
        return standard()[file]
    with file.open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def load(file: Path, operations: Operations) -> Template:
    """The template in a file. Raises TemplateInvalid with everything that is wrong."""
    document, problems = _read(file)
    if document is None:
        raise TemplateInvalid([_of_a_template(problem) for problem in problems])
    template, findings = validate(Template, document)
    problems += findings
    if template is not None:
        problems += locate(document, checks.check(template, operations))
        problems += _named_so(document, template, file)
    if template is None or problems:
        raise TemplateInvalid(in_order(problems))
    return template


def _read(file: Path) -> tuple[Document | None, list[LocatedProblem]]:
    try:
        data = text_of(file)
    except OSError as error:
        return None, [LocatedProblem(str(file), 0, 0, "", f"cannot be read: {error.strerror or error}")]
    if len(data) > MOST_BYTES:
        message = f"is larger than {MOST_BYTES // 1024} KiB, which no template needs"
        return None, [LocatedProblem(str(file), 0, 0, "", message, "is this the right file?")]
    return read_bytes(data, str(file), reader_for(file), path=file)


def _named_so(document: Document, template: Template, file: Path) -> list[LocatedProblem]:
    if file.stem == template.name:
        return []
    hint = f"a later folder's {template.name}{file.suffix} could not take its place"
    spot = document.spots[("name",)]
    place = LocatedProblem(str(file), spot.line, spot.column, dotted(("name",)), f"the file is called {file.stem}", hint)
    return [place._replace(source_line=spot.source.lines[spot.line - 1], width=spot.width)]


def _of_a_template(problem: LocatedProblem) -> LocatedProblem:
    """What the reader of profiles says, in words about templates."""
    hint = "write `template: 1` first, then name, version, summary and steps" if "profile" in problem.hint else problem.hint
    return problem._replace(message=problem.message.replace("a profile", "a template"), hint=hint)


def _stamp(file: Path) -> object:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
