from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from appliance.linux import memory


class Mistake(Exception):
    pass


def test_nobody_looks_for_garbage_in_what_grows() -> None:
    with memory.growing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_ends_it_too() -> None:
    with pytest.raises(Mistake), memory.growing():
        raise Mistake
    assert gc.isenabled()


def test_it_leaves_alone_what_a_start_has_switched_off() -> None:
    gc.disable()
    try:
        with memory.growing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_command_that_reads_a_profile_looks_for_no_garbage() -> None:
    opened = "open_profile('profiles/office-gateway.yaml')"
    code = f"import gc; from appliance.cli.opening import open_profile; {opened}; print(gc.isenabled())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
