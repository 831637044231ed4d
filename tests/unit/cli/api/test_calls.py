"""Words become one request, or a sentence that says what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli.api.calls import request
from appliance.errors import ApplianceError, ExitCode
from appliance.management.operations.table import BY_NAME


def test_what_stands_in_the_path_is_quoted() -> None:
    assert request(BY_NAME["lookup"], ["name=a/b c"]).path == "/api/v1/names/a%2Fb%20c"


def test_a_question_has_its_arguments_in_the_query_and_a_change_in_the_body() -> None:
    assert request(BY_NAME["services"], ["service=echo", "limit:=3"]).path == "/api/v1/services?service=echo&limit=3"
    asked = request(BY_NAME["invite"], ["name=laptop", 'tags:=["office"]'])
    assert (asked.verb, json.loads(asked.body or b"")) == ("POST", {"name": "laptop", "tags": ["office"]})


@pytest.mark.parametrize("words", [["laptop"], ["nix=1"], [], ["name:={"]])
def test_words_that_are_wrong(words: list[str]) -> None:
    with pytest.raises(ApplianceError) as refused:
        request(BY_NAME["lookup"], words)
    assert refused.value.exit_code == ExitCode.INVALID
    assert refused.value.hint


def test_a_secret_comes_from_a_file_and_never_from_the_command_line(tmp_path: Path) -> None:
    row, file = BY_NAME["users.create"], tmp_path / "password"
    file.write_text("correct horse battery\n")
    asked = request(row, ["name=alice", f"password=@{file}"])
    assert asked.body == b'{"name": "alice", "password": "correct horse battery"}'
    for word in ("password=correct horse", 'password:="correct horse"'):
        with pytest.raises(ApplianceError, match="secret") as refused:
            request(row, ["name=alice", word])
        assert "correct" not in str(refused.value.document())
    with pytest.raises(ApplianceError, match="missing"):
        request(row, [f"password=@{tmp_path / 'missing'}"])
