from __future__ import annotations

from appliance.management.operations.judging import Wrong, wrong
from appliance.management.operations.table import BY_NAME


def test_arguments_and_answers_are_judged_by_the_letter() -> None:
    invite = BY_NAME["invite"]
    assert wrong(invite, '{"name": "laptop", "tags": ["a"]}', answer=False) == []
    assert wrong(invite, '{"code": "abc", "more": 1}', answer=True) == []
    assert wrong(invite, '{"name": "x", "ttl": "60"}', answer=False) == [
        Wrong(("ttl",), "Input should be a valid integer", at_key=False)
    ]
    assert [(each.path, each.at_key) for each in wrong(invite, '{"other": 1}', answer=False)] == [
        (("name",), True),
        (("other",), True),
    ]
    assert wrong(invite, "{", answer=False)[0].path == ()
