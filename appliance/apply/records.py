"""What a journal says: its lines, and the state of the host's changes that they add up to. Pure.

A line is the CRC-32 of the rest in hex, a blank, and a JSON object with `kind`:

    begin      generation, steps, confirm_within | null, boot_id, netns      a plan is about to be carried out
    will       generation, step                                              the step may have been done from here on
    applied    generation                                                    all its steps are done and verified
    confirmed  generation                                                    the admin still has the host
    undoing    generation                                                    from this generation on all is being undone
    undone     generation, step                                              the step's undo is done and verified
    reverted   generation                                                    nothing of it is left
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.api.planning import Step
from appliance.planning.render import step_from_json


@dataclass(slots=True)
class Generation:
    """One plan that was carried out, or begun. `touched` are the numbers of the steps that may be in force, in order."""

    number: int
    steps: tuple[Step, ...]
    confirm_within: float | None = None
    touched: list[int] = field(default_factory=list)
    applied: bool = False
    confirmed: bool = False

    @property
    def awaits_confirmation(self) -> bool:
        """Will it be undone unless somebody confirms it?"""
        return self.confirm_within is not None and not self.confirmed


@dataclass(slots=True)
class JournalState:
    """The changes in force on a host, oldest first. `undoing` is the generation down to which an undo was begun."""

    boot_id: str = ""
    netns: int = 0
    generations: list[Generation] = field(default_factory=list)
    undoing: int | None = None

    @property
    def in_force(self) -> list[Step]:
        """The steps that are, or may be, in force."""
        return [generation.steps[number] for generation in self.generations for number in generation.touched]

    @property
    def last(self) -> Generation | None:
        """The newest generation, None when there is none."""
        return self.generations[-1] if self.generations else None

    def interrupted(self) -> int | None:
        """The generation from which on a crash left things half done, None when there is no such."""
        if self.undoing is not None:
            return self.undoing
        return next((generation.number for generation in self.generations if not generation.applied), None)


def encode(record: Mapping[str, Any]) -> bytes:
    """One line."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The records of a journal, and the length of its sound beginning: a crash may have torn the last line."""
    records = []
    sound = 0
    for line in data.splitlines(keepends=True):
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            break
        records.append(json.loads(text))
        sound += len(line)
    return records, sound


def replay(records: Iterable[Mapping[str, Any]]) -> JournalState:
    """What the records add up to."""
    state = JournalState()
    for record in records:
        number = record["generation"]
        if record["kind"] == "begin":
            state.boot_id, state.netns = record["boot_id"], record["netns"]
            steps = tuple(step_from_json(step) for step in record["steps"])
            state.generations.append(Generation(number, steps, record["confirm_within"]))
            continue
        generation = next(one for one in state.generations if one.number == number)
        match record["kind"]:
            case "will":
                generation.touched.append(record["step"])
            case "applied":
                generation.applied = True
            case "confirmed":
                generation.confirmed = True
            case "undoing":
                state.undoing = number
            case "undone":
                generation.touched.remove(record["step"])
            case "reverted":
                state.generations.remove(generation)
                if state.undoing == number:
                    state.undoing = None
    return state
