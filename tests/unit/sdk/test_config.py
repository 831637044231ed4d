"""Arguments win over the environment, and that over the file; what is wrong is said at once, all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.sdk.config import ClientConfig
from appliance.sdk.errors import ConfigInvalid


def in_file(folder: Path, text: str | bytes) -> dict[str, str]:
    file = folder / "appliance/sdk.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {"XDG_CONFIG_HOME": str(folder)}


def test_nothing_said_is_the_defaults() -> None:
    assert ClientConfig.load(environ={}) == ClientConfig()


def test_arguments_over_environment_over_file(tmp_path: Path) -> None:
    environ = in_file(tmp_path, 'deadline_s = 1\nattempts = 2\npool_most = 3\nbalancing = "round-robin"\n')
    environ |= {"APPLIANCE_SDK_ATTEMPTS": "5", "APPLIANCE_SDK_POOL_MOST": "6"}
    config = ClientConfig.load({"pool_most": 9, "instance": None}, environ)
    assert (config.deadline_s, config.attempts, config.pool_most) == (1.0, 5, 9)
    assert config.balancing == "round-robin"


def test_the_file_is_where_the_variable_says_or_at_home(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("attempts = 7\n")
    assert ClientConfig.load(environ={"APPLIANCE_SDK_CONFIG": str(tmp_path / "own.toml")}).attempts == 7
    in_file(tmp_path / ".config" if (tmp_path / ".config").mkdir() is None else tmp_path, "attempts = 8\n")
    assert ClientConfig.load(environ={"HOME": str(tmp_path)}).attempts == 8


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="there is no such file"):
        ClientConfig.load(environ={"APPLIANCE_SDK_CONFIG": str(tmp_path / "missing")})


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    environ = in_file(tmp_path, 'deadlin_s = 1\nattempts = true\npool_most = 1.5\ninstance = 7\nbalancing = "best"\n')
    environ |= {"APPLIANCE_SDK_DEADLINE_S": "soon", "APPLIANCE_SDK_RETRY_SHARE": "2"}
    with pytest.raises(ConfigInvalid) as error:
        ClientConfig.load({"attempts": 0, "pool_idle_s": float("nan")}, environ)
    file = tmp_path / "appliance/sdk.toml"
    assert error.value.problems == [
        f"deadlin_s in {file}: there is no such key",
        f"attempts in {file}: a whole number is wanted",
        f"pool_most in {file}: a whole number is wanted",
        f"instance in {file}: a text is wanted",
        f"balancing in {file}: one of least-loaded, round-robin is wanted",
        "$APPLIANCE_SDK_DEADLINE_S: a number is wanted",
        "$APPLIANCE_SDK_RETRY_SHARE: a number from 0 to 1.0 is wanted",
        "attempts: a whole number from 1 to 100 is wanted",
        "pool_idle_s: a number from 0 to 86400 is wanted",
    ]
    assert not error.value.retryable


@pytest.mark.parametrize("text", ["attempts = ", b"\xff = 1", b"# " + b"x" * 70_000])
def test_a_file_that_is_no_toml_is_a_problem_and_no_crash(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigInvalid, match=r"sdk\.toml"):
        ClientConfig.load(environ=in_file(tmp_path, text))


def test_a_folder_in_its_place_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "appliance/sdk.toml").mkdir(parents=True)
    with pytest.raises(ConfigInvalid, match="directory"):
        ClientConfig.load(environ={"XDG_CONFIG_HOME": str(tmp_path)})


def test_an_empty_variable_says_nothing() -> None:
    assert ClientConfig.load(environ={"APPLIANCE_SDK_ATTEMPTS": ""}).attempts == ClientConfig().attempts
