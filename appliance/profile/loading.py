"""From files and the environment to a frozen, checked profile that knows where each of its keys came from.

files and drop-ins ─ read ─ upgrade ─ merge ─┐
environment, credentials ────────────────────┴─ validate ─ check across keys ─▶ LoadedProfile, or ProfileInvalid
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance.api import STANDARD_PLUGINS
from appliance.api.profile import PROFILE_VERSION, Profile, ProfileSection
from appliance.profile.checks import check, check_reach
from appliance.profile.document import Document, Source, Spot
from appliance.profile.environment import read_environment
from appliance.profile.layers import merge_files, overlay
from appliance.profile.loaded import LoadedProfile, locate
from appliance.profile.model import Kinds, profile_model, secret_keys
from appliance.profile.partial import without
from appliance.profile.places import files_of
from appliance.profile.problems import LocatedProblem, ProfileInvalid, in_order
from appliance.profile.reading import Read, read_bytes, read_file, reader_for
from appliance.profile.upgrade import upgrade, upgrade_section, with_value
from appliance.profile.validation import validate

NO_PROFILE = "there is no profile"
"""The message of the one problem of a host that has none."""
Readings = dict[Path, Read]
"""Files that were read already: whoever asks first for the plugins and then for the profile reads ten thousand peers once."""


def load(
    paths: Sequence[Path],
    *,
    environ: Mapping[str, str],
    root: Path = Path("/"),
    sections: Sequence[ProfileSection] = (),
    kinds: Kinds | None = None,
    readings: Readings | None = None,
    exact: bool = False,
) -> LoadedProfile:
    """The profile of these files with their drop-ins; without any, of the system's folders below `root`. With `exact`, of these
    files without drop-ins.

    `environ` is the process's environment, or {} to leave it out. `sections` and `kinds` are what enabled plugins registered;
    kinds that are not given are not judged. `readings` are used and added to. Raises ProfileInvalid with all problems.
    """
    document, files, problems = _gather(paths, environ, root, readings, exact=exact)
    if document is None:
        raise ProfileInvalid(problems)
    for section in sections:
        document, wrong = upgrade_section(document, section)
        problems += wrong
    secrets = secret_keys(sections, kinds)
    profile, wrong = validate(profile_model(sections, kinds), document, secrets)
    if profile is None:
        problems += _unless_known(wrong, problems)
        problems += _unless_known(_of_what_is_sound(document, problems, sections, secrets), problems)
    else:
        if kinds is not None:  # these settings were judged; the profile keeps them as they were written
            profile = profile_model(sections).model_validate(document.tree)
        problems += _checked(document, profile, secrets)
    if problems or profile is None:
        raise ProfileInvalid(in_order(problems))
    return LoadedProfile(profile, document, tuple(files), secrets)


def enabled_plugins(
    paths: Sequence[Path], *, environ: Mapping[str, str], root: Path = Path("/"), readings: Readings | None = None
) -> tuple[str, ...]:
    """The plugins that a profile names. This is read before the profile can be validated, because sections of the profile belong
    to plugins. Never raises: `load` tells what is wrong, and until then the standard plugins are taken."""
    document, _, _ = _gather(paths, environ, root, readings)
    named = document.tree.get("plugins") if document else None
    if isinstance(named, list) and all(isinstance(name, str) for name in named):
        return tuple(named)
    return STANDARD_PLUGINS


def readings_of(texts: Mapping[Path, bytes]) -> Readings:
    """Texts that somebody else has read, for `load`: it takes them instead of reading those files."""
    return {path: _understood(read_bytes(data, str(path), reader_for(path), path=path), path) for path, data in texts.items()}


def _gather(
    paths: Sequence[Path], environ: Mapping[str, str], root: Path, readings: Readings | None = None, *, exact: bool = False
) -> tuple[Document | None, list[Path], list[LocatedProblem]]:
    """Everything that was written, merged. None if something could not be read to its end."""
    files, problems = (list(paths), []) if exact else files_of(paths, root)
    layers, wrong = read_environment(environ)
    problems += wrong
    documents = []
    known = {} if readings is None else readings
    for file in files:
        document, wrong = known.get(file) or known.setdefault(file, _read(file))
        problems += wrong
        documents.append(document)
    if not files and not layers:
        problems.append(LocatedProblem("profile", 0, 0, "", NO_PROFILE, "`appliance init` writes a first one"))
        return None, [], problems
    sound = [document for document in documents if document is not None]
    if len(sound) < len(documents):
        return None, files, in_order(problems)
    merged = merge_files(sound) if sound else _bare(layers[0].spots[()].source)
    for layer in layers:
        merged = overlay(merged, layer)
    return merged, files, problems


def _read(file: Path) -> Read:
    return _understood(read_file(file), file)


def _understood(read: Read, file: Path) -> Read:
    document, problems = read
    if document is None:
        return None, problems
    document, wrong = upgrade(document)
    if wrong:  # a version that is not ours: whatever else looks wrong may be right in it
        return None, [*problems, *wrong]
    return _with_absolute_identity(document, file), problems


def _with_absolute_identity(document: Document, file: Path) -> Document:
    """`file:` references are relative to the file they stand in."""
    reference = document.at(("server", "identity"))
    if not isinstance(reference, str) or not reference.startswith("file:") or reference[5:6] in {"", "/", "~"}:
        return document
    return with_value(document, ("server", "identity"), f"file:{file.parent.absolute() / reference[5:]}")


def _bare(source: Source) -> Document:
    """What the environment is laid over if there is no file."""
    spot = Spot(source, 1, 1, 1, 1, 1, 1)
    tree: dict[str, Any] = {"profile": PROFILE_VERSION}
    return Document(tree, {(): spot, ("profile",): spot})


def _checked(document: Document, profile: Profile, secrets: Collection[str]) -> list[LocatedProblem]:
    found = list(check(profile)) or list(check_reach(profile))
    return locate(document, found, secrets)


def _of_what_is_sound(
    document: Document, known: Collection[LocatedProblem], sections: Sequence[ProfileSection], secrets: Collection[str]
) -> list[LocatedProblem]:
    """Contradictions among the keys that are well-formed, so that they are told in the same run."""
    rest, original = without(document, [problem.path for problem in known])
    profile, _ = validate(profile_model(sections), rest)
    if profile is None:
        return []
    return locate(document, [problem._replace(path=original(problem.path)) for problem in check(profile)], secrets)


def _unless_known(problems: Sequence[LocatedProblem], known: Sequence[LocatedProblem]) -> list[LocatedProblem]:
    """Those at places where nothing was wrong so far: one fault is reported once."""
    places = {problem[:3] for problem in known if problem.line}
    return [problem for problem in problems if problem[:3] not in places]
