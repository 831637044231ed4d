"""Log lines never hold up who writes them."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.foundation.log_output import LONGEST, PatientHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, PatientHandler]]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, PatientHandler(stream)
    os.close(reading)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("appliance.test", logging.INFO, __file__, 1, text, None, None)


def test_lines_go_out_at_once(pipe: tuple[int, PatientHandler]) -> None:
    reading, handler = pipe
    handler.emit(record("first"))
    handler.emit(record("zweite Zeile: ä"))
    assert os.read(reading, 1000).decode() == "first\nzweite Zeile: ä\n"


def test_a_reader_that_hangs_costs_lines_and_not_time(pipe: tuple[int, PatientHandler]) -> None:
    reading, handler = pipe
    for number in range(5000):
        handler.emit(record(f"line {number} " + "x" * 100))
    assert handler.lost > 4000
    lost = handler.lost
    while len(os.read(reading, 65536)) == 65536:
        pass
    handler.emit(record("again"))
    assert os.read(reading, 65536).decode() == f"({lost} log lines were lost: nobody read them)\nagain\n"
    assert handler.lost == 0


def test_a_very_long_line_is_cut(pipe: tuple[int, PatientHandler]) -> None:
    reading, handler = pipe
    handler.emit(record("y" * (LONGEST + 100)))
    assert len(os.read(reading, LONGEST + 200)) == LONGEST


def test_a_file_or_terminal_gets_everything() -> None:
    stream = io.StringIO()
    handler = PatientHandler(stream)
    handler.emit(record("whole"))
    assert stream.getvalue() == "whole\n"


def test_a_reader_that_left_raises_nothing(pipe: tuple[int, PatientHandler], capsys: pytest.CaptureFixture[str]) -> None:
    reading, handler = pipe
    os.dup2(os.open("/dev/null", os.O_RDONLY), reading)
    handler.emit(record("to nobody"))
    assert capsys.readouterr().err == ""
    assert handler.lost == 1


def test_what_a_full_disk_does_not_take_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails
    handler = PatientHandler(full)
    handler.emit(record("not to be had"))
    assert handler.lost == 1
    assert capsys.readouterr().err == ""
    with pytest.raises(OSError, match="No space left"):
        full.close()
