"""What a journal says: its lines, and the state of the host's changes that they add up to. Pure.

The first line is the head: the version of the format, and how many records follow. It is written again after each record, so it
shows if a journal has lost its end. Every line begins with the CRC-32 of its rest in hex, and a blank. The rest of a record is a
JSON object with `kind`:

    begin      generation, steps, confirm_within | null, boot_id, netns      a plan is about to be carried out
    will       generation, steps                                             these may have been done from here on
    applied    generation                                                    all its steps are done and verified
    confirmed  generation                                                    the admin still has the host
    undoing    generation                                                    from this generation on all is being undone
    undone     generation, steps                                             their undo is done and verified
    reverted   generation                                                    nothing of it is left
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.api.planning import Step
from appliance.planning.facts import VERBS
from appliance.planning.render import step_from_json

VERSION = 2
HEAD_BYTES = len(b"01234567 appliance journal 2, records 0123456789\n")


class Damaged(ValueError):
    """The bytes are not what was written."""

    def __init__(self, reason: str, records: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__(reason)
        self.records = list(records)
        """Those before the damage."""


@dataclass(slots=True)
class Generation:
    """One plan that was carried out, or begun."""

    number: int
    """Counts up, from 1."""
    steps: tuple[Step, ...]
    confirm_within: float | None = None
    """Seconds in which it has to be confirmed; None if it needs no confirmation."""
    touched: list[int] = field(default_factory=list)
    """Numbers of the steps that may be in force, in order."""
    applied: bool = False
    """All its steps are done and verified."""
    confirmed: bool = False

    @property
    def awaits_confirmation(self) -> bool:
        """Will it be undone unless somebody confirms it?"""
        return self.confirm_within is not None and not self.confirmed

    def forget(self, steps: Collection[int]) -> None:
        """These steps were undone. Raises ValueError if one of them was not in force."""
        gone = set(steps)
        if not gone <= set(self.touched):
            raise ValueError("undone, and never done")
        self.touched = [step for step in self.touched if step not in gone]


@dataclass(slots=True)
class JournalState:
    """What is in force on a host."""

    boot_id: str = ""
    """The boot in which it was applied."""
    netns: int = 0
    """The network namespace in which it was applied."""
    generations: list[Generation] = field(default_factory=list)
    """Oldest first."""
    undoing: int | None = None
    """The generation from which on everything is being undone; None if nothing is."""

    @property
    def in_force(self) -> list[Step]:
        """The steps that are, or may be, in force."""
        return [generation.steps[number] for generation in self.generations for number in generation.touched]

    @property
    def last(self) -> Generation | None:
        """The newest generation; None if there is none."""
        return self.generations[-1] if self.generations else None

    def interrupted(self) -> int | None:
        """The generation from which on a crash left things half done; None if there is none."""
        if self.undoing is not None:
            return self.undoing
        return next((generation.number for generation in self.generations if not generation.applied), None)


def encode(record: Mapping[str, Any]) -> bytes:
    """One line."""
    return _line(json.dumps(record, separators=(",", ":")).encode())


def encode_head(records: int) -> bytes:
    """The first line, always `HEAD_BYTES` long."""
    return _line(b"appliance journal %d, records %010d" % (VERSION, records))


def decode(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The records of a journal, and the length of its sound beginning.

    A process that was killed leaves at most a last line without its end, or one record more than the head counts. Raises Damaged
    for anything else.
    """
    promised = _promised(data[:HEAD_BYTES])
    records: list[dict[str, Any]] = []
    *lines, torn = data[HEAD_BYTES:].split(b"\n")
    for line in lines:
        if (record := _record(line + b"\n")) is None:
            raise Damaged(f"record {len(records) + 1} of {promised} is damaged", records)
        records.append(record)
    if not promised <= len(records) <= promised + 1:
        raise Damaged(f"it has {len(records)} records where it says {promised}", records)
    return records, len(data) - len(torn)


def replay(records: Iterable[Mapping[str, Any]]) -> JournalState:
    """What the records add up to. Raises Damaged if they contradict each other."""
    state = JournalState()
    done: list[Mapping[str, Any]] = []
    for record in records:
        try:
            _take(state, record)
        except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise Damaged(f"record {len(done) + 1} makes no sense ({type(error).__name__})", done) from error
        done.append(record)
    return state


def _line(text: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _text(line: bytes) -> bytes | None:
    """What a line says; None if it is not whole."""
    text = line[9:-1]
    return text if line == _line(text) else None


def _promised(line: bytes) -> int:
    text = _text(line)
    if text is None:
        raise Damaged("its first line is damaged")
    beginning, _, count = text.rpartition(b" ")
    if beginning != b"appliance journal %d, records" % VERSION:
        raise Damaged("it was written by another version of the appliance")
    return int(count)


def _record(line: bytes) -> dict[str, Any] | None:
    text = _text(line)
    try:
        record = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _take(state: JournalState, record: Mapping[str, Any]) -> None:
    number = record["generation"]
    if record["kind"] == "begin":
        state.generations.append(_begun(state, record))
        state.boot_id, state.netns = record["boot_id"], record["netns"]
        return
    generation = next(one for one in state.generations if one.number == number)
    match record["kind"]:
        case "will":
            generation.touched += [range(len(generation.steps))[_natural(step)] for step in record["steps"]]
        case "applied":
            generation.applied = True
        case "confirmed":
            generation.confirmed = True
        case "undoing":
            state.undoing = number
        case "undone":
            generation.forget(record["steps"])
        case "reverted":
            state.generations.remove(generation)
            if state.undoing == number:
                state.undoing = None
        case _:
            raise ValueError("unknown kind")


def _begun(state: JournalState, record: Mapping[str, Any]) -> Generation:
    within = record["confirm_within"]
    if state.last is not None and _natural(record["generation"]) <= state.last.number:
        raise ValueError("the generations are out of order")
    if not (within is None or isinstance(within, int | float)) or not isinstance(record["boot_id"], str):
        raise TypeError("not what a generation begins with")
    _natural(record["netns"])
    steps = tuple(step_from_json(step) for step in record["steps"])
    if any(step.undo.verb not in VERBS or not isinstance(step.undo.args, dict) for step in steps):
        raise ValueError("a step with an unknown undo")
    return Generation(record["generation"], steps, within)


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a number")
    return value
